"""The developers' commands: words in, tables or JSON out. What does the work is fake."""

import json
import subprocess
import sys

import pytest

from ops.cli import main
from ops.development.test_runner import Outcome
from ops.paths import ROOT
from tests.unit.ops.fakes import asked_of

Captured = pytest.CaptureFixture[str]
pytestmark = pytest.mark.usefixtures("command_line")


@pytest.mark.parametrize(("passed", "code"), [(True, 0), (False, 1)])
def test_check_fails_with_its_gates(monkeypatch: pytest.MonkeyPatch, capsys: Captured, passed: bool, code: int) -> None:
    outcomes = [
        Outcome(name="format", passed=True, seconds=0.12, said=""),
        Outcome(name="types", passed=passed, seconds=3.0, said="" if passed else "a.py:1: error: no"),
    ]
    asked_of(monkeypatch, "ops.development.test_runner.check", outcomes)

    assert main.main(["check"]) == code
    said = capsys.readouterr()
    assert ["types", "✓" if passed else "failed", "3.0", "s"] in [line.split() for line in said.out.splitlines()]
    assert ("a.py:1: error: no" in said.err) is not passed
    assert main.main(["check", "--json"]) == code
    assert json.loads(capsys.readouterr().out)["types"] == {"passed": passed, "seconds": 3.0}


@pytest.mark.parametrize(("code", "gates", "exit_code"), [(0, True, 0), (1, True, 1), (5, True, 1), (0, False, 1)])
def test_tests_fail_with_pytest_and_with_the_gates(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, code: int, gates: bool, exit_code: int
) -> None:
    engine = asked_of(monkeypatch, "ops.engine.finding.find", None)
    checked = asked_of(
        monkeypatch, "ops.development.test_runner.check", [Outcome(name="types", passed=gates, seconds=1, said="")]
    )
    ran: list[tuple[list[str], bool]] = []

    def run(_: object, tiers: list[str], *, everything: bool) -> int:
        ran.append((tiers, everything))
        return code

    monkeypatch.setattr("ops.development.test_runner.run", run)

    assert main.main(["test", "unit", "live", "--json"]) == (1 if code else 0)
    assert json.loads(capsys.readouterr().out) == {"passed": code == 0}
    assert checked == []
    assert main.main(["test", "--all"]) == exit_code

    assert ran == [(["unit", "live"], False), ([], True)]
    assert (len(engine), len(checked)) == (2, 1)


def test_a_misspelt_tier_is_told_before_anything_runs(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    engine = asked_of(monkeypatch, "ops.engine.finding.find", None)

    assert main.main(["test", "unitt"]) == 2

    assert capsys.readouterr().err.startswith("estate: tier 'unitt' is not one; expected some of: unit,")
    assert engine == []


@pytest.mark.parametrize(
    ("program", "absent"),
    [
        (
            "import ops.cli.main",
            {"ops.development.test_runner", "ops.development.bench", "boto3", "botocore", "pytest", "moto"},
        ),
        ("import ops.cli.main", {"composition.hetzner", "pulumi_aws", "pulumi_hcloud"}),
        (
            "from fake_providers.attach import _provider; _provider('vault', None, None, adopting=False)",
            {"fake_providers.hcloud"},
        ),
    ],
)
def test_a_start_waits_for_nothing_that_was_not_asked_for(program: str, absent: set[str]) -> None:
    show = f"{program}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", show], cwd=ROOT, capture_output=True, text=True, check=True)
    assert absent & set(done.stdout.split()) == set()
