"""A clock that a test sets: nothing waits, and everything that would have is written down."""

from collections.abc import Callable


class SetClock:
    """As `vault_estate.clock.Clock`. Chance is always what `chance` says, from 0 to 1."""

    def __init__(self, *, chance: float = 1.0) -> None:
        self.time = 1_000.0
        self.chance = chance
        self.slept: list[float] = []
        self.while_sleeping: Callable[[], None] = lambda: None

    def now(self) -> float:
        """As it was set."""
        return self.time

    def wall(self) -> float:
        """A day in 2026, and what has passed since."""
        return 1_790_000_000.0 + self.time

    def sleep(self, seconds: float) -> None:
        """Goes on at once."""
        self.slept.append(seconds)
        self.time += seconds
        self.while_sleeping()

    def uniform(self, low: float, high: float) -> float:
        """Between the two, as `chance` says."""
        return low + (high - low) * self.chance

    def advance(self, seconds: float) -> None:
        """Time passes."""
        self.time += seconds
