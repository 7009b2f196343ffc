"""Time and chance, as everything here takes them: tests and simulations set their own."""

import random
import time
from typing import Protocol


class Clock(Protocol):
    """What is needed of time and of chance."""

    def now(self) -> float:
        """Seconds that never go back; their start means nothing."""

    def wall(self) -> float:
        """Seconds since 1970, as this machine has them."""

    def sleep(self, seconds: float) -> None:
        """Wait."""

    def uniform(self, low: float, high: float) -> float:
        """Any number between two."""


class SystemClock:
    """This machine's."""

    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
    sleep = staticmethod(time.sleep)
    uniform = staticmethod(random.uniform)
