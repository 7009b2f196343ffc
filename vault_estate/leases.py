"""What Vault lends for a time and is kept alive: database logins.

Owns one thread, which runs while there is a lease: it renews each at two thirds, and takes another before the first
ends or its token does. Refuses to give what has ended.
"""

import logging
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

from vault_estate.answers import seconds_of
from vault_estate.errors import ConfigurationError, ProtocolError, VaultEstateError, VaultUnavailable
from vault_estate.events import Event, EventKind, Notifier
from vault_estate.guarded import NotPickled
from vault_estate.hiding import hides_values
from vault_estate.models import Credentials
from vault_estate.session import CAPPED, RENEW_AT, Session

_LOG = logging.getLogger("vault_estate")
_AGAIN_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 60.0
"""The thread looks at least so often, since a request may have replaced the token meanwhile."""


@dataclass(frozen=True, kw_only=True)
class DatabasePlace:
    """Where a role's credentials come from, and what they open."""

    role: str
    path: str
    """Of Vault's API."""
    connection: Mapping[str, Any]
    """Arguments of a connection, without the user's; empty: nobody said."""


class _Lease:
    """Credentials, and until when they are good."""

    __slots__ = ("begun_at", "credentials", "due_at", "ends_at", "lease_id", "login", "renewable", "seconds")

    def __init__(self, document: Mapping[str, Any], place: DatabasePlace, begun_at: float, login: int) -> None:
        data = document.get("data")
        if not isinstance(data, Mapping) or not (data.get("username") and data.get("password")):
            raise ProtocolError(f"{place.path}: the answer has no username and password; expected both")
        self.credentials = Credentials(str(data["username"]), str(data["password"]))
        self.lease_id = str(document.get("lease_id") or "")
        self.renewable = bool(document.get("renewable"))
        # A static role has no lease: its password is good until Vault replaces it.
        self.seconds = seconds_of(document.get("lease_duration") if self.lease_id else data.get("ttl"), place.path)
        self.login = login
        self.renewed(begun_at, self.seconds)

    def renewed(self, begun_at: float, seconds: float) -> None:
        """It is good for so long from now."""
        self.begun_at = begun_at
        self.ends_at = begun_at + seconds if seconds else inf
        share = RENEW_AT if self.lease_id else 1.0
        self.due_at = begun_at + seconds * share if seconds else inf


class Keeper(Protocol):
    """Where a login says that it wants to be kept alive."""

    session: Session
    notifier: Notifier

    def watch(self, login: "DatabaseLogin") -> None:
        """From now on."""

    def forget(self, login: "DatabaseLogin") -> None:
        """No longer."""

    def know(self, login: "DatabaseLogin") -> None:
        """It is there, and has to be told of a fork."""


class DatabaseLogin(NotPickled):
    """A database role's credentials, always good ones. They change: ask for them at each connection."""

    def __init__(self, place: DatabasePlace, keeper: Keeper) -> None:
        """Nothing is asked of Vault yet."""
        self._place = place
        self._keeper = keeper
        self._clock = keeper.session.transport.clock
        self._changed: list[Callable[[], object]] = []
        self.forked()
        keeper.know(self)

    def __repr__(self) -> str:
        return f"DatabaseLogin({self._place.role})"

    @hides_values
    def __enter__(self) -> "DatabaseLogin":
        self._present()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def forked(self) -> None:
        """Forget the credentials, which end with the parent's token."""
        self._lock = threading.RLock()
        self._lease: _Lease | None = None
        self._is_to_tell = False

    @property
    @hides_values
    def credentials(self) -> Credentials:
        """The ones to connect with now. Raises VaultEstateError: there are none."""
        return self._present().credentials

    @hides_values
    def kwargs(self) -> dict[str, Any]:
        """Arguments of `psycopg.connect`, and of pools that take a callable. Raises as `credentials`, and
        ConfigurationError: there is no manifest that says where the database is."""
        if not self._place.connection:
            raise ConfigurationError(
                f"the place of database role {self._place.role} is not known; expected a manifest, or "
                "`credentials` and a host of your own"
            )
        username, password = self.credentials
        return {**self._place.connection, "user": username, "password": password}

    @hides_values
    def connect(self, **options: Any) -> Any:
        """A new connection by psycopg, which has to be installed. Credentials that the database doesn't know are
        replaced once. Raises ConfigurationError: psycopg is missing. Raises psycopg.Error: the database refuses."""
        try:
            import psycopg  # noqa: PLC0415 - an application may have another driver
        except ImportError:
            raise ConfigurationError(
                "psycopg is not installed; expected it, or `kwargs()` for another driver"
            ) from None
        lease = self._present()
        try:
            return psycopg.connect(**{**self.kwargs(), **options})
        except psycopg.OperationalError as error:
            if "password authentication failed" not in str(error):
                raise
        self._replace(lease)
        return psycopg.connect(**{**self.kwargs(), **options})

    @property
    @hides_values
    def recycle_seconds(self) -> int:
        """How old a pool's connection may become: it ends before its user does."""
        seconds = self._present().seconds
        return max(int(seconds * (1 - RENEW_AT)), 1) if seconds else -1

    def on_change(self, call: Callable[[], object]) -> None:
        """Call something, as an engine's `dispose`, each time there are other credentials."""
        self._changed.append(call)

    def close(self) -> None:
        """Keep it alive no longer; what was lent ends by itself, at the latest with the client's token."""
        self._keeper.forget(self)
        if self._lease is not None:
            self._tell(EventKind.LEASE_RELEASED)

    def look(self) -> float:
        """Renew or replace what is due; the seconds until it is due again."""
        lease = self._lease
        if lease is None:
            return _LONGEST_WAIT_SECONDS
        now = self._clock.now()
        self._call_changed()
        try:
            if not self._is_of_present_login(lease):
                self._replace(lease)
            elif now >= lease.due_at:
                self._renew(lease)
        except VaultEstateError as error:
            kind = EventKind.LEASE_LOST if now >= lease.ends_at else EventKind.LEASE_RENEWED
            self._tell(kind, error=type(error).__name__)
            _LOG.warning("database role %s was not renewed: %s", self._place.role, error)
            return max((lease.ends_at - now) / 10, _AGAIN_SECONDS)
        present = self._lease
        return max(present.due_at - self._clock.now(), 0.0) if present else _LONGEST_WAIT_SECONDS

    def _present(self) -> _Lease:
        lease = self._lease
        if lease is not None and self._clock.now() < lease.ends_at:
            return lease if self._is_of_present_login(lease) else self._of_present_login(lease)
        with self._lock:
            if self._lease is lease:
                self._take(EventKind.LEASE_CREATED if lease is None else EventKind.LEASE_REPLACED)
                self._keeper.watch(self)
            present = self._lease
        self._call_changed()
        if present is None:
            raise VaultUnavailable(f"database role {self._place.role} was lost meanwhile; ask again")
        return present

    def _is_of_present_login(self, lease: _Lease) -> bool:
        """Whether the token that took it is there: at the end of that it ends, too."""
        session = self._keeper.session
        return not lease.lease_id or (lease.login == session.logins and session.ttl_seconds is not None)

    def _of_present_login(self, lease: _Lease) -> _Lease:
        """Another lease, since this one ends with a token that was replaced; this one while there is no other."""
        try:
            self._replace(lease)
        except VaultEstateError as error:
            _LOG.warning("database role %s was not taken anew: %s", self._place.role, error)
        self._keeper.watch(self)  # no longer, after the client was closed
        return self._lease or lease

    def _renew(self, lease: _Lease) -> None:
        if not (lease.lease_id and lease.renewable):
            self._replace(lease)
            return
        begun_at = self._clock.now()
        body = {"lease_id": lease.lease_id, "increment": int(lease.seconds)}
        try:
            renewed = self._keeper.session.request("POST", "sys/leases/renew", body=body)
            seconds = seconds_of(renewed.get("lease_duration"), "sys/leases/renew")
        except VaultUnavailable:
            raise
        except VaultEstateError:
            seconds = 0.0
        if seconds < lease.seconds * CAPPED:
            # Near its maximum; it stays good for what it has left, which is what connections need to be replaced in.
            self._replace(lease)
            return
        lease.renewed(begun_at, seconds)
        self._tell(EventKind.LEASE_RENEWED, ttl_seconds=seconds)

    def _replace(self, lease: _Lease) -> None:
        with self._lock:
            if self._lease is lease:
                self._take(EventKind.LEASE_REPLACED)
        self._call_changed()

    def _take(self, kind: EventKind) -> None:
        """With the lock."""
        session = self._keeper.session
        session.token()
        begun_at, login = self._clock.now(), session.logins
        taken = _Lease(session.request("GET", self._place.path), self._place, begun_at, login)
        before, self._lease = self._lease, taken
        if before is not None and tuple(before.credentials) != tuple(taken.credentials):
            self._is_to_tell = True
        self._tell(kind, ttl_seconds=taken.seconds)

    def _call_changed(self) -> None:
        """Without the lock: what is called may wait for a thread that waits for credentials."""
        is_to_tell, self._is_to_tell = self._is_to_tell, False
        if not is_to_tell:
            return
        for call in list(self._changed):
            try:
                call()
            except Exception as error:  # noqa: BLE001 - the application's own; the lease is good all the same
                _LOG.warning(
                    "what is called when database role %s changes raised %s", self._place.role, type(error).__name__
                )

    def _tell(self, kind: EventKind, *, ttl_seconds: float = 0.0, error: str = "") -> None:
        if self._keeper.notifier:
            self._keeper.notifier.tell(
                Event(
                    kind=kind,
                    operation="issue" if kind is EventKind.LEASE_CREATED else "renew",
                    secret_type="database",  # noqa: S106 - a kind
                    name=self._place.role,
                    ttl_seconds=ttl_seconds,
                    error=error,
                )
            )


class Leases:
    """All logins of one client that are kept alive."""

    def __init__(self, session: Session, notifier: Notifier) -> None:
        """No thread yet."""
        self.session = session
        self.notifier = notifier
        self._known: weakref.WeakSet[DatabaseLogin] = weakref.WeakSet()
        self.forked()

    def forked(self) -> None:
        """Start anew: the parent's thread isn't here."""
        for login in list(self._known):
            login.forked()
        self._logins: weakref.WeakSet[DatabaseLogin] = weakref.WeakSet()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def know(self, login: DatabaseLogin) -> None:
        """Tell it of a fork, in which its parent's thread may have its lock, or a lease."""
        self._known.add(login)

    def watch(self, login: DatabaseLogin) -> None:
        """Keep it alive; with the first, the thread starts."""
        with self._wake:
            self._logins.add(login)
            self._closed = False
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="vault-estate-leases", daemon=True)
                self._thread.start()
            self._wake.notify()

    def forget(self, login: DatabaseLogin) -> None:
        """Keep it alive no longer; with the last, the thread ends."""
        with self._wake:
            self._logins.discard(login)
            self._wake.notify()

    def close(self) -> None:
        """Keep nothing alive."""
        with self._wake:
            self._closed = True
            self._logins.clear()
            self._wake.notify()

    @hides_values
    def look(self) -> float:
        """Do what is due for the token and for each login; the seconds until something is due."""
        try:
            waits = [self.session.keep_alive()]
        except VaultEstateError as error:
            _LOG.warning("the login was not renewed: %s", error)
            waits = [_AGAIN_SECONDS]
        waits += [login.look() for login in list(self._logins)]
        return min(*waits, _LONGEST_WAIT_SECONDS)

    def _run(self) -> None:
        while True:
            try:
                wait = self.look()
            except (SystemExit, KeyboardInterrupt) as error:
                # Of an observer or of what `on_change` was given: it would end this thread alone, and so the leases.
                _LOG.warning("the thread of leases goes on, where %s was raised", type(error).__name__)
                wait = _AGAIN_SECONDS
            with self._wake:
                if self._closed or not self._logins:
                    self._thread = None
                    return
                self._wake.wait(max(wait, 0.05))
