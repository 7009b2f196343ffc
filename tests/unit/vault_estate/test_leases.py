"""A database login's whole life with a clock that is set, against a fake Vault in memory.

Not proven: that a database takes the credentials (`tests/live/vault_estate/`).
"""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest

from tests.support.scripted_vault import ROLE_ID, SECRET_ID, ScriptedVault
from vault_estate import errors
from vault_estate.auth import AppRoleAuth, SecretIdVariable
from vault_estate.events import Event, EventKind, Notifier
from vault_estate.leases import DatabaseLogin, DatabasePlace, Leases
from vault_estate.session import Session

PLACE = DatabasePlace(role="aos", path="database/creds/aos", connection={"host": "db", "port": 5432, "dbname": "app"})


class Estate:
    """A fake Vault, a session, and leases that look when a test says so."""

    def __init__(self, vault: ScriptedVault, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Leases, "_run", lambda _: None)
        self.vault = vault
        self.told: list[Event] = []
        notifier = Notifier([self.told.append])
        method = AppRoleAuth(role_id=ROLE_ID, secret_id=SecretIdVariable("S", {"S": SECRET_ID}))
        self.leases = Leases(Session(vault.transport(), method, notifier=notifier), notifier)
        self.login = DatabaseLogin(PLACE, self.leases)

    def is_good(self) -> bool:
        """Whether the present credentials' lease and its token are alive at Vault."""
        number = self.login.credentials.username.removeprefix("user-")
        token, ends_at, _ = self.vault.leases[f"database/creds/aos/{number}"]
        now = self.vault.clock.now()
        return ends_at > now and self.vault.tokens[token].ends_at > now

    def pass_time(self, seconds: float) -> None:
        """As the thread does it."""
        until = self.vault.clock.now() + seconds
        while self.vault.clock.now() < until:
            self.vault.clock.advance(max(min(self.leases.look(), until - self.vault.clock.now()), 0.05))
            assert self.is_good()


def test_it_is_taken_when_it_is_first_needed_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    estate = Estate(ScriptedVault(), monkeypatch)
    assert estate.vault.asked == []
    with estate.login as login:
        first = login.credentials
        assert login.credentials is first
        assert login.kwargs() == {
            "host": "db",
            "port": 5432,
            "dbname": "app",
            "user": first.username,
            "password": first.password,
        }
        assert login.recycle_seconds == 1_200
    kinds = [EventKind.LOGIN, EventKind.LEASE_CREATED, EventKind.LEASE_RELEASED]
    assert [one.kind for one in estate.told] == kinds


@pytest.mark.parametrize(
    "lives",
    [
        {},
        {"ttl": 6, "max_ttl": 20, "lease_ttl": 5, "lease_max_ttl": 12},
        {"ttl": 60, "max_ttl": 120, "lease_ttl": 3_600, "lease_max_ttl": 14_400},
        {"ttl": 3_600, "max_ttl": 14_400, "lease_ttl": 60, "lease_max_ttl": 300},
        {"ttl": 900, "batch": True, "lease_ttl": 300, "lease_max_ttl": 600},
    ],
)
def test_through_every_end_there_are_good_credentials(monkeypatch: pytest.MonkeyPatch, lives: dict[str, Any]) -> None:
    vault = ScriptedVault(**lives)
    estate = Estate(vault, monkeypatch)
    changes: list[int] = []
    estate.login.on_change(lambda: changes.append(1))
    assert estate.is_good()
    estate.pass_time(20 * min(vault.lease_max_ttl, vault.max_ttl))
    assert 15 <= len(changes) <= 80


def test_a_month_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    estate = Estate(ScriptedVault(), monkeypatch)
    estate.is_good()
    estate.pass_time(30 * 86_400)
    assert estate.vault.count("login") < 30 * 12


def test_a_broken_callback_breaks_nothing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    estate = Estate(ScriptedVault(), monkeypatch)
    first = estate.login.credentials

    def broken() -> None:
        raise RuntimeError(first.password)

    estate.login.on_change(broken)
    estate.vault.clock.advance(20_000)
    assert estate.login.credentials is not first
    assert "raised RuntimeError" in caplog.text
    assert first.password not in caplog.text


def test_what_has_ended_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    estate = Estate(ScriptedVault(), monkeypatch)
    first = estate.login.credentials
    estate.vault.sealed = True
    estate.vault.clock.advance(2_500)
    assert estate.leases.look() >= 1
    assert estate.login.credentials is first, "it is good for 1,100 s"
    estate.vault.clock.advance(1_200)
    estate.leases.look()
    with pytest.raises(errors.VaultSealed):
        estate.login.credentials  # noqa: B018 - asking for it is what is tried
    assert EventKind.LEASE_LOST in {one.kind for one in estate.told}
    estate.vault.sealed = False
    assert estate.is_good()


def test_a_lease_that_was_revoked_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    estate = Estate(ScriptedVault(), monkeypatch)
    first = estate.login.credentials
    estate.vault.leases.clear()
    estate.vault.clock.advance(2_500)
    estate.leases.look()
    assert estate.login.credentials is not first
    assert estate.is_good()


def test_a_lease_of_a_token_that_was_replaced_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's read met a dead token, and the thread has not looked since."""
    estate = Estate(ScriptedVault(), monkeypatch)
    first = estate.login.credentials
    estate.vault.kill_tokens()
    estate.vault.write("app", a="b")
    estate.leases.session.request("GET", "secret/data/app")
    assert estate.is_good()
    assert estate.login.credentials is not first
    second = estate.login.credentials
    estate.vault.kill_tokens()
    estate.leases.session.request("GET", "secret/data/app")
    estate.vault.sealed = True
    assert estate.login.credentials is second, "it may be good, and there is no other"


def test_after_its_client_was_closed_it_has_others_that_are_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed client's token was revoked, and its leases with it."""
    estate = Estate(ScriptedVault(), monkeypatch)
    first = estate.login.credentials
    estate.leases.close()
    estate.leases.session.close()
    assert estate.login.credentials is not first
    assert list(estate.leases._logins) == [estate.login]
    assert estate.is_good()
    estate.pass_time(20_000)


def test_where_nobody_is_logged_in_the_thread_logs_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may look once more while its client is being closed: that token would outlive the process."""
    estate = Estate(ScriptedVault(), monkeypatch)
    estate.login.credentials  # noqa: B018 - so that the thread would run
    estate.leases.close()
    estate.leases.session.close()
    estate.leases.look()
    assert estate.vault.tokens == {}


def test_who_is_told_of_a_change_may_wait_for_others_who_want_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a pool whose lock a thread has that is about to connect."""
    estate = Estate(ScriptedVault(), monkeypatch)
    first = estate.login.credentials
    seen: list[object] = []

    def wants() -> bool:
        had = estate.login._lock.acquire(timeout=5)
        if had:
            estate.login._lock.release()
        return had

    def dispose() -> None:
        with ThreadPoolExecutor(1) as pool:
            seen.append(pool.submit(wants).result())

    estate.login.on_change(dispose)
    for ask in (lambda: estate.login.credentials, estate.leases.look):
        estate.vault.clock.advance(20_000)
        ask()
    assert estate.login.credentials is not first
    assert seen == [True, True]


def test_an_observer_that_ends_its_thread_keeps_no_change_back(monkeypatch: pytest.MonkeyPatch) -> None:
    estate = Estate(ScriptedVault(), monkeypatch)
    changes: list[int] = []
    estate.login.on_change(lambda: changes.append(1))
    estate.login.credentials  # noqa: B018 - the first
    estate.vault.clock.advance(20_000)
    ended = [EventKind.LEASE_REPLACED]

    def observer(event: Event) -> None:
        if event.kind in ended:
            ended.clear()
            raise SystemExit

    estate.leases.notifier._observers = (observer,)
    with pytest.raises(SystemExit):
        estate.login.credentials  # noqa: B018 - as above
    assert changes == []
    estate.leases.look()
    assert changes == [1]


def test_a_fork_waits_for_no_thread_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that had a login's lock, whether it was kept alive yet or not."""
    estate = Estate(ScriptedVault(), monkeypatch)
    with ThreadPoolExecutor(1) as parents:
        parents.submit(estate.login._lock.acquire).result()
    estate.leases.session.forked()
    estate.leases.forked()
    assert estate.login._lock.acquire(timeout=5)
    assert estate.is_good()


def test_a_forgotten_login_is_not_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    estate = Estate(ScriptedVault(), monkeypatch)
    with estate.login:
        pass
    estate.vault.clock.advance(2_500)
    estate.leases.look()
    assert estate.vault.count("leases/renew") == 0


def test_a_static_roles_password_is_read_anew_when_vault_replaces_it(monkeypatch: pytest.MonkeyPatch) -> None:
    estate = Estate(ScriptedVault(), monkeypatch)
    answers = iter([("one", 60), ("one", 3_600), ("two", 3_600)])

    def answer(method: str, path: str, **_: object) -> dict[str, Any]:
        password, ttl = next(answers)
        return {"lease_id": "", "data": {"username": "u", "password": password, "ttl": ttl}}

    monkeypatch.setattr(estate.leases.session, "request", answer)
    login = DatabaseLogin(DatabasePlace(role="fixed", path="database/static-creds/fixed", connection={}), estate.leases)
    changes: list[int] = []
    login.on_change(lambda: changes.append(1))
    assert login.credentials.password == "one"
    estate.vault.clock.advance(61)
    login.look()
    assert (login.credentials.password, changes) == ("one", [])
    estate.vault.clock.advance(3_601)
    login.look()
    assert (login.credentials.password, changes) == ("two", [1])
    with pytest.raises(errors.ConfigurationError, match="the place of database role fixed is not known"):
        login.kwargs()


@pytest.mark.parametrize("life", ["soon", [], float("nan")])
def test_a_life_that_is_no_number_is_not_vaults(monkeypatch: pytest.MonkeyPatch, life: object) -> None:
    estate = Estate(ScriptedVault(), monkeypatch)
    told = {"lease_id": "one", "lease_duration": life, "data": {"username": "u", "password": "p"}}
    monkeypatch.setattr(estate.leases.session, "request", lambda *_, **__: told)
    with pytest.raises(errors.ProtocolError, match="has a time that is no number; expected seconds"):
        estate.login.credentials  # noqa: B018 - asking for it is what is tried


def test_an_answer_without_credentials_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    estate = Estate(ScriptedVault(), monkeypatch)
    monkeypatch.setattr(estate.leases.session, "request", lambda *_, **__: {"data": {"username": "u"}})
    with pytest.raises(errors.ProtocolError, match="has no username and password"):
        estate.login.credentials  # noqa: B018 - asking for it is what is tried


def _psycopg(monkeypatch: pytest.MonkeyPatch, *refusals: str) -> list[dict[str, Any]]:
    """A fake of it, which refuses as often as there are texts."""
    asked: list[dict[str, Any]] = []
    left = list(refusals)

    class OperationalError(Exception):
        """As psycopg's."""

    def connect(**options: Any) -> str:
        asked.append(options)
        if left:
            raise OperationalError(left.pop(0))
        return "connection"

    module = ModuleType("psycopg")
    module.__dict__.update(OperationalError=OperationalError, connect=connect)
    monkeypatch.setitem(sys.modules, "psycopg", module)
    return asked


def test_credentials_that_the_database_does_not_know_are_replaced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    estate = Estate(ScriptedVault(), monkeypatch)
    asked = _psycopg(monkeypatch, 'FATAL: password authentication failed for user "user-2"')
    assert estate.login.connect(connect_timeout=1) == "connection"
    assert [one["user"] for one in asked] == ["user-2", "user-3"]
    assert asked[0]["connect_timeout"] == 1
    _psycopg(monkeypatch, "server closed the connection")
    with pytest.raises(Exception, match="server closed"):
        estate.login.connect()
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(errors.ConfigurationError, match="psycopg is not installed"):
        estate.login.connect()


def test_the_thread_runs_while_there_is_a_lease() -> None:
    vault = ScriptedVault()
    method = AppRoleAuth(role_id=ROLE_ID, secret_id=SecretIdVariable("S", {"S": SECRET_ID}))
    leases = Leases(Session(vault.transport(), method), Notifier())
    login = DatabaseLogin(PLACE, leases)
    assert not [one for one in threading.enumerate() if one.name == "vault-estate-leases"]
    with login:
        thread = leases._thread
        assert thread is not None
        assert thread.daemon
    thread.join(5)
    assert not thread.is_alive()
    login.credentials  # noqa: B018 - taken while it was watched
    leases.close()


def test_the_thread_outlives_what_would_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """An observer, or what is called at a change, may say `sys.exit`."""
    monkeypatch.setattr("vault_estate.leases._AGAIN_SECONDS", 0.0)
    vault = ScriptedVault()
    method = AppRoleAuth(role_id=ROLE_ID, secret_id=SecretIdVariable("S", {"S": SECRET_ID}))
    leases = Leases(Session(vault.transport(), method), Notifier())
    looked, again = iter([True]), threading.Event()

    def look() -> float:
        if next(looked, False):
            raise SystemExit
        again.set()
        return 60.0

    monkeypatch.setattr(leases, "look", look)
    with DatabaseLogin(PLACE, leases):
        thread = leases._thread
        assert again.wait(10)
    assert thread is not None
    thread.join(10)
    assert not thread.is_alive()
