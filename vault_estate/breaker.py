"""Not asking again for a while what didn't answer, so that an application whose Vault is away isn't slow as well.

Owns the count of failures. Refuses to hold back what a server refuses quickly: only silence counts.
"""

import threading

from vault_estate.clock import Clock

FAILURES = 3
FIRST_SECONDS, LONGEST_SECONDS = 1.0, 30.0


class Breaker:
    """Open after three failures in a row, for a second, then for twice as long, up to 30. One request then tries."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()  # a signal handler may ask Vault in the midst of this
        self._failures = 0
        self._open_until = 0.0
        self._probing_until = 0.0

    def wait(self, longest: float) -> float:
        """Seconds for which nothing is to be asked; 0: ask, and say `succeeded` or `failed` after it. While one tries,
        which takes at most `longest` seconds, others wait."""
        if self._failures < FAILURES:
            return 0.0
        with self._lock:
            now = self._clock.now()
            left = max(self._open_until, self._probing_until) - now
            if left > 0 and self._failures >= FAILURES:
                return left
            self._probing_until = now + longest
            return 0.0

    def succeeded(self) -> None:
        """There was an answer, whichever."""
        if self._failures:
            with self._lock:
                self._failures, self._open_until, self._probing_until = 0, 0.0, 0.0

    def failed(self) -> None:
        """There was none."""
        with self._lock:
            self._failures += 1
            self._probing_until = 0.0
            if self._failures >= FAILURES:
                doublings = min(self._failures - FAILURES, 10)
                self._open_until = self._clock.now() + min(FIRST_SECONDS * 2**doublings, LONGEST_SECONDS)
