"""`pulumi up` and `./estate up` are the same stack: project, names, config, URNs, state.

The engine's own command line runs the project here as a user's would, with two doubles: of the language host and of the
provider plugin, neither of which can be had on every machine. Not proven: those two themselves.
"""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fake_providers.attach import attach_apart
from tests.support.checkouts import Checkout
from tests.support.language_host import install


@pytest.fixture(scope="module")
def built(local_checkout: Checkout) -> Checkout:
    """A copy that `./estate up` built."""
    answer = local_checkout.run("up")
    assert answer.returncode == 0, answer.stderr
    return local_checkout


@pytest.fixture(scope="module")
def plain(built: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a user who ran `eval "$(./estate env)"`."""
    doubles = tmp_path_factory.mktemp("doubles")
    install(doubles)
    printed = json.loads(built.run("env", "--json").stdout)
    with contextlib.chdir(built.directory), attach_apart(["vault"]) as attached:
        yield {
            **os.environ,
            **printed,
            **attached,
            "PATH": f"{doubles}{os.pathsep}{printed['PATH']}",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_HOME": str(tmp_path_factory.mktemp("home")),
        }


def pulumi(built: Checkout, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """One command of plain Pulumi in the copy."""
    return subprocess.run(
        ["pulumi", *arguments, "--stack", "local", "--non-interactive"],
        cwd=built.directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def urns(built: Checkout, environment: dict[str, str]) -> dict[str, Any]:
    """Every resource of the state, by URN, with its id and inputs."""
    answer = pulumi(built, environment, "stack", "export")
    assert answer.returncode == 0, answer.stderr
    resources = json.loads(answer.stdout)["deployment"]["resources"]
    return {one["urn"]: one.get("id") for one in resources}


def test_plain_pulumi_finds_nothing_to_change(built: Checkout, plain: dict[str, str]) -> None:
    answer = pulumi(built, plain, "preview", "--expect-no-changes")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "unchanged" in answer.stdout


def test_a_change_made_by_one_is_no_change_for_the_other(built: Checkout, plain: dict[str, str]) -> None:
    before = urns(built, plain)
    settings = built.settings()
    settings["applications"]["aos"]["login"]["token_ttl"] = "30m"
    built.write(settings)

    answer = pulumi(built, plain, "up", "--yes", "--skip-preview")

    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "1 updated" in answer.stdout
    assert urns(built, plain) == before
    again = built.run("up", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["changed"] == 0


def test_a_wrong_setting_is_told_in_the_same_words(built: Checkout, plain: dict[str, str]) -> None:
    settings = built.settings()
    wrong = {**settings, "protect": "perhaps"}
    built.write(wrong)
    try:
        answer = pulumi(built, plain, "preview")
        ours = built.run("preview")
    finally:
        built.write(settings)
    assert answer.returncode != 0
    assert ours.returncode == 2
    line = ours.stderr.strip().splitlines()[-1].split("Pulumi.local.yaml: ")[-1]
    assert "protect" in line
    assert line in answer.stdout + answer.stderr


def test_a_base_file_is_read_by_both(built: Checkout, plain: dict[str, str]) -> None:
    settings = built.settings()
    shared = built.directory / "shared.yaml"
    moved = ("applications", "kv", "approle")
    shared.write_text(yaml.safe_dump({name: settings[name] for name in moved}))
    own = {name: value for name, value in settings.items() if name not in moved}
    try:
        built.write({"base": "shared.yaml", **own, "applications": list(settings["applications"])})
        plainly = pulumi(built, plain, "preview", "--expect-no-changes")
        ours = built.run("preview", "--expect-no-changes")
        built.write({"base": "shared.yaml", **own, "applications": ["aos", "nobody"]})
        wrong = pulumi(built, plain, "preview")
    finally:
        built.write(settings)
    assert plainly.returncode == 0, plainly.stdout + plainly.stderr
    assert ours.returncode == 0, ours.stderr
    assert wrong.returncode != 0
    line = "vault-estate:estate.applications[1] is 'nobody'; expected one of applications in shared.yaml: "
    assert line in wrong.stdout + wrong.stderr


def test_a_salt_that_plain_pulumi_left_outlives_no_passphrase(built: Checkout) -> None:
    salt = ":".join(("v1", "pRukiGtafcc=", "v1", "A+CLzmNGtn3KbuDL", "arPW/RNoPZuQh2ojFzN3aaj8uDikmQ=="))
    settings_and_salt = f"{built.stack_file.read_text()}encryptionsalt: {salt}\n"
    built.stack_file.write_text(settings_and_salt)
    assert built.run("down").returncode == 0

    answer = built.run("preview", "--json")

    assert answer.returncode == 0, answer.stderr
    assert built.stack_file.read_text() == settings_and_salt


def test_the_double_is_the_only_thing_that_stood_in(plain: dict[str, str]) -> None:
    first = Path(plain["PATH"].split(os.pathsep)[0])
    assert [file.name for file in first.iterdir()] == ["pulumi-language-python"]
