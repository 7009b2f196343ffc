"""Notes of origin, without a server: which are trusted, and what becomes of them when a version is written."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops.vault import values
from ops.vault.kv_secret import readable
from tests.unit.ops.fakes import asked_of
from vault_estate import origins


def _metadata(version: int, custom: dict[str, str], **versions: Any) -> dict[str, Any]:
    there = {"created_time": "2026-01-02T03:04:05.6Z", "deletion_time": "", "destroyed": False}
    return {"current_version": version, "custom_metadata": custom, "versions": {str(version): {**there, **versions}}}


def origin(metadata: dict[str, Any], key: str, *names: str) -> str:
    return values.of_keys(metadata, [key], lambda: names or ("a",))[key][0]


def _kept(before: dict[str, str], patch: dict[str, str | None]) -> dict[str, str]:
    return {key: text for key, text in {**before, **patch}.items() if text is not None}


def test_each_value_keeps_the_note_of_the_version_that_brought_it() -> None:
    first = _kept({}, dict(origins.noted({}, {"a": "generated"}, ["a"], version=1, who="up")))
    second = dict(origins.noted(_metadata(1, first), {"b": "given"}, ["a", "b"], version=2, who="ada, of ops"))
    notes = origins.read(_metadata(2, _kept(first, second)))
    assert {key: (note.origin, note.version, note.who) for key, note in notes.values.items()} == {
        "a": ("generated", 1, "up"),
        "b": ("given", 2, "ada  of ops"),
    }
    assert notes.writers == {1: "up", 2: "ada  of ops"}


@pytest.mark.parametrize("order", [(2, 3), (3, 2)])
def test_of_two_who_write_close_together_both_are_known(order: tuple[int, int]) -> None:
    """Each notes once the other's version is there, in either order."""
    custom = _kept({}, dict(origins.noted({}, {"a": "generated"}, ["a"], version=1, who="up")))
    written = {2: ({"b": "given"}, ["a", "b"], "ada"), 3: ({"c": "given"}, ["a", "b", "c"], "bob")}
    for version in order:
        brought, held, who = written[version]
        patch = origins.noted(_metadata(3, custom), brought, held, version=version, who=who)  # type: ignore[arg-type]
        custom = _kept(custom, dict(patch))
    notes = origins.read(_metadata(3, custom))
    assert notes.writers == {1: "up", 2: "ada", 3: "bob"}
    assert {key: note.who for key, note in notes.values.items() if key != "a"} == {"b": "ada", "c": "bob"}
    assert order == (3, 2) or notes.values["a"].origin == "generated"


def test_notes_of_an_older_version_are_not_trusted() -> None:
    notes = _kept({}, dict(origins.noted({}, {"a": "generated"}, ["a"], version=1, who="up")))
    assert origin(_metadata(1, notes), "a") == "generated"
    assert origin(_metadata(1, notes), "b") == "missing"
    # Whoever wrote version 2 noted nothing: what is there was given, and nothing else was.
    assert origin(_metadata(2, notes), "a") == "given"
    assert origin(_metadata(2, notes), "b") == "missing"
    assert origin(_metadata(2, notes), "b", "a", "b") == "given"


def test_what_is_gone_loses_its_note_and_other_notes_stay() -> None:
    notes = {**dict(origins.noted({}, {"a": "given"}, ["a"], version=1, who="ada")), "team": "data"}
    before = _metadata(1, {key: str(text) for key, text in notes.items()})
    patch = origins.noted(before, {"b": "given"}, ["b"], version=2, who="ada")
    assert patch["a"] is None
    assert "team" not in patch


def test_no_note_is_longer_than_the_server_takes() -> None:
    custom: dict[str, str] = {}
    for version in range(1, 60):
        before = _metadata(version - 1, custom) if custom else {}
        custom = _kept(custom, dict(origins.noted(before, {"a": "given"}, ["a"], version=version, who="x" * 300)))
        assert max(len(text) for text in custom.values()) <= origins.LONGEST
    assert max(origins.read(_metadata(59, custom)).writers) == 59


def test_a_deleted_or_destroyed_version_has_no_value() -> None:
    for state in ({"deletion_time": "2026-01-03T00:00:00Z"}, {"destroyed": True}):
        assert origin(_metadata(1, {}, **state), "a") == "missing"


def test_a_version_that_ends_by_itself_is_there_until_then() -> None:
    """As `delete_version_after` has it. Whoever put one value of it would else write the others away."""
    now = datetime.now(UTC)
    for hours, is_there in ((1, True), (-1, False)):
        # With nine digits, as the server writes it.
        ends = f"{now + timedelta(hours=hours):%Y-%m-%dT%H:%M:%S}.123456789Z"
        metadata = _metadata(1, {}, deletion_time=ends)
        assert readable(metadata) == is_there
        assert origin(metadata, "a") == ("given" if is_there else "missing")


def test_notes_are_read_once_for_all_values_of_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asked_of(monkeypatch, "vault_estate.origins.read", origins.Notes())
    values.of_keys(_metadata(1, {}), ["a", "b", "c"], lambda: ())
    assert len(asked) == 1
