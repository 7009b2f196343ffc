"""The timer that drills: its units are written by the command, and the service's own command line is run once.

Doesn't prove that systemd starts it: `tests/machines/test_drill_units.py` has systemd read the units.
"""

import json
import shlex
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from ops.paths import ROOT
from ops.snapshots.drill_timer import schedule
from tests.support.checkouts import Checkout, add_launcher
from tests.support.documents import blocks

_NAME = "vault-estate-drill-local"


@pytest.fixture(scope="module")
def own(local_checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A stack with a snapshot and its launcher; the environment of a person whose home is empty."""
    home = tmp_path_factory.mktemp("home")
    environment = {**add_launcher(local_checkout), "XDG_CONFIG_HOME": str(home)}
    for command in ("up", "snapshot"):
        answer = local_checkout.run(command)
        assert answer.returncode == 0, answer.stderr
    return environment


def run(made: Checkout, environment: dict[str, str], command: list[str]) -> "subprocess.CompletedProcess[str]":
    """From a folder that isn't the checkout, as systemd would."""
    return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False, timeout=600)


def metrics(file: Path) -> dict[str, float]:
    """What a node exporter finds."""
    lines = [line.split() for line in file.read_text().splitlines() if not line.startswith("#")]
    return {name.removeprefix("vault_drill_"): float(value) for name, value in lines}


def status(made: Checkout) -> dict[str, Any]:
    """As a program sees it."""
    document: dict[str, Any] = json.loads(made.run("status", "--json").stdout)
    return document


def test_the_units_command_drills_and_everybody_sees_it(local_checkout: Checkout, own: dict[str, str]) -> None:
    file = local_checkout.directory / "local.prom"
    estate = str(local_checkout.directory / "estate")
    (page,) = [block.text for block in blocks(ROOT / "docs/snapshots.md") if "--schedule" in block.text]
    words, reload, enable, _ = (line.replace("dev", "local") for line in page.splitlines())
    assert status(local_checkout)["drill_age_seconds"] is None

    told = run(local_checkout, own, [estate, *words.split()[1:-1], str(file)])

    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[-1] == f"next: {reload} && {enable}"
    assert not file.exists(), "writing the units is no drill"
    units = Path(own["XDG_CONFIG_HOME"]) / "systemd/user"
    assert sorted(unit.name for unit in units.iterdir()) == [f"{_NAME}.service", f"{_NAME}.timer"]
    (line,) = [line for line in (units / f"{_NAME}.service").read_text().splitlines() if line.startswith("ExecStart=")]
    began = time.time()
    done = run(local_checkout, own, shlex.split(line.removeprefix("ExecStart=")))
    assert done.returncode == 0, done.stderr

    found = metrics(file)
    assert found["success"] == 1
    assert found["last_success_timestamp_seconds"] == found["last_attempt_timestamp_seconds"] >= int(began) - 1
    assert 0 < found["rto_seconds"] < 180
    assert found["rpo_seconds"] > 0
    assert 0 <= status(local_checkout)["drill_age_seconds"] < 180
    assert "last drill" in local_checkout.run("status").stdout

    wrong = run(local_checkout, own, [estate, "drill", "--identity", "/nowhere", "--metrics", str(file)])
    assert wrong.returncode == 2
    after = metrics(file)
    assert (after["success"], after["last_success_timestamp_seconds"]) == (0, found["last_success_timestamp_seconds"])


def test_a_path_with_signs_of_systemds_grammar_is_one_word(
    local_checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    service, _ = schedule(local_checkout.paths, "local", ["--identity", '/a b/$c/%h/"d\\'])

    assert '"--identity" "/a b/$$c/%%h/\\"d\\\\"\n' in service.read_text()


def test_a_stack_that_is_not_there_gets_no_units(local_checkout: Checkout, own: dict[str, str]) -> None:
    answer = run(local_checkout, own, [str(local_checkout.directory / "estate"), "drill", "none", "--schedule"])

    assert answer.returncode == 2
    assert len(answer.stderr.splitlines()) == 1
    assert not (Path(own["XDG_CONFIG_HOME"]) / "systemd/user/vault-estate-drill-none.timer").exists()
