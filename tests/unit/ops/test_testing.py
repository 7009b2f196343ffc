"""Which tiers run, and what is said of those that didn't. The gates and pytest themselves are fakes here."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fake_providers import machines, nodes
from fake_providers.machines import roots
from ops.building.compiled import Compiled
from ops.console import Console
from ops.development import test_runner
from ops.development.test_runner import TIERS, Outcome, tiers_to_run
from ops.engine.finding import UnavailableError
from ops.errors import EstateError
from ops.paths import ROOT


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout without the tier that needs machines."""
    monkeypatch.setattr(test_runner, "ROOT", tmp_path)
    return tmp_path


ALL = ["unit", "policies", "engine", "live", "upgrade"]
NOT_ALONE = ["day2", "hashicorp", "machines", "clusters"]


@pytest.mark.parametrize(
    ("chosen", "everything", "run", "left"),
    [
        ([], False, ALL, NOT_ALONE),
        ([], True, [*ALL, *NOT_ALONE], []),
        (["unit"], False, ["unit"], [*ALL[1:], *NOT_ALONE]),
        (["machines"], False, ["machines"], [*ALL, "day2", "hashicorp", "clusters"]),
        (["clusters"], False, ["clusters"], [*ALL, "day2", "hashicorp", "machines"]),
        (["live", "unit"], True, ["live", "unit"], ["policies", "engine", "upgrade", *NOT_ALONE]),
    ],
)
def test_which_tiers_run(chosen: list[str], *, everything: bool, run: list[str], left: list[str]) -> None:
    assert tiers_to_run(chosen, everything=everything) == (run, left)


def test_a_tier_that_is_none() -> None:
    with pytest.raises(EstateError) as caught:
        tiers_to_run(["unit", "integration"], everything=False)

    assert str(caught.value) == (
        "tier 'integration' is not one; expected some of: unit, policies, engine, live, upgrade, day2, hashicorp, "
        "machines, clusters"
    )


def test_every_tier_has_its_folder() -> None:
    assert [tier for tier in TIERS if not (ROOT / "tests" / tier).is_dir()] == []


class Ran:
    """The commands that were run, and what each fake answers."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.options: list[dict[str, Any]] = []
        self.answers: dict[str, tuple[int, str, str]] = {}

    def run(self, command: list[str], **options: Any) -> "subprocess.CompletedProcess[str]":
        self.commands.append(command[1:])
        self.options.append(options)
        return subprocess.CompletedProcess(command, *self.answers.get(command[2], (0, "", "")))


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    fake = Ran()
    monkeypatch.setattr("ops.development.test_runner.subprocess.run", fake.run)
    return fake


def test_the_gates_run_one_after_the_other(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    ran.answers["mypy"] = (1, "a.py:1: error: no\n", "")
    ran.answers["ruff"] = (0, "chatter", "")

    outcomes = test_runner.check(Console())

    assert ran.commands == [
        ["-m", "ruff", "format", "--check", "--quiet", "."],
        ["-m", "ruff", "check", "--quiet", "."],
        ["-m", "mypy", "."],
    ]
    assert {options["cwd"] for options in ran.options} == {ROOT}
    assert [(one.name, one.passed, one.said) for one in outcomes] == [
        ("format", True, ""),
        ("lint", True, ""),
        ("types", False, "a.py:1: error: no"),
    ]
    assert all(isinstance(one, Outcome) and one.seconds >= 0 for one in outcomes)
    assert capsys.readouterr().err == "check: format\ncheck: lint\ncheck: types\n"


def test_all_tiers_run_with_coverage(root: Path, ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    assert test_runner.run(Console(), [], everything=False) == 0

    (command,) = ran.commands
    assert command == [
        *("-m", "pytest", "-q", "-n", str(test_runner.WORKERS), "--dist", "loadscope", "--no-loadscope-reorder"),
        *(f"tests/{tier}" for tier in ("engine", "live", "upgrade", "policies", "unit")),
        *("--cov", "--cov-report=term", "--cov-fail-under=90"),
    ]
    assert ran.options[0]["env"]["PULUMI_ERROR_OUTPUT_STRING"] == "true"
    assert ran.options[0]["env"]["PYTHONPATH"] == str(root)
    assert capsys.readouterr().err.splitlines() == [
        f"tests: engine, live, upgrade, policies, unit, {test_runner.WORKERS} at a time",
        "not run: day2, hashicorp, machines, clusters; run them with ./estate test day2 hashicorp machines clusters",
    ]


def test_what_was_not_run_is_named_with_the_command(root: Path, ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    ran.answers["pytest"] = (1, "", "")

    assert test_runner.run(Console(), ["unit", "live"], everything=False) == 1

    assert "--cov" not in ran.commands[0]
    assert capsys.readouterr().err.splitlines()[-1] == (
        "not run: policies, engine, upgrade, day2, hashicorp, machines, clusters; "
        "run them with ./estate test policies engine upgrade day2 hashicorp machines clusters"
    )


@pytest.fixture
def with_machines(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A checkout with the tier, on a host that can have machines; what was prepared."""
    prepared: list[str] = []

    def prepare(cache: Path, image: str, say: Callable[[str], None]) -> Path:
        prepared.append(image)
        say(f"making {image}")
        return cache

    def build(cache: Path, say: Callable[[str], None], go: str) -> None:
        say(f"building clusters with {go}")

    monkeypatch.setattr(machines, "prepare", prepare)
    monkeypatch.setattr(nodes, "prepare", build)
    monkeypatch.setattr("ops.development.test_runner.find_go", lambda _say, oldest: f"go{oldest[0]}.{oldest[1]}")
    monkeypatch.setattr(Compiled, "find", lambda _self, say: say("building the server"))
    monkeypatch.setattr("ops.development.test_runner.shutil.which", lambda _: "/usr/bin/shellcheck")
    return prepared


def test_machines_run_beside_the_others_and_count(
    with_machines: list[str], ran: Ran, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNCOUNTED", "what a run around this one leaves out")
    assert test_runner.run(Console(), [], everything=True) == 0

    assert with_machines == ["debian-12", "ubuntu-24.04"]
    (command,) = ran.commands
    assert command[8:11] == ["tests/machines", "tests/clusters", "tests/day2"]
    assert command[-3:] == ["--cov", "--cov-report=term", "--cov-fail-under=90"]
    assert {"UNCOUNTED", "UNCOUNTED_NODES"} & set(ran.options[0]["env"]) == set()
    slowest_first = "machines, clusters, day2, hashicorp, engine, live, upgrade, policies, unit"
    assert capsys.readouterr().err.splitlines() == [
        "building the server",
        "making debian-12",
        "making ubuntu-24.04",
        "building clusters with go1.26",
        f"tests: {slowest_first}, {test_runner.WORKERS} at a time",
    ]


def test_machines_alone_run_one_after_the_other(
    with_machines: list[str], ran: Ran, capsys: pytest.CaptureFixture[str]
) -> None:
    assert test_runner.run(Console(), ["machines"], everything=False) == 0

    assert ran.commands == [["-m", "pytest", "-q", "-n", "0", "tests/machines"]]
    assert "tests: machines, one after the other" in capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("code", [1, 2])
def test_a_failure_and_an_interrupt_are_told(with_machines: list[str], ran: Ran, code: int) -> None:
    ran.answers["pytest"] = (code, "", "")

    assert test_runner.run(Console(), [], everything=True) == code


WHY = (
    "machines: no machine can boot here: machines boot for root only; they need Linux, root, and of Debian's packages "
    "debootstrap, iproute2, openssh-client, shellcheck, systemd-container"
)


def test_machines_that_can_not_be_had_are_never_counted_as_passed(
    with_machines: list[str], ran: Ran, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machines, "prepare", roots.prepare)
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    assert test_runner.run(Console(), [], everything=True) == 1

    (command,) = ran.commands
    assert "tests/machines" not in command
    assert ran.options[0]["env"]["UNCOUNTED"] == "fake_providers/machines/*"
    assert capsys.readouterr().err.splitlines()[-1] == f"not run: {WHY}"
    with pytest.raises(EstateError) as caught:
        test_runner.run(Console(), ["machines"], everything=False)
    assert str(caught.value) == WHY


@pytest.mark.parametrize("error", [machines.MachineError("no network"), UnavailableError("no network")])
def test_clusters_that_can_not_be_had_are_never_counted_as_passed(
    with_machines: list[str], ran: Ran, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: Any) -> None:
        raise error

    monkeypatch.setattr(nodes, "prepare", broken)

    assert test_runner.run(Console(), [], everything=True) == 1

    (command,) = ran.commands
    assert "tests/clusters" not in command
    assert ran.options[0]["env"]["UNCOUNTED_NODES"] == "fake_providers/nodes/*"
    with pytest.raises(EstateError) as caught:
        test_runner.run(Console(), ["clusters"], everything=False)
    assert str(caught.value) == (
        "clusters: no network; they need Linux, root, and of Debian's packages gcc, iproute2, ipset, iptables, "
        "libc6-dev, libseccomp-dev, pkg-config, procps, util-linux"
    )


def test_a_server_that_can_not_be_built_is_never_counted_as_passed(
    with_machines: list[str], ran: Ran, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_compiler(_self: Compiled, say: Callable[[str], None]) -> Path:
        raise EstateError("HashiCorp's server can't be built: no Go compiler")

    monkeypatch.setattr(Compiled, "find", no_compiler)

    assert test_runner.run(Console(), [], everything=True) == 1

    assert [word for word in ran.commands[0] if "hashicorp" in word] == []
    said = "hashicorp: HashiCorp's server can't be built: no Go compiler"
    assert capsys.readouterr().err.splitlines()[-1] == f"not run: {said}"
    with pytest.raises(EstateError) as caught:
        test_runner.run(Console(), ["hashicorp"], everything=False)
    assert str(caught.value) == said


def test_what_is_missing_is_installed(
    with_machines: list[str], ran: Ran, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ops.development.test_runner.shutil.which", lambda _: None)

    assert test_runner.run(Console(), ["machines"], everything=False) == 0

    assert ran.commands[:2] == [
        ["update", "--quiet"],
        ["install", "--quiet", "--yes", "--no-install-recommends", "openssh-client", "shellcheck"],
    ]
    assert {options["env"]["DEBIAN_FRONTEND"] for options in ran.options[:2]} == {"noninteractive"}
    assert "installing openssh-client, shellcheck on this host" in capsys.readouterr().err.splitlines()


def no_apt(*_: Any, **__: Any) -> None:
    raise FileNotFoundError


def broken_apt(command: list[str], **_: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.CompletedProcess(command, 100, "", "W: a warning\nE: no such package\n")


def broken_root(*_: Any) -> None:
    raise machines.MachineError("debootstrap ended with 1: no mirror")


@pytest.mark.parametrize(
    ("place", "fails", "said"),
    [
        (
            "ops.development.test_runner.subprocess.run",
            no_apt,
            "apt-get is missing; expected it on PATH",
        ),
        (
            "ops.development.test_runner.subprocess.run",
            broken_apt,
            "apt-get update --quiet ended with 100: E: no such package",
        ),
        ("ops.development.test_runner.machines.prepare", broken_root, "debootstrap ended with 1: no mirror"),
    ],
)
def test_what_can_not_be_installed_is_said(
    with_machines: list[str],
    ran: Ran,
    monkeypatch: pytest.MonkeyPatch,
    *,
    place: str,
    fails: Callable[..., Any],
    said: str,
) -> None:
    monkeypatch.setattr("ops.development.test_runner.shutil.which", lambda _: None)
    monkeypatch.setattr(place, fails)

    with pytest.raises(EstateError, match=re.escape(f"machines: {said}; they need Linux, root")):
        test_runner.run(Console(), ["machines"], everything=False)


@pytest.mark.parametrize("as_json", [True, False])
def test_json_has_the_standard_output_to_itself(root: Path, ran: Ran, as_json: bool) -> None:
    test_runner.run(Console(as_json=as_json), ["unit"], everything=False)

    assert ran.options[0]["stdout"] is (sys.stderr if as_json else None)


def test_the_tests_run_with_this_python(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs: list[str] = []

    def run(command: list[str], **_: Any) -> "subprocess.CompletedProcess[str]":
        programs.append(command[0])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr("ops.development.test_runner.subprocess.run", run)
    test_runner.run(Console(), ["unit"], everything=False)

    assert programs == [sys.executable]


def test_processes_of_tests_keep_what_they_compiled(root: Path, ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")

    test_runner.run(Console(), ["unit"], everything=False)

    assert "PYTHONDONTWRITEBYTECODE" not in ran.options[0]["env"]


def test_no_test_module_takes_anything_from_another() -> None:
    """Fixtures and samples are in modules of their own, which no test's renaming breaks."""
    taken = [
        f"{file.relative_to(ROOT)}: {line}"
        for file in sorted((ROOT / "tests").rglob("*.py"))
        for line in file.read_text(encoding="utf-8").splitlines()
        if re.match(r"\s*(from tests\S*\.test_\w+ import|import tests\S*\.test_|from tests\S* import test_)", line)
    ]
    assert taken == []
