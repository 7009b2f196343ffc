"""Time and chance, as everything here takes them: tests and simulations set their own."""

import random
import time
from collections.abc import Callable
from functools import partial
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


def _goes_on() -> Callable[[], float]:
    """A clock that counts a sleep of the machine, too: Vault's tokens and leases end meanwhile."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return time.monotonic
    counting = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    try:
        counting()
    except OSError:  # a kernel, or what stands for one, that hasn't it
        return time.monotonic
    return counting


class SystemClock:
    """This machine's."""

    now = staticmethod(_goes_on())
    wall = staticmethod(time.time)
    sleep = staticmethod(time.sleep)
    uniform = staticmethod(random.uniform)
