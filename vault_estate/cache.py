"""What was read, for a while: a value is asked for once however many ask, and outlives an outage by an hour at most.

Owns freshness, refreshing ahead, single flight, stale values, remembered refusals and the limit in number. Refuses to
hide anything but an outage: a refusal drops the value at once. Refuses, too, to have a thread wait while it reads
itself, as a signal handler, a finalizer or an observer would that asks in the midst of it: that reads for itself.
"""

import threading
from collections.abc import Callable, Hashable
from copy import copy
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from vault_estate.clock import Clock, SystemClock
from vault_estate.errors import (
    ConfigurationError,
    MountNotFound,
    PermissionDenied,
    RateLimited,
    SecretNotFound,
    VaultEstateError,
    VaultUnavailable,
    VaultUntrusted,
)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_JITTER = (0.8, 1.0)
"""Of its life, so that many processes that started together don't ask together."""
_AHEAD = 0.8
"""Of its life, after which the first who asks reads it anew while the others have the old one."""
_UNTRUSTED_SECONDS = 300.0
"""How long a server without a good certificate is hidden by stale values: it may be somebody else."""
_AFTER_FAILURE_SECONDS = 1.0
"""How long a value is served without asking after Vault was away, so that its return is seen within two seconds."""
_REFUSED_SECONDS = ((SecretNotFound, 10.0), (MountNotFound, 10.0), (PermissionDenied, 5.0))


class CacheEvent(Enum):
    """What became of a question."""

    HIT = "hit"
    MISS = "miss"
    """Vault was asked, and answered."""
    REFRESHED = "refreshed"
    """As a miss, of a value that was there."""
    STALE = "stale"
    """Vault was away; a value that is no longer fresh was given."""


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """How long values are used."""

    fresh_seconds: float = 300.0
    """The requirement's five minutes; each value's is 80 to 100 % of it."""
    stale_seconds: float = 3_600.0
    """The oldest that a value is given at, while Vault can't be asked."""
    entries: int = 1_024
    """Of more, those that were used longest ago are dropped."""

    def __post_init__(self) -> None:
        for name in ("fresh_seconds", "stale_seconds", "entries"):
            if getattr(self, name) < 0 or (name == "entries" and self.entries < 1):
                raise ConfigurationError(f"{name} is {getattr(self, name)}; expected more")


def _any(_: object) -> bool:
    return True


class _Entry(Generic[V]):
    __slots__ = ("failed", "fresh_until", "number", "read_at", "refresh_at", "retry_at", "used", "value")

    def __init__(self, value: V, read_at: float, life: float, number: int) -> None:
        self.value = value
        self.number = number
        self.read_at = self.used = read_at
        self.fresh_until = read_at + life
        self.refresh_at = read_at + life * _AHEAD
        self.retry_at = 0.0
        self.failed: type[VaultUnavailable] | None = None


class _Flight(Generic[V]):
    """One question that is being asked, and who waits for its answer."""

    __slots__ = ("error", "gate", "generation", "is_over", "leader", "number", "value")

    def __init__(self) -> None:
        # A bare lock, and no Event: that has one inside, which a signal handler could find taken by its own thread.
        self.gate = threading.Lock()
        self.gate.acquire()
        self.leader = threading.get_ident()
        self.is_over = False
        self.generation = 0
        self.number = 0
        self.error: Exception | None = None
        self.value: V | None = None

    def wait(self) -> None:
        """Until there is an answer, or whoever asked was interrupted."""
        with self.gate:
            pass

    def end(self) -> None:
        """Nobody waits any longer."""
        self.is_over = True
        self.gate.release()


class Cache(Generic[K, V]):
    """Values by key. A hit takes no lock and touches no network."""

    def __init__(
        self,
        *,
        mark_stale: Callable[[V], V],
        freshness: Freshness | None = None,
        clock: Clock | None = None,
        tell: Callable[[CacheEvent, K], None] | None = None,
    ) -> None:
        """`mark_stale` gives a value that says it is; `tell` is called for each question."""
        self._freshness = freshness or Freshness()
        self._clock: Clock = clock or SystemClock()
        self._now = self._clock.now
        self._mark_stale = mark_stale
        self._tell = tell
        self._entries: dict[K, _Entry[V]] = {}
        self.asked = dict.fromkeys(CacheEvent, 0)
        """How often each was so. Counted without a lock: under threads a few may be missing."""
        self.forked()

    def forked(self) -> None:
        """Keep the values and forget who was asking: after a fork these are the parent's threads."""
        # Reentrant: a signal handler or a finalizer may come to the same thread at any point.
        self._lock = threading.RLock()
        self._flights: dict[K, _Flight[V]] = {}
        self._refusals: dict[K, tuple[VaultEstateError, float]] = {}
        self._generation = 0
        self._begun = 0

    def peek(self, key: K, accept: Callable[[V], bool] | None = None, *, is_asked: bool = False) -> V | None:
        """A value that needs nobody's asking; None if there is none. `is_asked`: somebody reads it anew, so that the
        old one will do until its end."""
        now = self._now()
        entry = self._entries.get(key)
        if entry is None or (accept is not None and not accept(entry.value)):
            return None
        if now >= (entry.fresh_until if is_asked else entry.refresh_at):
            return None
        entry.used = now
        self._count(CacheEvent.HIT, key)
        return entry.value

    def get(
        self,
        key: K,
        load: Callable[[], V],
        *,
        accept: Callable[[V], bool] | None = None,
        fresh_seconds: float | None = None,
    ) -> V:
        """A value: a fresh one, or what `load` gives, or a stale one while Vault can't be asked.

        Args:
            key: of the value.
            load: asks Vault.
            accept: whether a value will do; one that doesn't is asked for anew.
            fresh_seconds: if not as everything else.

        Raises:
            VaultEstateError: `load`'s, perhaps of a moment ago.
        """
        found = self.peek(key, accept)
        if found is not None:
            return found
        now = self._now()
        entry = self._entries.get(key)
        if entry is not None and accept is not None and not accept(entry.value):
            entry = None
        if entry is not None and now < entry.retry_at and self._may_serve(entry, now, entry.failed):
            return self._served(key, entry, now)
        if accept is None:
            self._raise_refusal(key, now)
        return self._asked(key, load, entry, accept or _any, fresh_seconds)

    def _asked(
        self,
        key: K,
        load: Callable[[], V],
        entry: _Entry[V] | None,
        accept: Callable[[V], bool],
        fresh_seconds: float | None,
    ) -> V:
        """What Vault says, to this thread or to one that asked before it."""
        now = self._now()
        while True:
            flight = self._under_way(key)
            if flight is not None and entry is not None and (now < entry.fresh_until or self._may_outlive(entry, now)):
                return self._served(key, entry, now)
            if flight is None or self._reads_already():
                led, value = self._lead(key, load, fresh_seconds, joins=flight is None)
                if led is None:
                    continue
                return self._instead(key, entry, led.error) if value is None else value
            flight.wait()
            if flight.error is not None:
                return self._instead(key, entry, flight.error)
            # Without either, whoever asked was interrupted: somebody else has to.
            if flight.value is not None and accept(flight.value):
                self._count(CacheEvent.HIT, key)
                return flight.value

    def refresh(self, key: K, load: Callable[[], V], *, fresh_seconds: float | None = None) -> V:
        """What Vault has now: not what somebody began to read before. Raises VaultEstateError: it can't be read."""
        led, value = self._lead(key, load, fresh_seconds, joins=False)
        return self._instead(key, None, led.error if led else None) if value is None else value

    def invalidate(self, concerns: Callable[[K], bool] = lambda _: True) -> None:
        """Forget the values of those keys, or all; the next who asks asks Vault, whatever is being read already."""
        with self._lock:
            self._generation += 1
            self._refusals.clear()
            for kept in (self._entries, self._flights):
                for key in [one for one in list(kept) if concerns(one)]:
                    kept.pop(key, None)

    def hit_ratio(self) -> float | None:
        """Questions that Vault wasn't asked, of all; None before the first."""
        asked = sum(self.asked.values())
        return self.asked[CacheEvent.HIT] / asked if asked else None

    def has_stale(self) -> bool:
        """Whether any value is older than it should be because Vault couldn't be asked; not: because nobody asked."""
        now = self._now()
        return any(one.failed and now >= one.fresh_until for one in list(self._entries.values()))

    def _reads_already(self) -> bool:
        """Whether this thread asks Vault, further down its stack. It waits for nobody then, who may wait for it."""
        me = threading.get_ident()
        return any(one.leader == me and not one.is_over for one in list(self._flights.values()))

    def _under_way(self, key: K) -> _Flight[V] | None:
        """The question, if it is being asked. One that is over may be left, where its end was interrupted."""
        flight = self._flights.get(key)
        return None if flight is None or flight.is_over else flight

    def _lead(
        self, key: K, load: Callable[[], V], fresh_seconds: float | None, *, joins: bool
    ) -> tuple[_Flight[V] | None, V | None]:
        """Ask Vault, while others wait: the question and its answer. None for the question: `joins`, and there is one
        already. None for the answer: the question has the error."""
        flight: _Flight[V] = _Flight()
        known = key in self._entries
        try:
            if not self._board(key, flight, joins=joins):
                return None, None
            flight.value = load()
        except VaultEstateError as error:
            flight.error = error
        finally:
            # Whatever is raised here, as by a signal handler or an observer, nobody may be left waiting.
            try:
                self._land(key, flight, fresh_seconds)
            finally:
                flight.end()
        if flight.value is not None:
            self._count(CacheEvent.REFRESHED if known else CacheEvent.MISS, key)
        return flight, flight.value

    def _board(self, key: K, flight: _Flight[V], *, joins: bool) -> bool:
        with self._lock:
            if joins and self._under_way(key) is not None:
                return False
            self._begun += 1
            flight.number, flight.generation = self._begun, self._generation
            self._flights[key] = flight
            return True

    def _land(self, key: K, flight: _Flight[V], fresh_seconds: float | None) -> None:
        """Keep what was found, unless it was to be forgotten meanwhile, or is older than what is kept."""
        life = self._freshness.fresh_seconds if fresh_seconds is None else fresh_seconds
        life *= self._clock.uniform(*_JITTER)
        with self._lock:
            if self._flights.get(key) is flight:
                self._flights.pop(key, None)
            kept = self._entries.get(key)
            if flight.generation != self._generation or (kept is not None and kept.number > flight.number):
                return
            if flight.value is not None:
                self._store(key, flight.value, life, flight.number)
            elif flight.error is not None:
                self._refuse(key, flight.error)

    def _store(self, key: K, value: V, life: float, number: int) -> None:
        """With the lock."""
        self._entries[key] = _Entry(value, self._now(), life, number)
        self._refusals.pop(key, None)
        if len(self._entries) > self._freshness.entries:
            oldest, _ = min(list(self._entries.items()), key=lambda item: item[1].used)
            self._entries.pop(oldest, None)

    def _refuse(self, key: K, error: Exception) -> None:
        """With the lock."""
        for kind, seconds in _REFUSED_SECONDS:
            if isinstance(error, kind):
                self._entries.pop(key, None)
                if len(self._refusals) >= self._freshness.entries:
                    self._refusals.clear()
                # Without frames, whose variables are tokens.
                self._refusals[key] = (copy(error), self._now() + seconds)

    def _raise_refusal(self, key: K, now: float) -> None:
        refused = self._refusals.get(key)
        if refused is not None and now < refused[1]:
            self._count(CacheEvent.HIT, key)
            raise copy(refused[0]) from None

    def _instead(self, key: K, entry: _Entry[V] | None, error: Exception | None) -> V:
        """A stale value in the place of an error, or the error."""
        if error is None:
            raise AssertionError  # there is a value, or an error
        now = self._now()
        if entry is not None and isinstance(error, VaultUnavailable) and self._may_serve(entry, now, type(error)):
            entry.failed = type(error)
            pause = error.retry_after if isinstance(error, RateLimited) else None
            entry.retry_at = now + max(pause or 0.0, _AFTER_FAILURE_SECONDS)
            return self._served(key, entry, now)
        raise copy(error) from None

    def _may_serve(self, entry: _Entry[V], now: float, failed: type[VaultUnavailable] | None) -> bool:
        if failed is not None and issubclass(failed, VaultUntrusted) and now >= entry.fresh_until + _UNTRUSTED_SECONDS:
            return False
        return now < entry.fresh_until or now < entry.read_at + self._freshness.stale_seconds

    def _may_outlive(self, entry: _Entry[V], now: float) -> bool:
        """Whether nobody has to wait for the one who asks: Vault was away the last time."""
        return entry.failed is not None and self._may_serve(entry, now, entry.failed)

    def _served(self, key: K, entry: _Entry[V], now: float) -> V:
        entry.used = now
        if now < entry.fresh_until:
            self._count(CacheEvent.HIT, key)
            return entry.value
        self._count(CacheEvent.STALE, key)
        return self._mark_stale(entry.value)

    def _count(self, event: CacheEvent, key: K) -> None:
        self.asked[event] += 1
        if self._tell is not None:
            self._tell(event, key)
