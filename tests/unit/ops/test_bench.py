"""The benchmark: what it measures, what follows from that, and what the report says of it.

Doesn't prove any number, nor that a real estate can be measured: `tests/engine/test_bench.py` measures a small one.
"""

import contextlib
import json
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import settings
from ops.cli import main
from ops.development.bench import peer, scratch, suite
from ops.development.bench.scratch import Measured, run
from ops.development.bench.suite import OURS, THEIRS, Results, growth, medians, text, verdicts
from ops.errors import EstateError
from ops.paths import ROOT
from tests.support.checkouts import base_settings
from tests.unit.ops.fakes import asked_of, fake_program

MEBIBYTE = 2**20


def python(program: str) -> list[str]:
    return [sys.executable, "-S", "-c", program]


# Measuring a process.


def test_a_failed_run_is_an_error_with_its_last_lines(tmp_path: Path) -> None:
    program = "import sys; [print('line', n) for n in range(100)]; print('why', file=sys.stderr); sys.exit(3)"
    with pytest.raises(EstateError, match="ended with 3; its last lines:") as error:
        run(python(program), tmp_path)
    assert str(error.value).splitlines()[-1] == "why"
    assert "line 1\n" not in str(error.value)


def test_a_server_that_a_run_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys\n"
        "left = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)'], start_new_session=True)\n"
        "open('pid', 'w').write(str(left.pid))\n"
    )
    run(python(program), tmp_path)
    server = psutil.Process(int((tmp_path / "pid").read_text()))
    assert server.is_running()
    server.kill()


def test_a_run_gets_the_environment_it_is_given(tmp_path: Path) -> None:
    run(python("import os; assert os.environ['CASE'] == 'x'"), tmp_path, {"CASE": "x"})
    with pytest.raises(EstateError):
        run(python("import os; assert 'CASE' in os.environ"), tmp_path, {"OTHER": ""})


def test_each_number_has_a_median_of_its_own() -> None:
    samples = [Measured(3.0, 0.1, 10), Measured(1.0, 0.3, 30), Measured(2.0, 0.2, 20)]
    assert medians(samples) == Measured(2.0, 0.2, 20, runs=3, spread_seconds=2.0)
    assert medians(samples[:1]) == samples[0]


def test_the_import_is_of_what_the_program_imports() -> None:
    """And of its platform's own composition, which is imported when the estate is built."""
    show = "\nimport sys; print(*sorted(name for name in sys.modules if name.startswith('composition.')))"
    away = {"composition.local", "composition.first_boot", "composition.needs"}
    for stack, platform in (
        ("local", {"composition.local"}),
        ("dev", {*away, "composition.hetzner"}),
        ("staging", {*away, "composition.eks"}),
    ):
        *command, program = suite.program_imports()[stack]
        command.append(program + show)
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        expected = {"composition.estate", "composition.contents", "composition.administrator_files", *platform}
        assert set(done.stdout.split()) - {"composition.private_files"} == expected


# Estates to measure.


@pytest.mark.parametrize("count", [1, 12])
def test_a_synthetic_estate_is_one(count: int) -> None:
    parsed = settings.parse(scratch.settings(count))
    assert list(parsed.applications) == [f"application-{number:05d}" for number in range(1, count + 1)]
    for number, application in enumerate(parsed.applications.values(), start=1):
        assert len(application.secrets) == 2
        assert len(application.reads) == (number > 1)
        assert len(application.database_roles) == len(application.transit_keys) == len(application.pki_roles) == 1


def test_nothing_but_applications_and_ports_is_synthetic() -> None:
    base, made = base_settings(), scratch.settings(3)
    assert {key for key in base if made.get(key) != base[key]} == {"applications", "people", "platform", "database"}
    ports = set(made["platform"].values()) - {"local"}
    assert len(ports) == 3
    assert {one["port"] for one in made["database"]["connections"].values()} == {made["platform"]["postgres_port"]}


def test_a_copy_is_a_project_of_its_own_and_goes_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = peer.PROGRAM.format(count=7)
    started = asked_of(monkeypatch, "ops.platforms.local.Local.start", None)
    monkeypatch.setattr("ops.platforms.local.Local.ready", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr("ops.commands.session.lacking_plugins", lambda *_: [])
    monkeypatch.setattr("ops.engine.finding.find", lambda *_: None)

    def fail_inside() -> None:
        with scratch.scratch(tmp_path, scratch.settings(1), program) as local:
            copy = local.paths.project
            assert len(started) == 1
            show = [sys.executable, "-c", "import ops.paths; print(ops.paths.ROOT)"]
            shown = subprocess.run(show, cwd=copy, capture_output=True, text=True, check=True).stdout
            assert shown.strip() == str(copy)
            assert not (copy / ".estate").exists()
            assert (copy / "__main__.py").read_text() == program
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_inside()
    assert list(tmp_path.iterdir()) == []


# Another tool. It is played by a script here.


@pytest.fixture
def search_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing of interest on it."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def test_without_a_tool_nothing_is_compared(search_path: Path, tmp_path: Path) -> None:
    assert peer.find(tmp_path) == "neither tofu nor terraform is on PATH"
    fake_program(search_path / "tofu", '[ "$1" = version ] && echo v1')
    assert peer.find(tmp_path) == "v1 can't get the provider hashicorp/vault"


def test_tofu_goes_first_and_gets_the_server_from_its_environment(search_path: Path, tmp_path: Path) -> None:
    fake_program(search_path / "terraform", "echo Terraform v1.0")
    fake_program(
        search_path / "tofu", 'case "$1" in version) echo OpenTofu v1.1; echo;; init) exit 1;; *) env >"env-$1";; esac'
    )
    tool = peer.find(tmp_path)
    assert isinstance(tool, peer.Tool)
    assert tool.version == "OpenTofu v1.1"
    tool.measure({"VAULT_ADDR": "https://127.0.0.1:1"}, "no-op up")
    assert "VAULT_ADDR=https://127.0.0.1:1\n" in (tmp_path / "env-apply").read_text()


def test_both_sides_get_the_same_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "render", lambda policy: f"{policy.name}: a ${{template}} and %{{another}}")
    document = json.loads(peer.configuration(3))
    found = document["resource"]["vault_policy"]
    assert list(found) == list(peer.policies(3)) == ["application-00001", "application-00002", "application-00003"]
    assert found["application-00002"]["policy"] == "application-00002: a $${template} and %%{another}"


# What follows, and the report.


def took(seconds: float, mebibytes: int = 100) -> Measured:
    return Measured(seconds, seconds / 2, mebibytes * MEBIBYTE, 3, 0.1)


def compared(ours: float, *, mebibytes: int = 100) -> Results:
    """Compared with a tool that takes a second and 100 MiB."""
    cases = {(OURS, name, 1_000): took(ours, mebibytes) for name in ("up", "no-op up")}
    cases |= {(THEIRS, name, 1_000): took(1.0) for name in ("up", "no-op up")}
    return Results(facts={}, peer="Tool v1", cases=cases)


@pytest.mark.parametrize(
    ("times", "factor"),
    [
        ({10: 3.0, 100: 3.9, 1_000: 12.9}, 1.0),  # 2.9 s to start and 10 ms an application
        ({10: 1.0, 100: 100.0, 1_000: 10_000.0}, 10.0),  # quadratic
        ({10: 1.0, 100: 10.0, 1_000: 100.0, 5_000: 900.0}, 2.0),
        ({10: 1.0, 100: 0.9, 1_000: 5.0}, float("inf")),  # noise is not called linear
    ],
)
def test_growth_leaves_the_start_up_out(times: dict[int, float], factor: float) -> None:
    assert growth(times) == pytest.approx(factor)


@pytest.mark.parametrize(
    ("found", "met"),
    [
        (compared(2.0), {"no-op up": True, "up": True, "memory of up": True}),
        (compared(2.1), {"no-op up": False, "up": True, "memory of up": True}),
        (compared(2.6, mebibytes=201), {"no-op up": False, "up": False, "memory of up": False}),
        (Results({}, "none", {("program", "import of stack x", 0): took(0.6)}), {"import of stack x": True}),
        (Results({}, "none", {("program", "import of stack x", 0): took(0.61)}), {"import of stack x": False}),
        (Results({}, "none", {("applications", "up", size): took(size**2) for size in (1, 2, 3)}), {"up": False}),
        (Results({}, "none", {("applications", "up", size): took(size) for size in (1, 2, 3)}), {"up": True}),
        (Results({}, "none", {("applications", "up", size): took(size) for size in (1, 2)}), {}),
    ],
)
def test_a_target_is_met_or_missed(found: Results, met: dict[str, bool]) -> None:
    judged = {re.split(" of 1,000| within| grows", target)[0]: is_met for target, _, is_met in verdicts(found)}
    assert judged == met


@pytest.fixture
def whole() -> Results:
    """A run with everything in it."""
    cases = {("program", "import of stack local", 0): took(0.7)}
    cases |= {("applications", "up", size): took(size / 100, size) for size in (10, 100, 1_000)}
    return Results({"processor": "a slow one"}, "Tool v1", {**cases, **compared(3.0).cases})


REPORT = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")


def test_the_report_has_every_number(whole: Results) -> None:
    lines = text(whole, REPORT).splitlines()
    for line in (
        "| processor | a slow one |",
        "| compared with | Tool v1 |",
        "| import of stack local within 0.6 s | 0.70 s | **missed** |",
        "| program | import of stack local |  | 0.70 s | 0.10 s | 0.35 s | 100 MiB | 3 |",
        "| applications | up | 1,000 | 10.00 s | 0.10 s | 5.00 s | 1000 MiB | 3 |",
        "| policies, ours | up | 1,000 | 3.00 s | 0.10 s | 1.50 s | 100 MiB | 3 |",
        "| up | 1,000 | 3.00 | 3.00 | 1.00 |",
    ):
        assert line in lines
    for table in text(whole, REPORT).split("\n\n"):
        if table.startswith("|"):
            assert len({line.count("|") for line in table.splitlines()}) == 1


def test_the_reports_own_words_stay_and_no_number_of_a_run_before(whole: Results) -> None:
    empty = text(Results({}, "no tool", {}), REPORT)
    assert text(Results({}, "no tool", {}), text(whole, REPORT)) == empty
    assert [line for line in REPORT.splitlines() if "|" not in line] == [
        line for line in empty.splitlines() if "|" not in line
    ]
    assert "| compared with | no tool |" in empty
    assert empty.count("\n| --- ") == 4


@pytest.mark.usefixtures("command_line")
def test_the_command_writes_the_report_and_fails_with_missed_targets(
    whole: Results,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "README.md").write_text(REPORT)
    monkeypatch.setattr("ops.cli.development.ROOT", tmp_path)
    asked = asked_of(monkeypatch, "ops.development.bench.suite.measured", whole)

    assert main.main(["bench", "--sizes", "10, 20", "--compared-sizes", "", "--runs", "1", "--note", "on a train"]) == 2

    assert asked[0][1:] == ((10, 20), (), 1, "on a train")
    assert (tmp_path / "benchmarks" / "README.md").read_text() == suite.text(whole, REPORT)
    said = capsys.readouterr().err
    assert said.startswith("estate: targets missed:\n  import of stack local within 0.6 s: 0.70 s\n")
    assert main.main(["bench", "--sizes", "10,none"]) == 2
    assert "--sizes is '10,none'; expected whole numbers above 0, joined by commas" in capsys.readouterr().err
