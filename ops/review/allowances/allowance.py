"""One thing that a commit allows, and what two commits allow compared.

Owns the comparison. Refuses lifetimes: how long something is good for lets nobody else in.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ops.review.declaring import Resource


@dataclass(frozen=True, kw_only=True, order=True)
class Allowance:
    """One thing that somebody or something may."""

    who: str
    """A login, a role, a key, in the words that a person knows it by."""
    what: str
    """What it takes, may or allows, beginning with the verb."""
    within: str = ""
    """What of the same `who` allows this, too; empty: nothing else does."""

    def __str__(self) -> str:
        return f"{self.who} {self.what}"


def gained(before: Iterable[Allowance], after: Iterable[Allowance], *, new: bool = True) -> Iterator[Allowance]:
    """What only the later commit allows. Not `new`: only of those that the earlier one has, too."""
    was = {(one.who, one.what) for one in before}
    there = {who for who, _ in was}
    for one in sorted(set(after)):
        if (one.who, one.what) not in was and (one.who, one.within) not in was and (new or one.who in there):
            yield one


def called(resource: Resource, name: str = "name") -> str:
    """The name that an input gives it; without one its own in the program."""
    return told(resource.inputs.get(name) or resource.name)


def names(value: object) -> tuple[str, ...]:
    """The entries of a list, or of a text with commas between them, each as text."""
    if value is None:
        return ()
    entries = value if isinstance(value, list) else str(value).split(",") if isinstance(value, str) else [value]
    return tuple(dict.fromkeys(told(one).strip() for one in entries if one not in (None, "")))


def told(value: object) -> str:
    """A value on one line; a secret or what only a server knows without it."""
    match value:
        case {"secret": _}:
            return "(secret)"
        case {"unknown": _}:
            return "(known after up)"
        case bool():
            return str(value).lower()
        case _:
            return " ".join(str(value).split())
