"""Requests to Vault: one pool of connections a process, over urllib3.

Owns deadlines, tries, the next address, the one redirect that may be followed. Refuses what urllib3, requests and hvac
would do by themselves: following a redirect with a token to any host, and believing the environment's proxies and
authorities.
"""

import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3 import exceptions as failures

from vault_estate import connections, tls
from vault_estate.answers import BODY_BYTES, Answer, is_transient, read, refusal, strings
from vault_estate.breaker import Breaker
from vault_estate.clock import Clock, SystemClock
from vault_estate.errors import (
    ConfigurationError,
    ProtocolError,
    RateLimited,
    VaultEstateError,
    VaultTimeout,
    VaultUnavailable,
    VaultUntrusted,
)
from vault_estate.tls import Trust

_PART_BYTES = 65_536
_JITTER_SECONDS = (0.05, 0.8)
"""Full jitter: any time between the first and a bound that doubles with each try, up to the second."""
_ONCE = urllib3.Retry(total=False, redirect=False)
"""What it raises is raised as it is; tries are counted here."""
_REDIRECT = frozenset({307, 308})
HEALTH_STATUSES = frozenset({200, 429, 472, 473, 501, 503})
"""What `sys/health` answers, none of which is an error there."""


class Repeat(Enum):
    """When a request may be sent again."""

    ALWAYS = "always"
    """It changes nothing, or the same as before: reads, lists, renewals."""
    UNSENT = "unsent"
    """It has effects: only if it was not taken (no connection, or a quota's 429). Logins, writes."""
    NEVER = "never"
    """It can be done once only: unwrapping."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long one call may take."""

    deadline_seconds: float = 3.0
    """In all, with every try. A body that comes in bits is given up `read_seconds` later at most."""
    connect_seconds: float = 1.0
    read_seconds: float = 2.0
    """Without a byte; of an answer's header until it is whole."""
    tries: int = 3

    def __post_init__(self) -> None:
        for name in ("deadline_seconds", "connect_seconds", "read_seconds", "tries"):
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"{name} is {getattr(self, name)}; expected more than 0")


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One request, wherever it is sent."""

    method: str
    path: str
    """Below `/v1/`, percent-encoded, with its query."""
    headers: Mapping[str, str]
    content: bytes | None
    sent: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Call({self.method} {self.path})"


class Transport:
    """Sends requests to one Vault, at one of its addresses."""

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        trust: Trust | None = None,
        namespace: str | None = None,
        patience: Patience | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Nothing is sent yet. Raises ConfigurationError: an address or a certificate can't be used."""
        self.addresses = tuple(dict.fromkeys(tls.address(one) for one in addresses))
        if not self.addresses:
            raise ConfigurationError("the address of Vault is not set; expected a manifest, an argument or VAULT_ADDR")
        self.patience = patience or Patience()
        self.clock: Clock = clock or SystemClock()
        self._trust = trust or Trust()
        self._headers = {"X-Vault-Request": "true"}
        if namespace:
            self._headers["X-Vault-Namespace"] = _line(namespace)
        self._present = 0
        self._dated: tuple[str, float] | None = None
        self._context = self._trust.context()
        self.forked()

    def forked(self) -> None:
        """Forget every connection: after a fork they are the parent's."""
        self._breaker = Breaker(self.clock)
        self._pools: dict[int, urllib3.HTTPConnectionPool] = {}

    def _pool(self, number: int) -> urllib3.HTTPConnectionPool:
        """Connections to one address."""
        found = self._pools.get(number)
        if found is not None:
            return found
        pool = connections.pool(self.addresses[number], self._context, self._trust.server_name)
        return self._pools.setdefault(number, pool)

    def reload_certificates(self) -> None:
        """Use what stands in the files of certificates now, for connections made from now on.
        Raises ConfigurationError: they can't be used."""
        self._context, self._pools = self._trust.context(), {}

    def close(self) -> None:
        """Close what is open; a later request opens anew."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.close()

    def server_time(self) -> float:
        """Seconds since 1970 by Vault's clock, as it last said; by this machine's before it said anything."""
        if self._dated is None:
            return self.clock.wall()
        date, heard_at = self._dated
        try:
            said = parsedate_to_datetime(date).timestamp()
        except ValueError:
            return self.clock.wall()
        return said + self.clock.now() - heard_at

    def send(
        self,
        method: str,
        path: str,
        *,
        token: str = "",
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        repeat: Repeat = Repeat.ALWAYS,
        deadline_seconds: float | None = None,
    ) -> dict[str, Any]:
        """The document of an answer, empty if there is none.
        Raises VaultEstateError: as `vault_estate.answers` reads it, or `VaultUnavailable` without an answer."""
        call = self.prepared(method, path, token=token, body=body, headers=headers)
        return read(self.answered(call, repeat=repeat, deadline_seconds=deadline_seconds), path)

    def prepared(
        self,
        method: str,
        path: str,
        *,
        token: str = "",
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Call:
        """A request with its headers. Raises ConfigurationError: a header would be two lines."""
        all_headers = dict(self._headers)
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            all_headers["Content-Type"] = "application/json"
        for name, value in (headers or {}).items():
            all_headers[name] = _line(value)
        if token:
            all_headers["X-Vault-Token"] = _line(token)
        sent = (*strings(body), *([token] if token else [])) if body else ((token,) if token else ())
        return Call(method=method.upper(), path=path, headers=all_headers, content=content, sent=sent)

    def answered(
        self,
        call: Call,
        *,
        repeat: Repeat = Repeat.ALWAYS,
        deadline_seconds: float | None = None,
        statuses: frozenset[int] = frozenset(),
    ) -> Answer:
        """The last answer, which may be a refusal; of a transient refusal, after every try.
        Raises VaultUnavailable: there was none."""
        longest = deadline_seconds or self.patience.deadline_seconds
        held_back = self._breaker.wait(longest)
        if held_back:
            raise VaultUnavailable(
                f"{call.path}: {self.addresses[self._present]} did not answer; it is asked again in {held_back:.1f} s",
                path=call.path,
            )
        deadline = self.clock.now() + longest
        for tried in count(1):
            outcome = self._once(call, deadline, statuses)
            if isinstance(outcome, Answer) and outcome.status in statuses:
                break
            wait = self._wait(outcome, tried, repeat, deadline)
            if wait is None:
                break
            self.clock.sleep(wait)
        if isinstance(outcome, _Loss):
            self._breaker.failed()
            raise outcome.error
        self._breaker.succeeded()
        return outcome

    def _once(self, call: Call, deadline: float, statuses: frozenset[int]) -> "Answer | _Loss":
        """One try; of what may pass, the next address is asked afterwards."""
        present = self._present
        try:
            answer = self._exchange(call, present, deadline)
            if answer.status in _REDIRECT:
                answer = self._redirected(call, answer, deadline)
        except _LostError as lost:
            self._present = (present + 1) % len(self.addresses)
            return lost.loss
        if answer.status not in statuses and answer.status >= 472 and is_transient(refusal(answer, call.path)):
            self._present = (present + 1) % len(self.addresses)
        return answer

    def _wait(self, outcome: "Answer | _Loss", tried: int, repeat: Repeat, deadline: float) -> float | None:
        """Seconds until the next try; None: there is none."""
        if repeat is Repeat.NEVER or tried >= self.patience.tries:
            return None
        low, high = _JITTER_SECONDS
        wait = self.clock.uniform(low, min(high, low * 4**tried))
        if isinstance(outcome, _Loss):
            if isinstance(outcome.error, VaultUntrusted) or (outcome.taken and repeat is not Repeat.ALWAYS):
                return None
        elif outcome.status < 300 or not is_transient(error := refusal(outcome, "")):
            return None
        elif isinstance(error, RateLimited):
            # It was not taken, whatever it was; one wait is enough.
            wait = wait if error.retry_after is None else error.retry_after + low
            if tried > 1:
                return None
        elif repeat is not Repeat.ALWAYS:
            return None
        return wait if self.clock.now() + wait < deadline else None

    def _exchange(self, call: Call, present: int, deadline: float) -> Answer:
        """One request at one address. Raises _LostError: no answer."""
        address, pool = self.addresses[present], self._pool(present)
        left = max(deadline - self.clock.now(), 0.05)
        silence = min(self.patience.read_seconds, left)
        timeout = urllib3.Timeout(connect=min(self.patience.connect_seconds, left), read=silence)
        try:
            response = pool.urlopen(
                call.method,
                f"/v1/{call.path}",
                body=call.content,
                headers=call.headers,
                retries=_ONCE,
                redirect=False,
                timeout=timeout,
                preload_content=False,
            )
            try:
                content = self._content(response, call, address, deadline)
            except BaseException:
                # What a signal handler may raise, too: the rest of this body would be the next answer's beginning.
                response.close()
                raise
            response.release_conn()
        except failures.HTTPError as error:
            raise _lost(call, address, error, silence) from None
        except (OSError, ValueError) as error:
            raise _lost(call, address, failures.ProtocolError(type(error).__name__), silence) from None
        if (date := response.headers.get("Date")) is not None:
            self._dated = (date, self.clock.now())
        return Answer(status=response.status, headers=response.headers, body=content, sent=call.sent)

    def _content(self, response: urllib3.BaseHTTPResponse, call: Call, address: str, deadline: float) -> bytes:
        """The body, piece by piece. It isn't unpacked: nobody asked for that, and it could become of any length.
        Raises _LostError: it is too long, or goes on after the deadline."""
        parts, size = [], 0
        while part := response.read1(_PART_BYTES, decode_content=False):
            parts.append(part)
            size += len(part)
            if size > BODY_BYTES:
                raise _LostError(_too_long(call, address), taken=True)
            if response.length_remaining == 0:
                break
            if self.clock.now() >= deadline:
                late = VaultTimeout(f"{call.path}: the answer of {address} did not end in time", path=call.path)
                raise _LostError(late, taken=True)
        return b"".join(parts)

    def _redirected(self, call: Call, answer: Answer, deadline: float) -> Answer:
        """What the leader answers that a standby named. Raises _LostError: it is none of the addresses."""
        parts = urlsplit(answer.headers.get("Location") or "")
        host = parts.netloc.rpartition("@")[2]
        try:
            found = self.addresses.index(tls.address(f"{parts.scheme}://{host}"))
        except (ValueError, ConfigurationError):  # a ConfigurationError is a ValueError; both are meant
            found = -1
        if found < 0 or parts.scheme != "https" or parts.path != f"/v1/{call.path.partition('?')[0]}":
            where = f"{parts.scheme}://{host}" if host else "nowhere"
            raise _LostError(
                VaultUnavailable(
                    f"{call.path}: {self.addresses[self._present]} redirects to {where[:200]!r}; expected one of "
                    f"{', '.join(self.addresses)}. Nothing was sent there",
                    path=call.path,
                    status=answer.status,
                ),
                taken=False,
            )
        followed = self._exchange(call, found, deadline)
        if followed.status in _REDIRECT:
            error = VaultUnavailable(f"{call.path}: redirected twice", path=call.path, status=followed.status)
            raise _LostError(error, taken=False)
        self._present = found
        return followed


@dataclass(frozen=True, kw_only=True)
class _Loss:
    """There is no answer that can be used."""

    error: VaultEstateError
    taken: bool
    """Whether the server may have done what was asked."""


class _LostError(Exception):
    def __init__(self, error: VaultEstateError, *, taken: bool) -> None:
        super().__init__(str(error))
        self.loss = _Loss(error=error, taken=taken)


def _line(value: str) -> str:
    """A header's value. Raises ConfigurationError: it would be two lines; http.client would raise it with the value."""
    if value.isascii() and value.isprintable():
        return value
    raise ConfigurationError("a header of the request is not one line of ASCII; expected a token without spaces")


def _too_long(call: Call, address: str) -> ProtocolError:
    return ProtocolError(
        f"{call.path}: the answer of {address} is longer than {BODY_BYTES} bytes; expected Vault's", path=call.path
    )


def _lost(call: Call, address: str, error: failures.HTTPError, silence: float) -> _LostError:
    """What a failure of urllib3 is; its own texts name objects of this process."""
    path = call.path
    if isinstance(error, failures.SSLError):
        return _LostError(_untrusted(path, address, error), taken=False)
    if isinstance(error, failures.NewConnectionError | failures.ClosedPoolError):
        # Before TimeoutError, which the one is for old reasons; the other is by another thread's `close`.
        return _LostError(VaultUnavailable(f"{path}: {address} takes no connection", path=path), taken=False)
    if isinstance(error, failures.ConnectTimeoutError):
        return _LostError(VaultTimeout(f"{path}: {address} took no connection in time", path=path), taken=False)
    if isinstance(error, failures.TimeoutError):
        return _LostError(VaultTimeout(f"{path}: {address} did not answer in {silence:.3g} s", path=path), taken=True)
    if "IncompleteRead" in str(error):
        return _LostError(ProtocolError(f"{path}: the answer of {address} is cut off", path=path), taken=True)
    return _LostError(VaultUnavailable(f"{path}: {address} ended the connection", path=path), taken=True)


def _untrusted(path: str, address: str, error: failures.SSLError) -> VaultUnavailable:
    cause = error.args[0] if error.args else None
    if isinstance(cause, ssl.SSLCertVerificationError):
        why = cause.verify_message
        return VaultUntrusted(f"{path}: the certificate of {address} is not vouched for: {why}", path=path)
    return VaultUnavailable(f"{path}: no TLS with {address}: {getattr(cause, 'reason', None) or 'TLS'}", path=path)
