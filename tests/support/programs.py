"""Programs that the engine runs inside of a test."""

import gc
import inspect
from contextlib import suppress


def close_failed_programs() -> None:
    """End the coroutines of inline programs that failed: the SDK leaves them open, and they complain at exit."""
    for thing in gc.get_objects():
        if inspect.iscoroutine(thing) and thing.__name__ == "run_in_stack":
            with suppress(RuntimeError):
                thing.close()
