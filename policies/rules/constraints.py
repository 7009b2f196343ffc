"""Rules about one input each: what it must be, where it is known. Owns the shape of such a rule's findings.

Refuses to quote a value: it could be a secret in the wrong place. Numbers and what is named in a rule may be shown.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from .rule import Check, Resource

Judge = Callable[[Any], str | None]
"""What is wrong with a known value, as the end of a sentence that begins with the input's name; None: nothing."""

_DURATION = re.compile(r"([0-9]+)([smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}


def inputs(**judges: Judge) -> Check:
    """A check of inputs by their names, each alone."""

    def check(resource: Resource) -> Iterator[str]:
        if not resource.has_inputs:
            return
        for name, judge in judges.items():
            if resource.known(name):
                with resource.remembering():
                    if wrong := judge(resource.get(name)):
                        yield f"{name} {wrong}"

    return check


def given(value: Any) -> str | None:
    """Anything that isn't empty."""
    return None if value else "isn't set"


def off(value: Any) -> str | None:
    """Not given, or false."""
    return "is on" if value else None


def on(value: Any) -> str | None:
    """Given and true."""
    return None if value is True else "is off"


def on_unless_left(value: Any) -> str | None:
    """True, which it is where it isn't given."""
    return "is off" if value is False else None


def one_of(*allowed: str) -> Judge:
    """One of some words."""
    return lambda value: None if value in allowed else f"isn't {' or '.join(allowed)}"


def named(value: Any) -> str | None:
    """A list with entries, none of which stands for everything."""
    entries = list(value or [])
    if not entries:
        return "is empty"
    return "has a wildcard" if any("*" in str(entry) for entry in entries) else None


def https(value: Any) -> str | None:
    """No address, or https ones."""
    texts = [value] if isinstance(value, str) else list(value or [])
    return "isn't https" if any(not str(text).lower().startswith("https://") for text in texts) else None


def within(longest: int, *, shortest: int = 1) -> Judge:
    """A number of seconds, or a duration, that is given and not longer."""

    def judge(value: Any) -> str | None:
        seconds = _seconds(value)
        if seconds is None or seconds < shortest:
            return f"isn't set; expected {shortest} to {longest} s"
        return f"is {seconds} s; expected at most {longest} s" if seconds > longest else None

    return judge


def _seconds(value: Any) -> int | None:
    if isinstance(value, (int, float)):
        return int(value)
    match = _DURATION.fullmatch(str(value or ""))
    return int(match[1]) * _UNITS[match[2]] if match else None
