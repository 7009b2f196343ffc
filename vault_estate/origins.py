"""Where each value of a secret came from and who wrote each version: noted beside the secret, in its `custom_metadata`.

Owns the form of such notes: one by the name of each value, and one of the last writers. Refuses to trust the former
where they are older than the newest version: whoever wrote that, an application or another client, noted nothing.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Origin = Literal["generated", "given"]

WRITERS = "written by"
"""The note of who wrote which version. No value can be called so: names of values have no spaces."""
UP = "up"
"""Who gave what an `up` of the estate chose."""
LONGEST = 512
"""Characters of one note (KV version 2, `custom_metadata`)."""
_NOTE = re.compile(r"(?P<origin>generated|given) (?P<time>\S+) version (?P<version>[0-9]+) by (?P<who>.+)")
_WRITER = re.compile(r"([0-9]+) ([^,]+)")
_LONGEST_NAME = 100
_SOMEBODY = "another client"
"""Who wrote a value that is there and that nobody noted."""


@dataclass(frozen=True, kw_only=True)
class Note:
    """One value's origin."""

    origin: Origin
    time: str
    """UTC."""
    version: int
    """The first version that holds the value."""
    who: str

    def __str__(self) -> str:
        return f"{self.origin} {self.time} version {self.version} by {self.who}"


@dataclass(frozen=True)
class Notes:
    """What is noted beside one secret."""

    values: Mapping[str, Note] = field(default_factory=dict)
    """By the name of the value; empty where the newest version was written without notes."""
    writers: Mapping[int, str] = field(default_factory=dict)
    """By version, of the last ones."""


def read(metadata: Mapping[str, Any], newest: int | None = None) -> Notes:
    """The notes of a secret whose metadata these are, as they held for its version `newest`; None: for the newest."""
    held: Mapping[str, str] = metadata.get("custom_metadata") or {}
    values = {
        key: Note(
            origin="generated" if match["origin"] == "generated" else "given",
            time=match["time"],
            version=int(match["version"]),
            who=match["who"],
        )
        for key, text in held.items()
        if (match := _NOTE.fullmatch(text))
    }
    writers = {int(version): who for version, who in _WRITER.findall(held.get(WRITERS, ""))}
    trusted = max(writers, default=0) == (metadata.get("current_version") if newest is None else newest)
    return Notes(values if trusted else {}, writers)


def noted(
    metadata: Mapping[str, Any],
    written: Mapping[str, Origin],
    held: Collection[str],
    *,
    version: int,
    who: str,
    at: datetime | None = None,
) -> Mapping[str, str | None]:
    """How `custom_metadata` is to be patched when a version has been written.

    `metadata` are the newest, `written` the values that this version brought, and `held` all that it has. Where
    whoever wrote the next version noted theirs first, what they couldn't know is added to it. `at` is when that was;
    without it, now, by this machine's clock.
    """
    name = who.replace(",", " ")[:_LONGEST_NAME]
    time = (at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
    old = read(metadata, version - 1)
    writers = _in_one_note({**old.writers, version: name})
    notes = {key: str(Note(origin=origin, time=time, version=version, who=name)) for key, origin in written.items()}
    later = max(old.writers, default=0)
    if later > version:
        newer = read(metadata, later).values
        unknown = [key for key in notes if key in newer and newer[key].who == _SOMEBODY]
        return {**{key: notes[key] for key in unknown}, WRITERS: writers}
    unnoted = [key for key in held if key not in notes and key not in old.values]
    notes |= {key: str(Note(origin="given", time=time, version=version, who=_SOMEBODY)) for key in unnoted}
    custom: Mapping[str, str] = metadata.get("custom_metadata") or {}
    gone = [key for key, text in custom.items() if key not in held and _NOTE.fullmatch(text)]
    return {**notes, **dict.fromkeys(gone), WRITERS: writers}


def _in_one_note(writers: Mapping[int, str]) -> str:
    """As many of the last ones as there is room for."""
    listed = [f"{number} {writer}" for number, writer in sorted(writers.items())]
    while len(", ".join(listed)) > LONGEST:
        del listed[0]
    return ", ".join(listed)
