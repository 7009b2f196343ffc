"""Time as a test sets it.

Owns what `clock.advance` does. Refuses to wait.
"""

import time
from collections.abc import Callable

_STEP_SECONDS = 60.0
"""How often what is due is looked at while time is advanced, as a client's own thread does."""


class FakeClock:
    """A fake, as `vault_estate.clock.Clock`: it stands still until it is advanced. Chance always gives its highest."""

    def __init__(self) -> None:
        self._passed = 0.0
        self.while_advancing: Callable[[], bool] = lambda: False
        """Looks at what is due; whether there is something that wants to be looked at each minute."""

    def now(self) -> float:
        """A start that means nothing, and what has passed since."""
        return 1_000.0 + self._passed

    def wall(self) -> float:
        """The same from a day in 2026."""
        return 1_790_000_000.0 + self._passed

    def sleep(self, seconds: float) -> None:
        """Time passes, and nobody waits."""
        self._passed += seconds

    def uniform(self, low: float, high: float) -> float:  # noqa: ARG002 - as the protocol has it
        """The higher one."""
        return high

    def advance(self, seconds: float) -> None:
        """Let time pass; leases are renewed and replaced meanwhile, as they would be. Raises ValueError: backwards."""
        if seconds < 0:
            msg = f"seconds is {seconds}; expected 0 or more"
            raise ValueError(msg)
        end = self._passed + seconds
        while self._passed < end and self.while_advancing():
            self._passed = min(self._passed + _STEP_SECONDS, end)
        self._passed = end
        self.while_advancing()


class AheadClock(FakeClock):
    """This machine's clock for a client of a real server, ahead by what it was advanced. The server's isn't."""

    def now(self) -> float:
        """What has passed here, and what it was advanced by."""
        return time.monotonic() + self._passed

    def wall(self) -> float:
        """The same since 1970."""
        return time.time() + self._passed

    def sleep(self, seconds: float) -> None:
        """Wait, since the server needs the time. No test should have to."""
        time.sleep(seconds)
