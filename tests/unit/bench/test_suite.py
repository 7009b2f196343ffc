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

from ops import session, stackfile
from ops.bench import peer, suite
from ops.bench.measuring import Sample, median
from ops.bench.policies import PROGRAM
from ops.engine import finding
from ops.engine.finding import Engine
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
    monkeypatch.setattr(suite, "scratch", scratch)
    monkeypatch.setattr(suite, "run", run)
    monkeypatch.setattr(
        suite, "measure", lambda command, *, runs, directory: median([run(command, directory=directory)] * runs)
    )
    monkeypatch.setattr(finding, "find", lambda _: engine)
    monkeypatch.setattr(session, "lacking_plugins", lambda *_: ["vault"])
    monkeypatch.setattr(suite, "Paths", lambda **_: SimpleNamespace(make_own=lambda: None, local=tmp_path))
    monkeypatch.setattr(stackfile, "read", lambda *_: SimpleNamespace(settings=Settings))
    return said


class Settings:
    """As much of the settings as is looked at."""

    platform = local = SimpleNamespace(kind="local", api_port=1)


def ignore(_: str) -> None:
    """Nobody listens."""


PLAN = suite.Plan(sizes=(2, 3), compared_sizes=(), runs=2, first_secret=False, note="on a train")


def test_each_size_lives_a_life_of_its_own_each_time(log: list[str]) -> None:
    found = suite.measured(PLAN, ignore)
    life = ["start", "preview", "up", "up --expect-no-changes", "refresh --expect-no-changes", "end"]
    wanted = [line for size in (2, 2, 3, 3) for line in (f"begin {size} applications", *life)]
    assert [line for line in log if "import" not in line] == wanted
    assert set(found.estate) == {(name, size) for name in ("preview", "up", "no-op up", "refresh") for size in (2, 3)}
    assert all(one.runs == 2 for one in found.estate.values())
    assert found.first_secret is None
    assert found.comparison == "not run: not asked for"


def test_imports_are_measured_warm(log: list[str]) -> None:
    found = suite.measured(PLAN, ignore)
    imports = [line for line in log if line.startswith("-c import")]
    stacks = len(list(ROOT.glob("Pulumi.*.yaml")))
    assert imports == ["-c import settings, estate"] * 2 * stacks  # one of two is thrown away
    assert set(found.imports) == {"local", "dev"}


def test_the_machine_is_named(log: list[str]) -> None:
    facts = suite.measured(PLAN, ignore).facts
    assert facts["command"] == "`./estate bench` with sizes 2, 3 and 2 runs"
    assert facts["engine"] == "Pulumi 3.0.0, PATH"
    assert facts["Vault provider"].startswith("stand-in for pulumi-vault ")
    assert facts["note"] == "on a train"
    assert facts["processor"].endswith("cores")
    assert all(facts.values())


def test_the_first_secret_is_the_whole_command(log: list[str]) -> None:
    plan = suite.Plan(sizes=(1,), compared_sizes=(), runs=1)
    found = suite.measured(plan, ignore)
    assert "ops up local" in log
    assert found.first_secret is not None
    assert found.first_secret.runs == 1


def test_without_a_tool_nothing_is_compared(log: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "find", lambda: "not run: no tool")
    assert suite.measured(suite.Plan(sizes=(1,), runs=1, first_secret=False), ignore).comparison == "not run: no tool"


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
    plan = suite.Plan(sizes=(1,), compared_sizes=(5, 7), runs=1, first_secret=False)
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
    plan = suite.Plan(sizes=(1,), compared_sizes=(5,), runs=3, first_secret=False)
    assert suite.measured(plan, ignore).comparison == "not run: no provider"
    assert tool == []
