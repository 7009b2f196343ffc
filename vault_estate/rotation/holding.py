"""Holding a run while a program of somebody else's takes its time.

Owns how long a run is one process', that it is held on to meanwhile, and how long a program is waited for. Refuses to
wait for ever: a program that hangs fails its run, and keeps no other secret from being rotated. Refuses to let a
program end the process: what it raises, `SystemExit` too, is handed back.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Generic, TypeVar

from vault_estate.errors import RotationInProgress, VaultEstateError

HELD_SECONDS = 120
"""How long a run is a process' after its last step: longer than all requests between two steps take."""
BEAT_SECONDS = 30.0
"""How often it is held on to while a program is called."""
LONGEST_SECONDS = 900.0
"""How long a program may take before the run is given up to others."""
LEFT_SECONDS = 5.0
"""How long a program is waited for when a signal has ended the process that called it."""

Given = TypeVar("Given")


class CalledProgram(Generic[Given]):
    """One call of a program, in a thread of its own: so that one which hangs, or ends its thread, ends nothing else."""

    def __init__(self, act: Callable[[], Given]) -> None:
        """Nothing is begun yet: whoever is interrupted while it begins has it in hand."""
        self.given: Given | None = None
        self.raised: BaseException | None = None
        self._act = act
        # Not the thread's own `join`: a signal that is raised in there has Python 3.11 take the thread for ended.
        self._ended = threading.Event()

    def begin(self) -> None:
        """Call it."""
        run = copy_context().run
        threading.Thread(target=run, args=(self._run,), name="vault-estate-rotator", daemon=True).start()

    def has_ended_within(self, seconds: float) -> bool:
        """Wait so long at most; whether it has ended."""
        return self._ended.wait(seconds)

    def _run(self) -> None:
        try:
            self.given = self._act()
        except BaseException as error:  # noqa: BLE001 - it is a program of somebody else's, and told to who called it
            self.raised = error
        finally:
            self._ended.set()


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
