"""How long a run is one process', and values that end before their time.

Vault and the other end are in memory, and time is set; the thread that holds on to a run is called by hand.
"""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import pytest

from tests.support.migrating import MOUNT, PERSON, Killed
from tests.support.rotating import GRACE, Rotating, in_one_thread
from vault_estate.auth.token import TokenAuth
from vault_estate.client import VaultClient
from vault_estate.errors import RotationInProgress, VaultEstateError, VaultUnavailable
from vault_estate.opening import VaultClientConfig
from vault_estate.rotation import holding, steps
from vault_estate.rotation.holding import HELD_SECONDS
from vault_estate.rotation.record import RotationRecord
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
    assert here.vault.note().accepted_from == 2


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
def test_a_run_that_a_signal_ends_is_free_at_once(kind: type[BaseException]) -> None:
    here = Rotating()

    def end(step: str) -> None:
        if step == "test":
            here.provider.before = lambda _: None
            raise kind

    here.provider.before = end
    with pytest.raises(kind):
        here.runner().rotate("external-apis")
    assert (here.vault.record().phase, here.vault.record().owner) == ("pending", "")
    assert here.runner().rotate("external-apis").phase == "grace"
    assert len(here.provider.keys) == 2
