"""`./estate rotate`: words, tables and exit codes. Vault is not asked: `tests/live/test_secrets.py` has that."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from ops.cli import main
from ops.commands import value_rotation
from vault_estate.errors import PermissionDenied
from vault_estate.rotation import RotationOutcome, Runner, schedule
from vault_estate.rotation.schedule import ScheduledSecret

Captured = pytest.CaptureFixture[str]
DONE = RotationOutcome(secret="app-prod", keys=("TOKEN",), phase="idle", version=2, grace_until=1_790_000_600)


def scheduled(**changes: Any) -> ScheduledSecret:
    """One that waits."""
    usual: dict[str, Any] = {
        "secret": "app-prod",
        "keys": ("TOKEN",),
        "by": "random",
        "every_seconds": 43_200,
        "changed_at": 1_790_000_000,
        "due_at": 1_790_043_200,
        "rotated_at": 0,
        "phase": "idle",
        "state": "waiting",
        "grace_until": 0,
        "next_try_at": 0,
        "error": "",
        "now": 1_790_000_100,
    }
    return ScheduledSecret(**(usual | changes))


def answers(monkeypatch: pytest.MonkeyPatch, name: str, answer: object) -> list[tuple[object, ...]]:
    """Have a step answer this; what it was asked."""
    asked: list[tuple[object, ...]] = []

    def step(*given: object, **more: object) -> object:
        asked.append((*given[1:-1], more))
        return answer

    monkeypatch.setattr(f"ops.cli.rotation.value_rotation.{name}", step)
    return asked


def test_one_secret_is_rotated(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    asked = answers(monkeypatch, "rotate", DONE)
    assert main.main(["rotate", "aos", "app-prod", "TOKEN", "--now"]) == 0
    assert asked == [("app-prod", ["TOKEN"], {"now": True})]
    row = next(line.split() for line in capsys.readouterr().out.splitlines() if "app-prod" in line)
    assert row[:5] == ["app-prod", "TOKEN", "2", "idle", "2026-09-21T14:23:20Z"]


def test_a_run_is_given_up(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    asked = answers(monkeypatch, "abandon", DONE)
    assert main.main(["rotate", "aos", "app-prod", "--abandon", "--by-hand", "--json"]) == 0
    assert asked == [("app-prod", {"by_hand": True})]
    assert json.loads(capsys.readouterr().out)["rotated"][0]["secret"] == "app-prod"


@pytest.mark.parametrize(("error", "code"), [("", 0), ("secret app-prod: away", 1)], ids=["well", "failed"])
def test_what_is_due_ends_with_1_where_something_failed(
    error: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    answers(monkeypatch, "rotate_due", [DONE, RotationOutcome(secret="other", keys=("A",), error=error)])
    assert main.main(["rotate", "aos", "--due", "--json"]) == code
    assert [one["error"] for one in json.loads(capsys.readouterr().out)["rotated"]] == ["", error]


@pytest.mark.parametrize(
    ("changes", "code"),
    [({}, 0), ({"state": "failed", "error": "VaultTimeout"}, 1), ({"now": 1_790_047_521}, 1)],
    ids=["waiting", "failed", "overdue"],
)
def test_the_table_ends_with_1_where_something_is_not_well(
    changes: dict[str, Any], code: int, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    answers(monkeypatch, "look", [scheduled(**changes)])
    assert main.main(["rotate", "aos"]) == code
    assert "app-prod" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--now",), "--now or --abandon is given without NAME; expected both"),
        (("app-prod", "--due"), "--due is given with NAME; expected one of the two"),
        (("app-prod", "--by-hand"), "--by-hand is given without --abandon; expected both"),
        (("app-prod", "TOKEN", "--abandon"), "--abandon is given with more than NAME; expected it alone"),
    ],
    ids=["now", "due", "by-hand", "abandon"],
)
def test_what_does_not_go_together_is_refused(words: tuple[str, ...], said: str, capsys: Captured) -> None:
    assert main.main(["rotate", "aos", *words]) == 2
    assert capsys.readouterr().err == f"estate: {said}\n"


def test_an_application_that_is_unknown_is_refused(capsys: Captured) -> None:
    assert main.main(["rotate", "nope"]) == 2
    assert capsys.readouterr().err.startswith("estate: APP is 'nope'; expected one of: ")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["app-prod", "--now"], "rotate app-prod of aos"),
        (["app-prod", "--abandon"], "rotate app-prod of aos"),
        (["--due"], "rotate secrets of aos"),
        ([], "see how secrets of aos are rotated"),
    ],
)
def test_who_may_not_is_told_who_may(
    words: list[str], what: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    @contextmanager
    def person(*_given: object, **_more: object) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(url="https://127.0.0.1:1", token="none", session=SimpleNamespace(verify=True))

    def refuse(*_given: object, **_more: object) -> None:
        raise PermissionDenied("vault-estate/data/rotation/x: permission denied (403)")

    monkeypatch.setattr(value_rotation, "person", person)
    monkeypatch.setattr("ops.people.session.who", lambda _: "bob")
    monkeypatch.setattr(schedule, "look", refuse)
    for name in ("rotate", "rotate_due", "abandon"):
        monkeypatch.setattr(Runner, name, refuse)

    assert main.main(["rotate", "aos", *words]) == 2
    assert capsys.readouterr().err == f"estate: bob may not {what}; expected a person of a group that owns aos\n"
