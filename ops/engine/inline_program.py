"""A stack's program, run in this process, that ends when its engine does.

Refuses to let one operation's broken connection, or its waiting program, reach the next one.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pulumi.runtime import _grpc_settings

_END_SECONDS = 10.0
"""How long a program may take to end after it was told to; its calls to an engine that is gone fail at once."""
_IDLE_SECONDS = 0.2
"""After how long without work a program's event loop is one that its thread has left."""

# Connections of one process to the same port share one state, and engines of one process may get the same port one
# after the other: a program whose engine was gone would then make a later operation's first call fail.
_grpc_settings._GRPC_CHANNEL_OPTIONS.append(("grpc.use_local_subchannel_pool", 1))


@dataclass
class InlineProgram:
    """A program that the Automation API runs in a thread of this process."""

    program: Callable[[], None]
    _tasks: list[asyncio.Task[Any]] = field(default_factory=list, init=False)

    def __call__(self) -> None:
        """Declare the resources."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a stack's program runs outside of the SDK; expected an operation of the Automation API")
        self._tasks.append(task)
        self.program()

    def end(self) -> None:
        """End what still runs after failed operations.

        An SDK whose engine is gone can't say that a call failed, and then waits for that call's outputs for ever: this
        process would never end.

        Raises:
            TimeoutError: it didn't end.
        """
        while self._tasks:
            _end(self._tasks.pop())


def _end(task: asyncio.Task[Any]) -> None:
    loop = task.get_loop()
    limit = time.monotonic() + _END_SECONDS
    idle_since = math.inf
    while not loop.is_closed():
        now = time.monotonic()
        if now > limit:
            raise TimeoutError("the stack's program still runs; expected it to end with its engine")
        if loop.is_running():
            loop.call_soon_threadsafe(task.cancel)
            idle_since = math.inf
        else:
            idle_since = min(idle_since, now)
        # Between two tasks that it ends the SDK's thread leaves the loop for a moment.
        if now - idle_since < _IDLE_SECONDS:
            time.sleep(0.01)
            continue
        # The SDK's own stops the loop at a call's failure, and there are more to come.
        loop.set_exception_handler(lambda *_: None)
        left = asyncio.all_tasks(loop)
        for one in left:
            one.cancel()
        # It was stopped for a failure that came late, or the SDK's thread is back: both need another look.
        with contextlib.suppress(RuntimeError):
            if left:
                loop.run_until_complete(asyncio.wait(left))
            loop.close()
