"""What happens in a client, for whoever wants to know: metrics, traces, a log of one's own.

Owns the events and how they are told. Refuses to let an observer break a read: what it raises is swallowed and counted.
Refuses, too, to tell an observer of what it asks of the client itself, or there would be no end of it. No event holds a
value, a token, or the text of an error.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

_LOG = logging.getLogger("vault_estate")


class EventKind(Enum):
    """What happened."""

    CACHE_HIT = "cache_hit"
    CACHE_MISS = "cache_miss"
    SECRET_REFRESHED = "secret_refreshed"  # noqa: S105 - an event
    SECRET_STALE = "secret_stale"  # noqa: S105 - an event
    OPERATION = "operation"
    """A request to Vault ended, well or not."""
    LOGIN = "login"
    TOKEN_RENEWED = "token_renewed"  # noqa: S105 - an event
    TOKEN_LOST = "token_lost"  # noqa: S105 - an event
    TOKEN_REVOKED = "token_revoked"  # noqa: S105 - an event
    """By the client, which is closed."""
    LEASE_CREATED = "lease_created"
    LEASE_RENEWED = "lease_renewed"
    LEASE_REPLACED = "lease_replaced"
    LEASE_LOST = "lease_lost"
    """It has ended, and no other could be had yet."""
    LEASE_RELEASED = "lease_released"
    """Nobody needs it any more; it ends by itself."""
    ROTATION = "rotation"
    """A run to replace a secret's values has come to its end for now, well or not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One of them. What doesn't apply is empty."""

    kind: EventKind
    operation: str = ""
    """`read`, `login`, `renew`, `issue`, `encrypt`, `decrypt`, `rewrap`, `rotate`."""
    secret_type: str = ""
    """`kv`, `database`, `pki`, `transit` or `auth`."""
    name: str = ""
    """As the application calls it."""
    seconds: float = 0.0
    """How long it took."""
    ttl_seconds: float = 0.0
    """How long what was got is good for."""
    error: str = ""
    """The class of what went wrong."""


class Observer(Protocol):
    """Is told of each event, at once and in the thread that it happens in; it shouldn't wait for anything. It may ask
    the client; of that nobody is told."""

    def __call__(self, event: Event, /) -> None:
        """Take note."""


class Notifier:
    """Tells all observers."""

    def __init__(self, observers: Sequence[Observer] = ()) -> None:
        self._observers = tuple(observers)
        self._here = threading.local()
        self.failures = 0
        """How often one of them raised."""

    def __bool__(self) -> bool:
        return bool(self._observers)

    def tell(self, event: Event) -> None:
        """Each of them, whatever another one raises; SystemExit and KeyboardInterrupt go on to whoever asked."""
        if getattr(self._here, "is_telling", False):
            return
        self._here.is_telling = True
        try:
            for observer in self._observers:
                self._tell(observer, event)
        finally:
            self._here.is_telling = False

    def _tell(self, observer: Observer, event: Event) -> None:
        try:
            observer(event)
        except Exception as error:  # noqa: BLE001 - a fault of metrics must not fail a read
            self.failures += 1
            if self.failures == 1:
                _LOG.warning("an observer raised %s; further ones are only counted", type(error).__name__)
