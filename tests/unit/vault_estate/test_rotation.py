"""A rotation ends with one good key at both ends, wherever its process ends; and what it refuses.

Vault and the other end are in memory, and time is set. A real OpenBao: `tests/live/vault_estate/test_rotation.py`.
"""

import json
import ssl
from collections.abc import Callable
from itertools import count

import pytest

from tests.support.migrating import MOUNT, Killed
from tests.support.rotating import EVERY, GRACE, KEY, RECORD, Rotating, in_one_thread, rotated_manifest
from vault_estate import manifest, origins
from vault_estate.errors import (
    ConfigurationError,
    InvalidRequest,
    RotationFailed,
    RotationInProgress,
    SecretNotFound,
    VaultEstateError,
)
from vault_estate.events import Event, EventKind
from vault_estate.manifest import ClientManifest
from vault_estate.rotation import Overlap, Rotator, Runner
from vault_estate.rotation.holding import HELD_SECONDS
from vault_estate.rotation.record import RotationRecord
from vault_estate.tls import Trust
from vault_estate.transport import Call

CANARY = "q7Zq7Z"


@pytest.fixture(autouse=True)
def _one_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent, and reading the system's certificates anew for each process would take most of the time."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(Trust, "context", lambda _: context)
    in_one_thread(monkeypatch)


def test_a_run_and_its_grace() -> None:
    here = Rotating()
    done = here.runner().rotate("external-apis")
    assert (done.phase, done.version, done.keys) == ("grace", 2, (KEY,))
    assert here.provider.asked == ["create", "install", "test"]
    assert here.vault.versions("external-apis")[-1] == {KEY: "key-2-q7Zq7Zq7Zq7Zq7Z", "OTHER": "kept"}
    assert len(here.provider.keys) == 2
    note = origins.read({"current_version": 2, "custom_metadata": here.vault.notes[f"{MOUNT}/external-apis"]})
    assert (note.values[KEY].origin, note.values["OTHER"].origin, note.writers[2]) == ("generated", "given", "ada")
    assert here.vault.note().rotated_at == int(here.vault.clock.wall())

    here.vault.clock.advance(GRACE - 1)
    assert here.runner().rotate_due() == []
    here.vault.clock.advance(1)
    (ended,) = here.runner().rotate_due()
    assert (ended.phase, ended.error) == ("idle", "")
    assert list(here.provider.keys) == [here.present]
    assert here.vault.record() == RotationRecord()
    assert CANARY not in here.vault.readable_records()


@pytest.mark.parametrize("overlap", list(Overlap), ids=["two-keys", "one-key", "versions"])
def test_killed_at_any_moment_it_ends_with_one_key_and_no_orphan(overlap: Overlap) -> None:
    """Once for each moment before and after each request, at both ends, until a run has none left to be killed at."""
    for moment in count(1):
        here = Rotating(killed_at=moment)
        here.provider.overlap = overlap
        if overlap is Overlap.TWO_KEYS:
            here.watched = lambda here=here: _is_good(here)  # type: ignore[misc]  # bound now
        killed = _until_killed(here)
        here.killed_at = 0
        for _ in range(4):
            here.vault.clock.advance(GRACE)
            assert [one.error for one in here.runner().rotate_due()] in ([], [""], ["", ""])
        if overlap is not Overlap.VERSIONS:
            assert list(here.provider.keys) == [here.present], moment
        assert here.present != "key-1-q7Zq7Zq7Zq7Zq7Z", moment
        assert len(here.vault.versions("external-apis")) == 2, moment
        assert here.vault.record() == RotationRecord(), moment
        assert CANARY not in here.vault.readable_records(), moment
        assert (here.vault.note().phase, here.vault.note().error) == ("idle", ""), moment
        if not killed:
            break
    assert moment > 50


def _until_killed(here: Rotating) -> bool:
    """A run that is due, and the end of its grace; whether it was killed in between."""
    here.vault.clock.advance(EVERY)
    try:
        here.runner().rotate_due()
        here.vault.clock.advance(GRACE)
        here.runner().rotate_due()
    except Killed:
        return True
    return False


def _is_good(here: Rotating) -> None:
    """What applications read is good at the other end, at every moment, and there are never three."""
    assert here.present in here.provider.keys
    assert len(here.provider.keys) <= 2


def test_two_processes_have_one_run() -> None:
    here = Rotating(killed_at=20)
    with pytest.raises(Killed):
        here.runner().rotate("external-apis")
    here.killed_at = 0
    assert here.vault.record().owner
    with pytest.raises(RotationInProgress, match=r"another process; expected its end, or 2026-\S+Z, when"):
        here.runner().rotate("external-apis")
    here.vault.clock.advance(HELD_SECONDS)
    assert here.runner().rotate("external-apis").phase == "grace"
    with pytest.raises(RotationInProgress, match=r"^secret external-apis was rotated, and the values before are acc"):
        here.runner().rotate("external-apis")
    assert len(here.vault.versions("external-apis")) == 2


def test_timers_that_run_at_once_rotate_once() -> None:
    here = Rotating()
    here.vault.clock.advance(EVERY)
    found: list[object] = []
    here.provider.before = lambda _: found.extend(here.runner().rotate_due())
    assert [one.phase for one in here.runner().rotate_due()] == ["grace"]
    assert found == []
    assert here.provider.asked == ["create", "install", "test"]


def test_who_was_overtaken_writes_nothing() -> None:
    """Its lock ran out while the other end let it wait, and somebody else took the run over."""
    here = Rotating()
    slow = here.runner()

    def overtake(step: str) -> None:
        if step == "test":
            here.provider.before = lambda _: None
            here.vault.clock.advance(HELD_SECONDS)
            assert here.runner().rotate("external-apis").phase == "grace"

    here.provider.before = overtake
    with pytest.raises(RotationInProgress, match="being rotated by another process"):
        slow.rotate("external-apis")
    assert len(here.vault.versions("external-apis")) == 2
    assert here.vault.record().phase == "grace"
    assert here.vault.note().error == ""


@pytest.mark.parametrize("step", ["create", "install", "test"])
def test_a_step_that_fails_leaves_the_value_in_use(step: str) -> None:
    here = Rotating()
    here.provider.fails = step
    events: list[Event] = []
    before = here.present
    words = rf"hook:anthropic in {step} raised ProviderRefusal; expected no error\. The values in use stay$"
    with pytest.raises(RotationFailed, match=words) as caught:
        here.runner(observers=[events.append]).rotate("external-apis")
    assert caught.value.phase == ("creating" if step == "create" else "pending")
    assert caught.value.__context__ is None
    assert here.present == before
    assert [(one.kind, one.error) for one in events] == [(EventKind.ROTATION, "RotationFailed")]
    note = here.vault.note()
    assert (note.error, note.failures, note.next_try_at) == ("RotationFailed", 1, int(here.vault.clock.wall()) + 900)
    assert CANARY not in note.render() + str(caught.value)

    assert here.runner().rotate_due() == []
    here.vault.clock.advance(900)
    (failed,) = here.runner().rotate_due()
    assert "ProviderRefusal" in failed.error
    assert here.vault.note().next_try_at == int(here.vault.clock.wall()) + 1_800
    here.provider.fails = ""
    assert here.runner().rotate("external-apis").phase == "grace"
    here.vault.clock.advance(GRACE)
    assert [one.phase for one in here.runner().rotate_due()] == ["idle"]
    assert list(here.provider.keys) == [here.present]


def test_pauses_grow_to_six_hours() -> None:
    here = Rotating()
    here.provider.fails = "create"
    pauses = []
    for _ in range(8):
        with pytest.raises(RotationFailed):
            here.runner().rotate("external-apis")
        pauses.append(here.vault.note().next_try_at - int(here.vault.clock.wall()))
    assert pauses == [900, 1_800, 3_600, 7_200, 14_400, 21_600, 21_600, 21_600]


@pytest.mark.parametrize(
    ("gives", "words"),
    [
        (lambda _: {KEY: "key-1-q7Zq7Zq7Zq7Zq7Z"}, "gave a value that is in use"),
        (lambda _: {KEY: ""}, "gave something else"),
        (lambda value: {KEY: value, "OTHER": "more"}, "gave something else"),
        (lambda _: {}, "gave something else"),
    ],
    ids=["in-use", "empty", "more", "none"],
)
def test_what_a_hook_gives_is_looked_at(gives: Callable[[str], dict[str, str]], words: str) -> None:
    here = Rotating()
    here.provider.gives = gives
    with pytest.raises(RotationFailed, match=words) as caught:
        here.runner().rotate("external-apis")
    assert CANARY not in str(caught.value)
    assert len(here.vault.versions("external-apis")) == 1


def test_a_value_that_somebody_gave_meanwhile_stays() -> None:
    here = Rotating()

    def give(step: str) -> None:
        if step == "test":
            here.vault.put("external-apis", {KEY: "by-hand", "OTHER": "kept"})

    here.provider.after = give
    with pytest.raises(RotationFailed, match="found another value, which somebody gave meanwhile; expected --abandon"):
        here.runner().rotate("external-apis")
    assert here.present == "by-hand"
    here.provider.after = lambda _: None
    assert here.runner().abandon("external-apis").phase == "idle"
    assert list(here.provider.keys) == ["key-1-q7Zq7Zq7Zq7Zq7Z"]
    assert here.vault.record() == RotationRecord()


def test_another_value_that_somebody_writes_meanwhile_is_kept() -> None:
    here = Rotating()

    def write(step: str) -> None:
        if step == "test":
            here.vault.put("external-apis", {KEY: here.present, "OTHER": "newer"})

    here.provider.after = write
    assert here.runner().rotate("external-apis").version == 3
    assert here.vault.versions("external-apis")[-1] == {KEY: "key-2-q7Zq7Zq7Zq7Zq7Z", "OTHER": "newer"}


def test_a_version_that_does_not_hold_what_was_written_fails() -> None:
    here = Rotating(by="random")

    def tamper(call: Call) -> None:
        if call.method == "POST" and call.path == f"{MOUNT}/data/external-apis":
            here.vault.versions("external-apis")[-1][KEY] = "tampered"

    here.vault.after = tamper
    with pytest.raises(RotationFailed, match="in promote found in version 2 what was not written; expected the same"):
        here.runner().rotate("external-apis")
    assert here.vault.note().error == "RotationFailed"


def test_a_run_is_given_up() -> None:
    here = Rotating()
    here.provider.fails = "test"
    with pytest.raises(RotationFailed):
        here.runner().rotate("external-apis")
    assert len(here.provider.keys) == 2
    assert here.runner().abandon("external-apis").phase == "idle"
    assert list(here.provider.keys) == [here.present]
    with pytest.raises(RotationInProgress, match="no run that is not at its end; expected one to give up"):
        here.runner().abandon("external-apis")


def test_values_that_are_in_use_are_not_given_up() -> None:
    here = Rotating()
    here.provider.overlap = Overlap.NONE
    here.provider.fails = "test"
    with pytest.raises(RotationFailed):
        here.runner().rotate("external-apis")
    with pytest.raises(RotationInProgress, match="in use already; expected it to be carried out"):
        here.runner().abandon("external-apis")


def _without_program(here: Rotating) -> Runner:
    """A process on whose machine the program isn't installed any more."""

    def gone(name: str) -> Rotator:
        raise ConfigurationError(f"rotation is by hook:{name}; expected an entry point")

    return Runner(here.vault.session(), here.manifest(), rotators=gone)


@pytest.mark.parametrize("step", ["create", "install", "test"])
def test_a_run_is_given_up_without_its_program_and_what_it_made_is_named(step: str) -> None:
    here = Rotating()
    here.provider.fails = step
    with pytest.raises(RotationFailed):
        here.runner().rotate("external-apis")
    run = here.vault.record().run
    with pytest.raises(ConfigurationError):
        _without_program(here).abandon("external-apis")
    done = _without_program(here).abandon("external-apis", by_hand=True)
    assert (done.phase, done.left) == ("idle", f"whatever is marked with run {run}")
    assert set(here.provider.keys.values()) <= {"by hand", run}
    assert (here.vault.record(), here.vault.note().failures) == (RotationRecord(), 0)
    assert here.present == "key-1-q7Zq7Zq7Zq7Zq7Z"
    here.provider.fails = ""
    here.provider.keys = {here.present: "by hand"}
    assert here.runner().rotate("external-apis").phase == "grace"


def test_values_before_are_named_where_their_program_can_not_end_them() -> None:
    here = Rotating()
    here.runner().rotate("external-apis")
    here.vault.put("external-apis", {KEY: here.present, "OTHER": "newer"})
    done = _without_program(here).abandon("external-apis", by_hand=True)
    assert (done.phase, done.left) == ("idle", f"{KEY} of version 1")
    assert here.vault.record() == RotationRecord()

    here = Rotating()
    here.runner().rotate("external-apis")
    here.vault.deleted.add((f"{MOUNT}/external-apis", 1))
    with pytest.raises(RotationInProgress, match="no version any more with the values that have to be ended"):
        _without_program(here).abandon("external-apis", by_hand=True)
    assert here.vault.record().phase == "grace"


def test_a_run_that_is_cut_off_as_its_values_came_into_use_is_ended_by_hand() -> None:
    for moment in count(1):
        here = Rotating(killed_at=moment)
        with pytest.raises(Killed):
            here.runner().rotate("external-apis")
        here.killed_at = 0
        if len(here.vault.versions("external-apis")) == 2:
            break
    here.vault.clock.advance(HELD_SECONDS)
    assert here.vault.record().phase == "promoting"
    done = _without_program(here).abandon("external-apis", by_hand=True)
    assert (done.phase, done.version, done.left) == ("idle", 2, f"{KEY} of version 1")
    assert here.vault.note().rotated_at == int(here.vault.clock.wall())


@pytest.mark.parametrize("says", [True, False], ids=["said", "not-said"])
def test_where_there_is_one_value_only_it_is_given_up_once_somebody_gave_another(says: bool) -> None:
    here = Rotating()
    here.provider.overlap, here.provider.fails = Overlap.NONE, "test"
    with pytest.raises(RotationFailed):
        here.runner().rotate("external-apis")
    if not says:
        del here.vault.kv[RECORD][-1]["overlap"]
    for _ in range(2):
        with pytest.raises(RotationInProgress, match="in use already; expected it to be carried out"):
            _without_program(here).abandon("external-apis", by_hand=True)
    here.vault.put("external-apis", {KEY: "by-hand", "OTHER": "kept"})
    assert _without_program(here).abandon("external-apis", by_hand=True).phase == "idle"
    assert here.present == "by-hand"


def test_a_random_value_leaves_nothing_to_be_ended_by_hand() -> None:
    here = Rotating(by="random")
    here.vault.after = lambda _: here.vault.denied.add(f"POST {MOUNT}/data/external-apis")
    with pytest.raises(RotationFailed):
        here.runner().rotate("external-apis")
    assert here.runner().abandon("external-apis", by_hand=True).left == ""
    with pytest.raises(RotationInProgress, match="no run that is not at its end"):
        here.runner().abandon("external-apis", by_hand=True)


def test_a_leaked_value_is_ended_at_once() -> None:
    here = Rotating()
    here.runner().rotate("external-apis")
    assert len(here.provider.keys) == 2
    done = here.runner().rotate("external-apis", now=True)
    assert (done.version, done.phase) == (3, "idle")
    assert list(here.provider.keys) == ["key-3-q7Zq7Zq7Zq7Zq7Z"] == [here.present]


def test_random_values_are_made_by_vaults_password_policy_in_their_form() -> None:
    here = Rotating()
    known = rotated_manifest(password_policy="strong", forms={KEY: "sk-{random}"})
    done = Runner(here.vault.session(), known).rotate("external-apis")
    assert here.present == "sk-strong-1-q7Zq7Zq7Z"
    assert (done.phase, done.grace_until) == ("idle", int(here.vault.clock.wall()) + GRACE)
    here.vault.denied.add("sys/policies/password/strong/generate")
    with pytest.raises(RotationFailed, match="permission denied"):
        Runner(here.vault.session(), known).rotate("external-apis")


def test_a_given_value_takes_the_same_steps() -> None:
    here = Rotating()
    done = here.runner().rotate("external-apis", given={"OTHER": "brought-q7Zq7Z"})
    assert (done.keys, done.phase) == (("OTHER",), "idle")
    assert here.runner().rotate("external-apis").version == 3
    assert here.vault.versions("external-apis")[-1]["OTHER"] == "brought-q7Zq7Z"
    note = origins.read({"current_version": 3, "custom_metadata": here.vault.notes[f"{MOUNT}/external-apis"]})
    assert note.values["OTHER"].origin == "given"
    assert CANARY not in repr(done) + repr(here.vault.record())


def test_a_given_value_is_in_use_wherever_its_run_was_killed() -> None:
    """The same command is given again, and then the timer comes by."""
    given = {"OTHER": "brought-q7Zq7Z"}
    for moment in count(1):
        here = Rotating(killed_at=moment)
        try:
            here.runner().rotate("external-apis", given=given)
        except Killed:
            here.killed_at = 0
        here.vault.clock.advance(GRACE)
        if here.killed_at:
            break
        try:
            here.runner().rotate("external-apis", given=given)
        except ConfigurationError as error:
            assert "expected another" in str(error), moment  # noqa: PT017 - it may be done already
        assert [one.error for one in here.runner().rotate_due()] in ([], [""])
        assert [one["OTHER"] for one in here.vault.versions("external-apis")] == ["kept", "brought-q7Zq7Z"], moment
        assert here.vault.record() == RotationRecord(), moment
        assert here.vault.note().phase == "idle", moment
    assert moment > 20


def test_another_given_value_waits_for_the_run_that_is_not_at_its_end() -> None:
    here = Rotating(killed_at=20)
    with pytest.raises(Killed):
        here.runner().rotate("external-apis", given={"OTHER": "brought-q7Zq7Z"})
    here.killed_at = 0
    here.vault.clock.advance(HELD_SECONDS)
    with pytest.raises(RotationInProgress, match="has a run for OTHER that is not at its end") as caught:
        here.runner().rotate("external-apis", given={"OTHER": "another-q7Zq7Z"})
    assert CANARY not in str(caught.value)


def test_what_can_not_be_rotated_is_refused_before_anything_is_done() -> None:
    here = Rotating()
    runner = here.runner()
    for name, keys, given, words in (
        ("nope", (), None, "secret is 'nope'; expected one that"),
        ("other/shared", ("SHARED",), None, "secret other/shared is other's; expected one of aos"),
        ("app-prod", (), None, "KEY is missing, and the settings of app-prod have no rotation; expected one of: AOS_"),
        ("app-prod", (CANARY,), None, "KEY is none of app-prod's; expected one of: AOS_API_KEY"),
        ("external-apis", (), {KEY: ""}, "the value is empty; expected some text"),
        ("external-apis", (), {KEY: here.present}, "the value is the one that external-apis has; expected another"),
    ):
        with pytest.raises(ConfigurationError, match=words) as caught:
            runner.rotate(name, *keys, given=given)
        assert CANARY not in str(caught.value)
    with pytest.raises(SecretNotFound, match="secret app-prod has no value; expected one that was put there"):
        runner.rotate("app-prod", "AOS_API_KEY")
    here.vault.put("app-prod", {"AOS_API_KEY": 5})
    with pytest.raises(InvalidRequest, match="is a int; expected text"):
        runner.rotate("app-prod", "AOS_API_KEY")
    assert "vault-estate" not in "".join(here.vault.kv)


def test_a_hook_replaces_its_values_together() -> None:
    document = rotated_manifest(by="hook:anthropic", keys=[KEY, "OTHER"])
    here = Rotating()
    with pytest.raises(ConfigurationError, match=f"hook:anthropic replaces together; expected all of them: {KEY}, OTH"):
        Runner(here.vault.session(), document).rotate("external-apis", KEY)
    with pytest.raises(ConfigurationError, match=r"^rotation is by hook:anthropic; expected an entry point of vault_e"):
        Runner(here.vault.session(), document).rotate("external-apis")


def test_a_value_that_has_no_other_end_is_rotated_as_often_as_somebody_wants() -> None:
    here = Rotating(by="random")
    assert [here.runner().rotate("external-apis").version for _ in range(3)] == [2, 3, 4]
    assert here.vault.record() == RotationRecord()
    assert len({json.dumps(one) for one in here.vault.versions("external-apis")}) == 4
    assert here.present not in here.vault.readable_records()


def test_another_key_waits_for_the_run_that_is_not_at_its_end() -> None:
    here = Rotating()
    here.provider.fails = "test"
    with pytest.raises(RotationFailed):
        here.runner().rotate("external-apis")
    with pytest.raises(RotationInProgress, match=f"has a run for {KEY} that is not at its end"):
        here.runner().rotate("external-apis", "OTHER")


def test_a_record_that_is_no_record_is_told_without_its_values() -> None:
    here = Rotating()
    here.vault.write(f"vault-estate/rotation/{MOUNT}/external-apis", pending={"a": CANARY}, phase=7)
    with pytest.raises(VaultEstateError, match="the entry is no record of a rotation; expected one") as caught:
        here.runner().rotate("external-apis")
    assert CANARY not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_document_without_rotation_is_read_as_before_and_a_bad_one_refused() -> None:
    document = rotated_manifest().model_dump(mode="json", exclude_none=True)
    document["secrets"]["external-apis"]["rotation"]["by"] = CANARY
    with pytest.raises(
        ConfigurationError, match=r"rotation\.by is other text; expected random, or hook:NAME"
    ) as caught:
        manifest.parse(json.dumps(document))
    assert CANARY not in str(caught.value)
    del document["secrets"]["external-apis"]["rotation"]
    assert isinstance(manifest.parse(json.dumps(document)), ClientManifest)
