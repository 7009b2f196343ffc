"""How long a run is one process', and values that end before their time.

Vault and the other end are in memory, and time is set; the thread that holds on to a run is called by hand.
"""

import os
import signal
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import pytest

from tests.support.migrating import MOUNT, PERSON, Killed
from tests.support.rotating import EVERY, GRACE, KEY, Rotating, in_one_thread
from vault_estate.auth.token import TokenAuth
from vault_estate.client import VaultClient
from vault_estate.errors import RotationInProgress, VaultEstateError, VaultUnavailable
from vault_estate.opening import VaultClientConfig
from vault_estate.origins import LONGEST
from vault_estate.rotation import holding, steps
from vault_estate.rotation.holding import HELD_SECONDS, LONGEST_SECONDS, CalledProgram, Given
from vault_estate.rotation.record import RotationNote, RotationRecord
from vault_estate.tls import Trust
from vault_estate.transport import Call


@pytest.fixture(autouse=True)
def _one_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(Trust, "context", lambda _: context)
    in_one_thread(monkeypatch)


@pytest.mark.parametrize("killed", [False, True], ids=["whole", "killed"])
def test_a_leaked_value_that_verifiers_read_from_vault_is_ended_at_once(
    killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who verifies takes it no longer than they keep what they read, also where the run was killed meanwhile."""
    here = Rotating(by="random")
    verifier = _verifier(here, monkeypatch)
    here.runner().rotate("external-apis")
    verifier.refresh("external-apis")
    assert [one.version for one in verifier.accepted("external-apis")] == [2, 1]
    here.vault.after = _killed_by_the_next_version if killed else lambda _: None
    with pytest.raises(Killed) if killed else nullcontext():
        here.runner().rotate("external-apis", now=True)
    here.vault.after = lambda _: None
    assert [one.version for one in verifier.accepted("external-apis")] == [2, 1], "it has not read anew"
    here.vault.clock.advance(300)
    assert [one.version for one in verifier.accepted("external-apis")] == [3]
    here.vault.clock.advance(HELD_SECONDS)
    here.runner().rotate_due()
    assert here.vault.record() == RotationRecord()
    here.runner().rotate("external-apis")
    verifier.refresh("external-apis")
    assert [one.version for one in verifier.accepted("external-apis")] == [4, 3], "the next run has its grace"


def test_a_leaked_value_ends_and_the_grace_of_the_others_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Rotating(by="random")
    verifier = _verifier(here, monkeypatch)
    first = here.present
    here.runner().rotate("external-apis", KEY)
    here.runner().rotate("external-apis", "OTHER", now=True)
    verifier.refresh("external-apis")
    assert verifier.accepts("external-apis", KEY, first), "its own grace is not over"
    assert not verifier.accepts("external-apis", "OTHER", "kept")
    assert [one.version for one in verifier.accepted("external-apis")] == [3], "as a whole"
    assert [one.version for one in verifier.accepted("external-apis", key=KEY)] == [3, 2, 1]
    assert [one.version for one in verifier.accepted("external-apis", key="OTHER")] == [3]
    here.runner().rotate("external-apis", KEY, now=True)
    verifier.refresh("external-apis")
    assert not verifier.accepts("external-apis", KEY, first)
    assert here.vault.note().values_accepted_from == {"OTHER": 3, KEY: 4}


def test_what_ends_at_once_is_for_all_values_where_there_is_no_room_for_names() -> None:
    names = [f"A_RATHER_LONG_NAME_{number}" for number in range(30)]
    note = RotationNote().with_ended(names[:3], 4)
    assert (note.accepted_from, note.values_accepted_from) == (0, dict.fromkeys(names[:3], 4))
    note = note.with_ended(names, 7)
    assert (note.accepted_from, note.values_accepted_from) == (7, {})
    full = RotationNote(
        phase="promoting", begun_at=9**10, grace_until=9**10, error="E" * 40, failures=999, next_try_at=9**10
    )
    longest = full.with_ended(names[:12], 10**6).model_copy(update={"rotated_at": 9**10, "version": 10**6})
    assert len(longest.render()) <= LONGEST


def test_a_leaked_value_ends_no_other_run_before_its_time() -> None:
    here = Rotating()
    here.runner().rotate("external-apis")
    with pytest.raises(RotationInProgress, match=f"expected that time, or --now for {KEY} to end them"):
        here.runner().rotate("external-apis", "OTHER", now=True)
    assert len(here.provider.keys) == 2
    here.vault.clock.advance(GRACE)
    assert here.runner().rotate("external-apis", "OTHER", now=True).phase == "idle"
    assert list(here.provider.keys) == [here.present]


def _verifier(here: Rotating, monkeypatch: pytest.MonkeyPatch) -> VaultClient:
    """Another application's process, with a cache."""
    monkeypatch.setattr("vault_estate.opening.Transport", lambda *_, **__: here.vault.transport())
    login = TokenAuth(environ={"VAULT_TOKEN": PERSON})
    return VaultClient(VaultClientConfig(auth=login), manifest=here.manifest(), environ={})


def _killed_by_the_next_version(call: Call) -> None:
    if (call.method, call.path) == ("POST", f"{MOUNT}/data/external-apis"):
        raise Killed


def test_a_run_in_hand_is_given_no_grace_by_now() -> None:
    here = Rotating(by="random", killed_at=20)
    with pytest.raises(Killed):
        here.runner().rotate("external-apis")
    here.killed_at = 0
    here.vault.clock.advance(HELD_SECONDS)
    assert here.vault.record().grace_seconds == GRACE
    done = here.runner().rotate("external-apis", now=True)
    assert (done.version, done.grace_until) == (2, int(here.vault.clock.wall()))
    assert here.vault.note().values_accepted_from == {KEY: 2}


def test_a_slow_program_keeps_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Rotating()
    beats: list[Callable[[], None]] = []

    @contextmanager
    def held(renew: Callable[[], None]) -> Iterator[None]:
        beats.append(renew)
        yield

    def slowly(step: str) -> None:
        for _ in range(5 if step == "test" else 0):
            here.vault.clock.advance(HELD_SECONDS - 1)
            beats[-1]()
            with pytest.raises(RotationInProgress, match="another process"):
                here.runner().rotate("external-apis")

    monkeypatch.setattr(steps, "held", held)
    here.provider.before = slowly
    assert here.runner().rotate("external-apis").phase == "grace"
    assert here.provider.asked == ["create", "install", "test"]


def test_it_is_held_on_to_in_another_thread_until_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "BEAT_SECONDS", 0.001)
    called: list[threading.Thread] = []
    begun = threading.Event()

    def renew() -> None:
        called.append(threading.current_thread())
        begun.set()

    with holding.held(renew):
        assert begun.wait(300)
    assert called[0] is not threading.current_thread()
    assert not called[0].is_alive()


def test_a_run_is_held_on_to_for_a_quarter_of_an_hour_at_most() -> None:
    waited: list[float] = []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        return False

    asked: list[VaultEstateError] = [VaultUnavailable("away")] * 40
    holding.hold_on(_raising(asked), wait)
    assert (sum(waited), len(asked)) == (900.0, 10)
    assert waited[0] * 3 < HELD_SECONDS, "three may be lost"

    waited.clear()
    holding.hold_on(_raising([RotationInProgress("overtaken")]), wait)
    assert len(waited) == 1
    holding.hold_on(_raising([]), lambda _: True)


def _raising(errors: list[VaultEstateError]) -> Callable[[], None]:
    def renew() -> None:
        raise errors.pop()

    return renew


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("leaves", [True, False], ids=["leaves", "stays"])
def test_a_run_that_a_signal_ends_is_free_at_once_unless_its_program_is_at_work(
    leaves: bool, kind: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, signalled, over = Rotating(), threading.Event(), threading.Event()

    def end(*_: object) -> None:
        signalled.set()
        raise kind

    def work(step: str) -> None:
        if step == "test":
            here.provider.before = lambda _: None
            os.kill(os.getpid(), signal.SIGUSR1)
            assert (signalled if leaves else over).wait(300)

    before = signal.signal(signal.SIGUSR1, end)
    monkeypatch.setattr(steps, "LEFT_SECONDS", 300.0 if leaves else 0.01)
    here.provider.before = work
    try:
        with pytest.raises(kind):
            here.runner().rotate("external-apis")
        assert here.vault.record().phase == "pending"
        assert bool(here.vault.record().owner) != leaves
    finally:
        over.set()
        signal.signal(signal.SIGUSR1, before)
    here.vault.clock.advance(0 if leaves else HELD_SECONDS)
    assert here.runner().rotate("external-apis").phase == "grace"
    assert len(here.provider.keys) == 2


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, RotationInProgress, ValueError])
@pytest.mark.parametrize("step", ["create", "install", "test"])
def test_a_program_that_ends_itself_ends_its_run_only(step: str, kind: type[BaseException]) -> None:
    here = Rotating()

    def leave(at: str) -> None:
        if at == step:
            raise kind("canary-q7Zq7Z")

    here.provider.after = leave
    here.vault.clock.advance(EVERY)
    (failed,) = here.runner().rotate_due()
    assert failed.error.endswith(f"in {step} raised {kind.__name__}; expected no error. The values in use stay")
    assert here.vault.note().failures == 1
    here.provider.after = lambda _: None
    assert _ended_well(here)


def test_a_program_that_hangs_is_waited_for_no_longer_than_it_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """It had a key made when it began to hang."""
    here, hangs, over = Rotating(), threading.Event(), threading.Event()
    waited: list[float] = []

    def hang(_: str) -> None:
        hangs.set()
        assert over.wait(300)

    class Hanging(CalledProgram[Given]):
        def has_ended_within(self, seconds: float) -> bool:
            waited.append(seconds)
            assert hangs.wait(300)
            return super().has_ended_within(0.0)

    monkeypatch.setattr(steps, "CalledProgram", Hanging)
    here.provider.after = hang
    here.vault.clock.advance(EVERY)
    try:
        (failed,) = here.runner().rotate_due()
        assert failed.error.startswith("secret external-apis: hook:anthropic in create has not ended within 900 s")
        assert waited[0] == LONGEST_SECONDS
        assert (here.vault.note().failures, len(here.provider.keys)) == (1, 2)
        with pytest.raises(RotationInProgress, match="another process"):
            here.runner().rotate("external-apis")
    finally:
        over.set()
        monkeypatch.undo()
    in_one_thread(monkeypatch)
    here.provider.after = lambda _: None
    assert _ended_well(here)


def _ended_well(here: Rotating) -> bool:
    """Whether the next runs end with one key, which is a new one, at both ends."""
    here.vault.clock.advance(900)
    assert [one.error for one in here.runner().rotate_due()] == [""]
    here.vault.clock.advance(GRACE)
    assert [one.phase for one in here.runner().rotate_due()] == ["idle"]
    assert here.vault.record() == RotationRecord()
    return list(here.provider.keys) == [here.present] != ["key-1-q7Zq7Zq7Zq7Zq7Z"]
