"""Stopping an engine in an orderly way when the operator interrupts the command.

Owns the signal handlers while an engine runs. Refuses to end the command at once: the engine needs its providers to
finish the steps under way and to record them.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import psutil

from ops.console import Steps
from ops.errors import InterruptedRunError

_ENGINE = "pulumi"
_AGAIN_SECONDS = 2.0
_WAITING = "pulumi.dynamic"
"""The module behind what waits for a server, for minutes if it must. It makes nothing that could be lost."""


@contextmanager
def patience(steps: Steps) -> Iterator[None]:
    """While the block runs, pass an interrupt on to the engine and wait for it.
    Raises InterruptedRunError: there was an interrupt; whatever the block raised is then beside the point."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    ended = threading.Event()

    def stop(number: int, _: FrameType | None) -> None:
        if not received:
            threading.Thread(target=_keep_ending, args=(ended,), daemon=True).start()
        received.append(number)
        steps.step("interrupted: waiting for the steps under way, so that nothing is lost", finished=False)
        # A terminal has told the whole process group already; a second signal would make the engine drop everything.
        told = number == signal.SIGINT and sys.stdin.isatty()
        for child in psutil.Process().children():
            with suppress(psutil.Error):  # it may just have ended
                if child.name() == _ENGINE and not told:
                    child.send_signal(signal.SIGINT)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        ended.set()
        for number, handler in before.items():
            signal.signal(number, handler)
        if received:
            raise InterruptedRunError("interrupted; what was done is recorded. The same command goes on from there")


def _keep_ending(ended: threading.Event) -> None:
    """End what only waits: the engine would wait for it, and passes no interrupt on to it. Again and again, since a
    step that was under way may begin to wait only now."""
    while True:
        for helper in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):  # each by itself: one that just ended must not spare the others
                if _WAITING in helper.cmdline():
                    helper.send_signal(signal.SIGINT)
        if ended.wait(_AGAIN_SECONDS):
            return
