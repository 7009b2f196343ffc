"""Holding a run while a program of somebody else's takes its time.

Owns how long a run is one process', and that it is held on to meanwhile. Refuses to hold on for ever: a program that
hangs loses the run to whoever comes next.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vault_estate.errors import RotationInProgress, VaultEstateError

HELD_SECONDS = 120
"""How long a run is a process' after its last step: longer than all requests between two steps take."""
BEAT_SECONDS = 30.0
"""How often it is held on to while a program is called."""
LONGEST_SECONDS = 900.0
"""How long a program may take before the run is given up to others."""


@contextmanager
def held(renew: Callable[[], None]) -> Iterator[None]:
    """Call `renew` from time to time, in another thread, until this ends. It is not being called after that."""
    ended = threading.Event()
    thread = threading.Thread(target=hold_on, args=(renew, ended.wait), name="vault-estate-rotation", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def hold_on(renew: Callable[[], None], ends_within: Callable[[float], bool]) -> None:
    """What that thread does. `ends_within` waits so many seconds, and tells whether there is an end."""
    for _ in range(int(LONGEST_SECONDS / BEAT_SECONDS)):
        if ends_within(BEAT_SECONDS):
            return
        try:
            renew()
        except RotationInProgress:
            return  # it was overtaken, as its own next step will find
        except VaultEstateError:
            continue  # Vault may be back before the run is anybody's
