"""One operation as the benchmark runs it: what is opened, with which choices, and what counts as failed."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from ops import stack_file
from ops.development.bench import operation
from ops.engine import finding, session
from ops.engine.operations import Changes
from ops.errors import EstateError

CREATED = Changes(counts={"create": 2, "same": 1}, resources=(("create", "urn:a"), ("create", "urn:b")))
UNCHANGED = Changes(counts={"same": 3})


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was done; `changes` is what the engine answers."""
    done: list[Any] = []

    @contextmanager
    def locked(_: object) -> Iterator[None]:
        done.append("locked")
        yield

    def operate(name: str, _: object) -> Changes:
        done.append(name)
        return changes[0]

    @contextmanager
    def opened(_file: object, _paths: object, _console: object, kind: str, choices: Any) -> Iterator[object]:
        done.append((kind, choices.policies, choices.sandbox))
        yield SimpleNamespace(run=SimpleNamespace(operate=operate))

    monkeypatch.setattr(stack_file, "read", lambda *_: SimpleNamespace(settings="settings"))
    monkeypatch.setattr(session, "locked", locked)
    monkeypatch.setattr(session, "opened", opened)
    monkeypatch.setattr(session, "lacking_plugins", lambda *_: done.append("plugins"))
    monkeypatch.setattr(finding, "find", lambda _: "engine")
    monkeypatch.setattr(operation, "start_local", lambda *_: done.append("started"))
    monkeypatch.setattr(operation, "platform_of", lambda *_: SimpleNamespace(stop=lambda: done.append("stopped")))
    return done


changes = [CREATED]


@pytest.fixture(autouse=True)
def fresh_changes() -> Iterator[None]:
    """Each test begins with an engine that creates."""
    changes[0] = CREATED
    yield
    changes[0] = CREATED


@pytest.mark.parametrize(
    ("arguments", "opening"),
    [
        (["preview"], ("preview", True, False)),
        (["up"], ("up", True, False)),
        (["refresh"], ("up", True, False)),
        (["destroy"], ("up", True, False)),
        (["up", "--no-policies"], ("up", False, False)),
    ],
)
def test_an_operation_is_opened_as_the_command_opens_it(
    log: list[Any], arguments: list[str], opening: tuple[str, bool, bool]
) -> None:
    assert operation.main(arguments) == 0
    assert log == ["locked", opening, arguments[0]]


def test_servers_are_started_and_stopped_outside_of_what_is_measured(log: list[Any]) -> None:
    assert operation.main(["start"]) == 0
    assert log == ["started", "plugins"]
    log.clear()
    assert operation.main(["stop"]) == 0
    assert log == ["stopped"]


def test_nothing_to_do_must_be_nothing(log: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert operation.main(["up", "--expect-no-changes"]) == 2
    said = capsys.readouterr().err
    assert "bench: up: 2 changes (2 create, 1 unchanged); expected 0 changes" in said
    assert "create urn:a" in said
    changes[0] = UNCHANGED
    assert operation.main(["up", "--expect-no-changes"]) == 0
    assert "0 changes (3 unchanged)" in capsys.readouterr().err


def test_what_goes_wrong_is_one_line_and_a_code(
    log: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(*_: object) -> None:
        msg = "no such stack"
        raise EstateError(msg)

    monkeypatch.setattr(stack_file, "read", missing)
    assert operation.main(["up"]) == 2
    assert capsys.readouterr().err.strip() == "bench: no such stack"
