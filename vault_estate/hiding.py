"""No value is left in a traceback: the variables of the library's frames go before an error leaves it.

Trackers of errors, `pytest -l` and debuggers show each frame's variables, and this library's are tokens, credentials,
values, and headers of requests. Owns the one way to take them out. Refuses to take out more: the lines and the names of
functions stay, and so do the frames of whoever called.
"""

import sys
import traceback
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def hides_values(call: Callable[P, T]) -> Callable[P, T]:
    """A function whose errors have frames without variables, whichever they are: a signal handler's, too."""

    @wraps(call)
    def hiding(*args: P.args, **kwargs: P.kwargs) -> T:
        handled = sys.exception()
        try:
            return call(*args, **kwargs)
        except BaseException as error:
            _empty(error, handled)
            del args, kwargs, handled
            raise

    return hiding


def hides_awaited_values(call: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """The same for a function that is awaited."""

    @wraps(call)
    async def hiding(*args: P.args, **kwargs: P.kwargs) -> T:
        handled = sys.exception()
        try:
            return await call(*args, **kwargs)
        except BaseException as error:
            _empty(error, handled)
            del args, kwargs, handled
            raise

    return hiding


def _empty(error: BaseException, handled: BaseException | None) -> None:
    """Empty the frames of an error and of those that led to it, but for the one that its caller was handling."""
    seen: set[int] = {id(handled)} - {id(error)}
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        traceback.clear_frames(one.__traceback__)
        left += [one.__cause__, one.__context__]
