"""Somebody asks the client in the midst of a call of it, in its thread: a signal handler, a finalizer, an observer.

The signals are real. Each point at which they come is one where the thread has a lock, or is the one who reads: waiting
there would be for itself, and for ever. The server is a fake. Not proven: every point between two instructions; the
last test tries some hundred of them.
"""

import gc
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.support.answering import Said, answering
from tests.support.clocks import SetClock
from tests.support.scripted_vault import ADDRESS, ROLE_ID, SECRET_ID, ScriptedVault
from vault_estate import errors
from vault_estate.cache import Cache, Freshness
from vault_estate.client import VaultClient, _at_exit
from vault_estate.events import Event, EventKind, Observer
from vault_estate.opening import VaultClientConfig
from vault_estate.tls import Trust
from vault_estate.transport import Call, Patience, Transport

pytestmark = pytest.mark.timeout(60)  # what fails here waits for ever
ENVIRON = {"VAULT_ADDR": ADDRESS, "VAULT_ROLE_ID": ROLE_ID, "VAULT_SECRET_ID": SECRET_ID}


@contextmanager
def _handling(number: int, act: Callable[[], object]) -> Iterator[list[object]]:
    """What `act` gave or raised, each time that the signal came."""
    came: list[object] = []

    def handle(_: int, __: FrameType | None) -> None:
        try:
            came.append(act())
        except errors.VaultEstateError as error:
            came.append(error)

    before = signal.signal(number, handle)
    try:
        yield came
    finally:
        signal.signal(number, before)


def _interrupt() -> None:
    signal.raise_signal(signal.SIGUSR1)


def _interrupted(_: object) -> bool:
    _interrupt()
    return True


def _cache(**options: Any) -> Cache[str, str]:
    return Cache(mark_stale=str, **options)


def test_a_handler_reads_for_itself_what_its_thread_is_reading() -> None:
    cache = _cache()
    loads: list[str] = []

    def load() -> str:
        loads.append(f"v{len(loads)}")
        mine = loads[-1]
        if len(loads) == 1:
            _interrupt()
        return mine

    with _handling(signal.SIGUSR1, lambda: cache.get("a", load)) as came:
        assert cache.get("a", load) == "v0"
    assert came == ["v1"]
    assert cache.peek("a") == "v1", "what was begun later is kept"
    assert cache._flights == {}


class InterruptingClock(SetClock):
    """Whoever looks at it next is interrupted."""

    def __init__(self) -> None:
        super().__init__()
        self.interrupts = False

    def now(self) -> float:
        """As it was set."""
        if self.interrupts:
            self.interrupts = False
            _interrupt()
        return super().now()


@pytest.mark.parametrize("call", ["get", "refresh", "invalidate"])
@pytest.mark.parametrize("point", ["forgetting", "keeping", "refusing"])
def test_a_handler_that_comes_while_the_lock_is_had(call: str, point: str) -> None:
    clock = InterruptingClock()
    cache = _cache(clock=clock, freshness=Freshness(entries=2))
    for key in ("a", "b"):
        cache.get(key, lambda: "v")
    act: dict[str, Callable[[], object]] = {
        "get": lambda: cache.get("c", lambda: "v"),
        "refresh": lambda: cache.refresh("a", lambda: "v"),
        "invalidate": cache.invalidate,
    }

    def load() -> str:
        clock.interrupts = True
        if point == "refusing":
            raise errors.SecretNotFound("none")
        return "v"

    with _handling(signal.SIGUSR1, act[call]) as came:
        if point == "forgetting":
            cache.invalidate(_interrupted)
        else:
            with suppress(errors.SecretNotFound):
                cache.refresh("b", load)
    assert len(came) >= 1
    assert cache.refresh("b", lambda: "w") == "w"
    assert cache.peek("b") == "w"
    assert len(cache._entries) <= 2


def test_a_finalizer_reads_for_itself() -> None:
    cache = _cache()
    found: list[str] = []

    class Cycle:
        def __init__(self) -> None:
            self.myself = self

        def __del__(self) -> None:
            found.append(cache.get("a", lambda: "finalizer's"))

    def load() -> str:
        Cycle()
        gc.collect()
        return "reader's"

    assert cache.get("a", load) == "reader's"
    assert found == ["finalizer's"]


def test_two_who_read_do_not_wait_for_each_other() -> None:
    cache = _cache()
    both = threading.Barrier(2, timeout=30)

    def load(other: str) -> str:
        both.wait()
        return cache.get(other, lambda: f"{other} inside")

    with ThreadPoolExecutor(2) as pool:
        found = [pool.submit(cache.get, "a", lambda: load("b")), pool.submit(cache.get, "b", lambda: load("a"))]
        assert {one.result(30) for one in found} <= {"a inside", "b inside"}


def test_a_reader_that_is_interrupted_at_its_very_end_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = _cache()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cache, "_land", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cache.get("a", lambda: "v")
    with ThreadPoolExecutor(2) as pool:
        assert [one.result(30) for one in [pool.submit(cache.get, "a", lambda: "w") for _ in range(2)]] == ["w", "w"]
    assert cache._flights == {}


def test_who_waited_for_a_reader_that_was_interrupted_reads() -> None:
    cache = _cache()
    reads, goes_on = threading.Event(), threading.Event()

    def interrupted() -> str:
        reads.set()
        assert goes_on.wait(30)
        raise KeyboardInterrupt

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get, "a", interrupted)
        assert reads.wait(30)
        second = pool.submit(cache.get, "a", lambda: "v")
        while not second.running():
            pass
        goes_on.set()
        assert isinstance(first.exception(30), KeyboardInterrupt)
        assert second.result(30) == "v"


@pytest.fixture
def vault() -> ScriptedVault:
    vault = ScriptedVault()
    vault.write("app", a="b")
    vault.write("other", a="c")
    return vault


@pytest.fixture
def make(vault: ScriptedVault, monkeypatch: pytest.MonkeyPatch) -> Callable[..., VaultClient]:
    """A client at the fake."""
    monkeypatch.setattr("vault_estate.opening.Transport", lambda *_, **__: vault.transport())

    def made(*observers: Observer) -> VaultClient:
        return VaultClient(environ=ENVIRON, observers=observers)

    return made


def _interrupts(vault: ScriptedVault, part: str) -> None:
    """The first time that this is asked."""
    left = [part]

    def before(call: Call) -> None:
        if left and part in call.path:
            left.clear()
            _interrupt()

    vault.before = before


def test_a_handler_in_the_midst_of_the_first_login_is_told_so(
    vault: ScriptedVault, make: Callable[..., VaultClient]
) -> None:
    client = make()
    _interrupts(vault, "login")
    with _handling(signal.SIGUSR1, lambda: client.get_secret("other")) as came:
        assert client.get_secret("app")["a"] == "b"
    (error,) = came
    assert isinstance(error, errors.VaultUnavailable)
    assert "this thread is logging in" in str(error)
    assert client.get_secret("other")["a"] == "c"
    assert vault.count("login") == 1


def test_a_handler_in_the_midst_of_a_renewal_has_the_present_token(
    vault: ScriptedVault, make: Callable[..., VaultClient]
) -> None:
    client = make()
    client.get_secret("app")
    vault.clock.advance(3_500)
    _interrupts(vault, "renew-self")
    with _handling(signal.SIGUSR1, lambda: client.get_secret("other")["a"]) as came:
        assert client.refresh("app")["a"] == "b"
    assert came == ["c"]
    assert vault.count("renew-self") == 1


def test_a_handler_while_a_dead_token_is_looked_up_is_refused_nothing(
    vault: ScriptedVault, make: Callable[..., VaultClient]
) -> None:
    client = make()
    client.get_secret("app")
    vault.kill_tokens()
    _interrupts(vault, "lookup-self")
    with _handling(signal.SIGUSR1, lambda: client.get_secret("other")) as came:
        assert client.refresh("app")["a"] == "b"
    (error,) = came
    assert "asking whether its token is dead" in str(error)
    assert not isinstance(error, errors.PermissionDenied)
    assert client.get_secret("other")["a"] == "c"


def test_a_handler_closes_the_client_in_the_midst_of_anything(
    vault: ScriptedVault, make: Callable[..., VaultClient]
) -> None:
    client = make()
    for part in ("login", "secret/data", "revoke-self"):
        _interrupts(vault, part)
        with _handling(signal.SIGUSR1, client.close) as came:
            client.invalidate()
            client.get_secret("app")
            client.close()
        assert len(came) == 1
    assert vault.tokens == {}


def test_an_observer_may_ask_and_is_told_of_no_answer_to_itself(
    vault: ScriptedVault, make: Callable[..., VaultClient]
) -> None:
    told: list[EventKind] = []
    found: list[object] = []

    def observer(event: Event) -> None:
        told.append(event.kind)
        found.append(client.get_secret("other")["a"])
        found.append(client.refresh("app")["a"])

    client = make(observer)
    client.get_secret("app")
    vault.clock.advance(3_500)
    client.get_secret("app")
    assert EventKind.LOGIN in told
    assert EventKind.TOKEN_RENEWED in told
    assert len(told) < 10
    assert len(found) == 2 * len(told)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("at", [EventKind.LOGIN, EventKind.OPERATION, EventKind.CACHE_MISS, EventKind.TOKEN_RENEWED])
def test_an_observer_that_ends_the_program_keeps_nobody_waiting(
    vault: ScriptedVault, make: Callable[..., VaultClient], kind: type[BaseException], at: EventKind
) -> None:
    raises = [True]

    def observer(event: Event) -> None:
        if raises and event.kind is at:
            raises.clear()
            raise kind

    client = make(observer)
    if at is EventKind.TOKEN_RENEWED:
        client.get_secret("other")
        vault.clock.advance(3_500)
    with pytest.raises(kind):
        client.get_secret("app")
    with ThreadPoolExecutor(2) as pool:
        for one in [pool.submit(client.refresh, "app") for _ in range(2)]:
            assert one.result(30)["a"] == "b"
    assert vault.count("login") == 1, "the token that was got is kept"
    client.close()
    assert vault.tokens == {}


def test_an_observer_that_ends_the_program_does_not_keep_the_token_alive(
    vault: ScriptedVault, make: Callable[..., VaultClient]
) -> None:
    def observer(event: Event) -> None:
        if event.kind is EventKind.TOKEN_REVOKED:
            raise SystemExit

    client = make(observer)
    client.get_secret("app")
    with pytest.raises(SystemExit):
        client.close()
    assert vault.tokens == {}
    clients = [make(observer) for _ in range(3)]
    for one in clients:
        one.get_secret("app")
    with pytest.raises(SystemExit):
        _at_exit()
    assert vault.tokens == {}


def test_a_connection_is_had_by_whoever_interrupts_a_request(tmp_path: Path) -> None:
    with answering(tmp_path, tls=False) as server:
        transport = Transport([server.address])
        with transport._pool(0).pool.mutex:  # type: ignore[union-attr]  # it is open
            transport.send("GET", "sys/health")
        assert len(server.asked) == 1


def test_an_interrupted_answer_is_nobody_elses_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection whose body wasn't read to its end isn't used again."""
    with answering(tmp_path) as server:
        transport = Transport([server.address], trust=Trust(ca_file=server.ca_file))
        transport.send("GET", "sys/health")
        server.says(Said(body=b'{"data": "' + b"x" * 200_000 + b'"}'))
        parts: list[int] = []
        now = transport.clock.now

        def interrupted() -> float:
            parts.append(1)
            if len(parts) == 3:
                raise KeyboardInterrupt
            return now()

        monkeypatch.setattr(transport, "clock", SetClock())
        monkeypatch.setattr(transport.clock, "now", interrupted)
        with pytest.raises(KeyboardInterrupt):
            transport.send("GET", "secret/data/x")
        idle = transport._pool(0).pool
        assert idle is not None
        assert not [one for one in (idle.get() for _ in range(idle.qsize())) if one and one.sock]


def test_signals_at_any_time(tmp_path: Path) -> None:
    """A timer of this process's, which comes whatever is done."""
    with answering(tmp_path, tls=False) as server:
        token = tmp_path / "token"
        token.write_text("fake-token")
        token.chmod(0o600)
        secret = b'{"data": {"data": {"a": "b"}, "metadata": {"version": 1}}}'
        environ = {"VAULT_TOKEN_FILE": str(token)}
        patience = Patience(deadline_seconds=60, connect_seconds=60, read_seconds=60)
        client = VaultClient(VaultClientConfig(address=server.address, entries=3, patience=patience), environ=environ)
        server.next = lambda: Said(body=secret)  # type: ignore[method-assign]  # the same to everybody
        client.get_secret("app")  # in the midst of the login there would be no answer
        names = iter(range(1_000_000))
        inside: list[None] = []

        def act() -> str:
            if len(inside) > 2:
                return ""  # where handlers take longer than the timer, each would be interrupted by the next
            inside.append(None)
            try:
                client.invalidate("app")
                return client.get_secret(f"app{next(names) % 5}")["a"] + client.refresh("app")["a"]
            finally:
                inside.pop()

        with _handling(signal.SIGPROF, act) as came:
            signal.setitimer(signal.ITIMER_PROF, 0.003, 0.003)
            try:
                while came.count("bb") < 200:
                    assert client.refresh("app")["a"] == client.get_secret("app")["a"] == "b"
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
        assert set(came) <= {"bb", ""}
