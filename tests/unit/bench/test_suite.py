"""What a run of the benchmark measures, in which order, with which arguments. Estates, tools and processes are played.

Not proven here: that a real estate can live this life (see `tests/engine/test_bench.py`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ops import stack_file
from ops.development.bench import peer, suite, ways
from ops.development.bench.measuring import Sample, median
from ops.development.bench.policies import PROGRAM
from ops.engine import finding, session
from ops.engine.finding import Engine
from ops.errors import EstateError
from ops.paths import ROOT


def took(seconds: float = 1.0) -> Sample:
    return Sample(seconds=seconds, cpu_seconds=seconds, peak_bytes=2**20)


@dataclass
class Played:
    """A scratch copy that writes down what it is asked for."""

    directory: Path
    log: list[str]

    def operation(self, *arguments: str) -> Sample:
        self.log.append(" ".join(arguments))
        return took()

    def command(self, module: str, *arguments: str) -> list[str]:
        return ["python", module, *arguments]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What was asked for, in order; nothing is started."""
    said: list[str] = []

    @contextmanager
    def scratch(parent: Path, settings: Mapping[str, Any], *, program: str | None = None) -> Iterator[Played]:
        what = f"{len(settings['applications'])} applications" if program is None else program.splitlines()[-1]
        said.append(f"begin {what}")
        directory = tmp_path / str(len(said))
        directory.mkdir()
        yield Played(directory, said)
        said.append("end")

    def run(command: list[str], *, directory: Path) -> Sample:
        said.append(" ".join(command[1:]))
        return took(len(said))

    engine = Engine(executable=Path("/pulumi"), version="3.0.0", source="PATH")
    for module in (suite, ways):
        monkeypatch.setattr(module, "scratch", scratch)
        monkeypatch.setattr(module, "run", run)
    monkeypatch.setattr(
        suite, "measure", lambda command, *, runs, directory: median([run(command, directory=directory)] * runs)
    )
    monkeypatch.setattr(finding, "find", lambda _: engine)
    monkeypatch.setattr(session, "lacking_plugins", lambda *_: ["vault"])
    monkeypatch.setattr(suite, "Paths", lambda **_: SimpleNamespace(make_own=lambda: None, local=tmp_path))
    monkeypatch.setattr(
        stack_file,
        "read",
        lambda _, stack: SimpleNamespace(settings=SimpleNamespace(platform=KINDS[stack], local=KINDS["local"])),
    )
    return said


KINDS = {"local": SimpleNamespace(kind="local", api_port=1), "dev": SimpleNamespace(kind="hetzner")}
"""As much of each stack's platform as is looked at."""


def ignore(_: str) -> None:
    """Nobody listens."""


PLAN = suite.Plan(sizes=(2, 3), compared_sizes=(), runs=2, ways=False, note="on a train")


def test_each_size_lives_a_life_of_its_own_each_time(log: list[str]) -> None:
    found = suite.measured(PLAN, ignore)
    life = ["start", "preview", "up", "up --expect-no-changes", "refresh --expect-no-changes", "end"]
    wanted = [line for size in (2, 2, 3, 3) for line in (f"begin {size} applications", *life)]
    assert [line for line in log if "import" not in line] == wanted
    assert set(found.estate) == {(name, size) for name in ("preview", "up", "no-op up", "refresh") for size in (2, 3)}
    assert all(one.runs == 2 for one in found.estate.values())
    assert found.ways == {}
    assert found.comparison == "not run: not asked for"


def test_imports_are_measured_warm(log: list[str]) -> None:
    found = suite.measured(PLAN, ignore)
    imports = [line for line in log if line.startswith("-c import")]
    stacks = len(list(ROOT.glob("Pulumi.*.yaml")))
    assert len(imports) == 2 * stacks  # one of two is thrown away
    assert set(imports) == {
        "-c import settings, composition.estate",
        "-c import settings, composition.estate, composition.hetzner",
    }
    assert set(found.imports) == {"local", "dev"}


def test_the_machine_is_named(log: list[str]) -> None:
    facts = suite.measured(PLAN, ignore).facts
    assert facts["command"] == "`./estate bench` with sizes 2, 3 and 2 runs"
    assert facts["engine"] == "Pulumi 3.0.0, PATH"
    assert facts["Vault provider"].startswith("stand-in for pulumi-vault ")
    assert facts["note"] == "on a train"
    assert facts["processor"].endswith("cores")
    assert all(facts.values())


@pytest.mark.parametrize("problem", [None, "no root"])
def test_what_an_operator_waits_for_is_the_whole_command(
    log: list[str], monkeypatch: pytest.MonkeyPatch, problem: str | None
) -> None:
    monkeypatch.setattr("ops.development.bench.ways.machines.why_not", lambda: problem)
    found = suite.measured(suite.Plan(sizes=(1,), compared_sizes=(), runs=2), ignore)
    local = ["ops up local", "ops snapshot local", "ops restore local"]
    node = [f"ops {command} dev --sandbox" for command in ("up", "snapshot", "restore", "down")]
    commands = local if problem else [*local, *node]
    assert [line for line in log if line.startswith("ops ")] == commands * 2
    assert len(found.ways) == (3 if problem else 6)
    assert all(one.runs == 2 for one in found.ways.values())
    assert found.facts.get("booted node") == (f"not measured: {problem}" if problem else None)


def test_a_node_is_taken_down_also_when_a_command_on_it_fails(log: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(command: list[str], *, directory: Path) -> Sample:
        if "snapshot" in command and "dev" in command:
            msg = "no bucket"
            raise EstateError(msg)
        log.append(" ".join(command[1:]))
        return took()

    monkeypatch.setattr("ops.development.bench.ways.machines.why_not", lambda: None)
    monkeypatch.setattr(ways, "run", failing)
    with pytest.raises(EstateError, match="no bucket"):
        suite.measured(suite.Plan(sizes=(1,), compared_sizes=(), runs=1), ignore)
    assert log[-1] == "ops down dev --sandbox"


def test_without_a_tool_nothing_is_compared(log: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "find", lambda: "not run: no tool")
    assert suite.measured(suite.Plan(sizes=(1,), runs=1, ways=False), ignore).comparison == "not run: no tool"


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A tool that can be compared with; what it is asked for."""
    asked: list[str] = []

    def operation(name: str) -> Sample:
        asked.append(name)
        return took(0.5)

    @contextmanager
    def administering(*_: object) -> Iterator[object]:
        yield object()

    found = peer.Tool(executable=Path("/tool"), version="Tool v1", provider=None)
    monkeypatch.setattr(peer, "find", lambda: found)
    monkeypatch.setattr(peer, "make_login", lambda _: "-".join(["a", "login"]))
    monkeypatch.setattr(peer, "workspace", lambda *_, **__: SimpleNamespace(operation=operation))
    monkeypatch.setattr(suite, "administering", administering)
    return asked


def test_both_sides_live_the_same_life(log: list[str], tool: list[str]) -> None:
    plan = suite.Plan(sizes=(1,), compared_sizes=(5, 7), runs=1, ways=False)
    comparison = suite.measured(plan, ignore).comparison
    assert not isinstance(comparison, str)
    assert comparison.tool == "Tool v1"
    assert set(comparison.ours) == set(comparison.theirs)
    assert {size for _, size in comparison.ours} == {5, 7}
    assert tool == ["preview", "up", "up", "refresh"] * 2
    assert f"begin {PROGRAM.format(count=5).splitlines()[-1]}" in log
    # The pack is left out of ours, since the other side has none.
    assert log.count("up --no-policies") == log.count("up --expect-no-changes --no-policies") == 2


def test_a_tool_that_cannot_work_is_said(log: list[str], tool: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "workspace", lambda *_, **__: "not run: no provider")
    plan = suite.Plan(sizes=(1,), compared_sizes=(5,), runs=3, ways=False)
    assert suite.measured(plan, ignore).comparison == "not run: no provider"
    assert tool == []
