"""One login of one process: logged in when it is first needed, renewed on use, replaced before it ends.

Owns the token, which is in memory only. Refuses to log in again and again: what fails is tried again after 1 to 60 s,
so that a wrong SecretID can't lock the role out. Refuses to have a thread wait for a login of its own, which a signal
handler, a finalizer or an observer may interrupt to ask something: that has the token of before, or an error at once.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from copy import copy
from math import inf
from typing import Any

from vault_estate.auth.method import GivenLogin, IssuedToken, LoginMethod, issued
from vault_estate.errors import (
    AuthenticationError,
    ConfigurationError,
    CredentialExpired,
    InvalidRequest,
    MountNotFound,
    PermissionDenied,
    SecretNotFound,
    VaultEstateError,
    VaultUnavailable,
)
from vault_estate.events import Event, EventKind, Notifier
from vault_estate.guarded import NotPickled
from vault_estate.transport import Repeat, Transport

_LOG = logging.getLogger("vault_estate")
RENEW_AT = 2 / 3
"""Of its TTL, with 10 % either way: as Vault's own clients do."""
_BATCH_AT = 0.8
_MANDATORY = 0.1
_MANDATORY_SECONDS = 10.0
"""The last tenth, or ten seconds: everybody waits for one renewal then."""
_WAIT_SECONDS = 3.0
CAPPED = 0.95
"""A renewal that gives less than this of the first TTL is near the token's maximum."""
_LOOKUP_SECONDS = 5.0
"""How often a refused request may ask whether the token is dead."""
_LONGEST_LOOKUP_SECONDS = 300.0
"""The same, where the answer is no good: another token is refused as well, as that token may not look itself up."""
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 60.0
_REVOKE_SECONDS = 1.0


class _Held:
    """A token, and when it is due."""

    __slots__ = ("checked_at", "ends_at", "is_dead", "mandatory_at", "renew_at", "token")

    def __init__(self, token: IssuedToken, begun_at: float, spread: float) -> None:
        self.token = token
        self.checked_at = -inf
        self.is_dead = False
        ttl = token.ttl_seconds
        if not ttl:
            self.ends_at = self.renew_at = self.mandatory_at = inf
            return
        self.ends_at = begun_at + ttl
        self.renew_at = begun_at + ttl * (RENEW_AT * spread if token.renewable else _BATCH_AT)
        self.mandatory_at = max(self.renew_at, self.ends_at - max(_MANDATORY_SECONDS, _MANDATORY * ttl))


class Session(NotPickled):
    """Gives a token that is alive, and sends requests with it."""

    def __init__(
        self,
        transport: Transport,
        method: LoginMethod,
        *,
        notifier: Notifier | None = None,
        logged_in: Callable[[], object] = bool,
    ) -> None:
        """Nobody is logged in yet; `logged_in` is called each time that somebody is."""
        self.transport = transport
        self.method = method
        self._clock = transport.clock
        self._notifier = notifier or Notifier()
        self._logged_in = logged_in
        self._was_forked = False
        self._reset()

    def __repr__(self) -> str:
        return f"Session({self.method.kind}, {self.transport.addresses[0]})"

    def _reset(self) -> None:
        # Reentrant, with a mark: whoever finds it set is further up the stack of the thread that set it.
        self._lock = threading.RLock()
        self._is_at_it = False
        self._looking = threading.RLock()
        self._looks = False
        self._look_seconds = _LOOKUP_SECONDS
        self._held: _Held | None = None
        self._first_ttl = 0.0
        self._failures = 0
        self._failed: VaultEstateError | None = None
        self._pause_until = 0.0
        self.logins = 0
        """How many there were; who holds a lease of an earlier one needs another."""

    def forked(self) -> None:
        """Forget the token, which is the parent's: its end ends with the parent."""
        self._reset()
        self._was_forked = True

    @property
    def ttl_seconds(self) -> float | None:
        """How long the token lives if nobody renews it; None: nobody is logged in. Infinite: it doesn't end."""
        held = self._held
        return None if held is None else max(held.ends_at - self._clock.now(), 0.0)

    def token(self) -> str:
        """A token, renewed or replaced if it is time.
        Raises AuthenticationError, ConfigurationError or VaultUnavailable: there is none to be had."""
        return self._current().token.value

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        repeat: Repeat = Repeat.ALWAYS,
    ) -> dict[str, Any]:
        """A document, as `Transport.send`; a request with a dead token is sent once more after a new login."""
        held = self._current()
        failed = None
        for is_second in (False, True):
            try:
                document = self.transport.send(
                    method, path, token=held.token.value, body=body, headers=headers, repeat=repeat
                )
            except VaultEstateError as error:
                failed = copy(error)  # without frames, whose variables are tokens and bodies
            else:
                if is_second:
                    self._look_seconds = _LOOKUP_SECONDS
                return document
            if not isinstance(failed, PermissionDenied):
                break
            if is_second:
                # It is new and refused: whether it is dead is not asked again soon.
                held.checked_at = self._clock.now()
                self._look_seconds = min(self._look_seconds * 2, _LONGEST_LOOKUP_SECONDS)
            elif self._is_dead(held):
                held = self._replaced(held, path)
            else:
                break
        if failed is None:
            raise AssertionError  # there are two tries
        raise failed

    def another(self, refused: str) -> str | None:
        """Another token than one that was refused, if that is dead; None: it is alive, and may not.
        Raises as `token`, and CredentialExpired: there is no other."""
        held = self._current()
        if held.token.value != refused:
            return held.token.value
        return self._replaced(held, "hvac").token.value if self._is_dead(held) else None

    def keep_alive(self) -> float:
        """Renew or replace the token if it is time; the seconds until it is time again. For whoever holds leases.
        Where nobody is logged in, nobody is for this: whoever needs a lease asks for a token."""
        if self._held is None:
            return inf
        return max(self._current().renew_at - self._clock.now(), 0.0)

    def close(self) -> None:
        """Revoke the token, and with it every lease of it, within a second if Vault answers. A batch token, or one that
        somebody gave out, is left alone."""
        lock = self._lock
        if not lock.acquire(timeout=_REVOKE_SECONDS):
            return  # somebody waits for a login, and nobody for this
        held, self._held = self._held, None
        lock.release()
        if held is None or held.token.is_batch or not held.token.value or not self.method.repeats:
            return
        try:
            self.transport.send(
                "POST",
                "auth/token/revoke-self",
                token=held.token.value,
                repeat=Repeat.NEVER,
                deadline_seconds=_REVOKE_SECONDS,
            )
        except VaultEstateError as error:
            _LOG.debug("the token was not revoked, and ends by itself: %s", type(error).__name__)
        self._tell(EventKind.TOKEN_REVOKED)

    def _current(self) -> _Held:
        held = self._held
        now = self._clock.now()
        if held is not None and now < held.renew_at:
            return held
        if held is None or now >= held.mandatory_at:
            return self._waited(held)
        lock = self._lock  # after a fork there is another
        if not lock.acquire(blocking=False):
            return held  # somebody renews it already
        try:
            return self._due(held)
        finally:
            lock.release()

    def _waited(self, held: _Held | None) -> _Held:
        """The token after a renewal or a login that everybody waits for."""
        lock = self._lock
        if held is None or self._clock.now() >= held.ends_at:
            lock.acquire()
        elif not lock.acquire(timeout=_WAIT_SECONDS):
            return held
        try:
            return self._due(self._held)
        finally:
            lock.release()

    def _due(self, held: _Held | None) -> _Held:
        """With the lock: what is there if it is good, renewed or replaced if not. Raises VaultUnavailable: this thread
        is at that already, and there is no token yet."""
        if self._is_at_it:
            present = self._held
            if present is not None and self._clock.now() < present.ends_at:
                return present
            raise _interrupted("logging in")
        self._is_at_it = True
        try:
            return self._brought(held)
        finally:
            self._is_at_it = False

    def _brought(self, held: _Held | None) -> _Held:
        now = self._clock.now()
        held = self._held or held
        if held is not None and now < held.renew_at:
            return held
        if held is None or now >= held.ends_at:
            return self._log_in()
        try:
            return self._renew(held)
        except VaultEstateError as error:
            # It lives on: tried again after a tenth of what is left.
            held = self._held or held
            held.renew_at = now + max((held.ends_at - now) / 10, 0.1)
            held.mandatory_at = max(held.mandatory_at, held.renew_at)
            self._tell(EventKind.TOKEN_RENEWED, error=type(error).__name__)
            return held

    def _renew(self, held: _Held) -> _Held:
        """With the lock: longer, or another if it can't be longer."""
        if not held.token.renewable:
            return self._log_in() if self._has_another(held) else self._until_its_end(held)
        begun_at = self._clock.now()
        path = "auth/token/renew-self"
        try:
            renewed = issued(self.transport.send("POST", path, token=held.token.value, body={}), path)
        except (CredentialExpired, PermissionDenied, InvalidRequest) as error:
            self._tell(EventKind.TOKEN_LOST, error=type(error).__name__)
            return self._log_in() if self._has_another(held) else self._until_its_end(held)
        renewed.value = held.token.value
        present = self._hold(renewed, begun_at)
        self._tell(EventKind.TOKEN_RENEWED, ttl_seconds=renewed.ttl_seconds)
        if renewed.ttl_seconds >= self._first_ttl * CAPPED:
            return present
        # Near its maximum TTL: another one now, while leases of this one are still good. It isn't revoked, as that
        # would end them.
        return self._log_in() if self._has_another(present) else self._until_its_end(present)

    def _has_another(self, held: _Held) -> bool:
        """Whether a login would give another token than this one."""
        if self.method.repeats:
            return True
        return isinstance(self.method, GivenLogin) and self.method.is_replaced(held.token.value)

    @staticmethod
    def _until_its_end(held: _Held) -> _Held:
        held.renew_at = held.mandatory_at = held.ends_at
        return held

    def _log_in(self) -> _Held:
        """With the lock. Raises what the login raises, or what it raised a moment ago."""
        if self._failed is not None and self._clock.now() < self._pause_until:
            raise copy(self._failed) from None
        begun_at = self._clock.now()
        try:
            token = self.method.log_in(self.transport)
        except VaultEstateError as error:
            failed = copy(self._explained(error))  # without frames, whose variables are credentials
        else:
            self._failures, self._failed = 0, None
            self._first_ttl = token.ttl_seconds
            self.logins += 1
            held = self._hold(token, begun_at)
            self._logged_in()
            self._tell(EventKind.LOGIN, ttl_seconds=token.ttl_seconds, seconds=self._clock.now() - begun_at)
            return held
        if isinstance(failed, AuthenticationError):
            self._failures += 1
            self._failed = copy(failed)
            pause = min(_FIRST_PAUSE_SECONDS * 2 ** (self._failures - 1), _LONGEST_PAUSE_SECONDS)
            self._pause_until = self._clock.now() + pause
        self._tell(EventKind.LOGIN, error=type(failed).__name__, seconds=self._clock.now() - begun_at)
        raise failed

    def _explained(self, error: VaultEstateError) -> VaultEstateError:
        if isinstance(error, SecretNotFound | MountNotFound):
            # Else it would look as if nobody had given a value yet.
            return AuthenticationError(
                f"{error.path}: there is no such login; expected VAULT_NAMESPACE and the auth method's mount as Vault "
                "has them",
                path=error.path,
                status=error.status,
            )
        if not (self._was_forked and isinstance(error, CredentialExpired)):
            return error
        return ConfigurationError(
            f"{error.path}: this process was forked from one that had logged in, and the SecretID is refused; expected "
            "the client to be created after the fork, or a SecretID with as many uses as there are processes",
            path=error.path,
            status=error.status,
        )

    def _hold(self, token: IssuedToken, begun_at: float) -> _Held:
        self._held = _Held(token, begun_at, self._clock.uniform(0.9, 1.1))
        return self._held

    def _is_dead(self, held: _Held) -> bool:
        """Whether the token that was refused is dead, or another has come meanwhile. Who asks together asks once."""
        with self._looking:
            if self._looks:
                raise _interrupted("asking whether its token is dead")
            present = self._held
            if present is None or present.token.value != held.token.value:
                return True
            now = self._clock.now()
            if held.token.value and now - held.checked_at >= self._look_seconds:
                held.checked_at = now
                self._looks = True
                try:
                    held.is_dead = self._is_unknown(held.token)
                finally:
                    self._looks = False
            return held.is_dead

    def _is_unknown(self, token: IssuedToken) -> bool:
        try:
            self.transport.send("GET", "auth/token/lookup-self", token=token.value)
        except PermissionDenied:
            self._tell(EventKind.TOKEN_LOST)
            return True
        except VaultEstateError:
            return False
        return False

    def _replaced(self, dead: _Held, path: str) -> _Held:
        """Another token. Raises CredentialExpired: this way to log in gives no other."""
        if not self._has_another(dead):
            raise CredentialExpired(
                f"{path}: the token is dead, and {self.method.kind} gives no other; expected a new one",
                path=path,
                status=403,
            )
        with self._lock:
            if self._held is not None and self._held.token.value == dead.token.value:
                self._held = None
            return self._due(self._held)

    def _tell(self, kind: EventKind, *, ttl_seconds: float = 0.0, seconds: float = 0.0, error: str = "") -> None:
        if self._notifier:
            operation = "login" if kind is EventKind.LOGIN else "renew"
            self._notifier.tell(
                Event(
                    kind=kind,
                    operation=operation,
                    secret_type="auth",  # noqa: S106 - a kind
                    ttl_seconds=ttl_seconds,
                    seconds=seconds,
                    error=error,
                )
            )


def _interrupted(what: str) -> VaultUnavailable:
    return VaultUnavailable(
        f"this thread is {what}, and whoever asks now has interrupted that; expected a signal handler, a finalizer or "
        "an observer to do without an answer, or another thread to ask"
    )
