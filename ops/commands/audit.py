"""Who read, changed or was denied what: a stack's audit log, where it is on this machine or given as a file."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import nlargest
from pathlib import Path

from components.model import seconds
from ops import stack_file
from ops.errors import EstateError
from ops.paths import Paths
from ops.platforms.registry import platform_of
from ops.vault import audit_log
from ops.vault.audit_log import LoggedRequest, Unread, Wanted


@dataclass(frozen=True, kw_only=True)
class AuditAnswer:
    """What the log tells."""

    entries: Sequence[LoggedRequest]
    """The newest of those that were asked for, in order of time."""
    more: int
    """Older ones that were asked for, too."""
    unread: int
    """Lines that are no entries, such as one that was cut off."""


def look(paths: Paths, stack: str, files: Sequence[Path], wanted: Wanted, most: int) -> AuditAnswer:
    """Look for entries in a stack's own log, or in files; `-` is standard input.
    Raises EstateError: there is no log here, or one can't be read."""
    unread = Unread()
    taken = [one for one in audit_log.entries(_lines(paths, stack, files), unread) if wanted.takes(one)]
    if unread.count and not unread.entries:
        raise EstateError(f"none of {unread.count} lines is an entry of an audit log; expected one, as Vault writes it")
    newest = sorted(nlargest(most, taken, key=lambda one: one.time), key=lambda one: one.time)
    return AuditAnswer(entries=newest, more=len(taken) - len(newest), unread=unread.count)


def moment(option: str, text: str | None) -> datetime | None:
    """A time, or how long ago. Raises EstateError: it is neither."""
    if text is None:
        return None
    try:
        return datetime.now(UTC) - timedelta(seconds=int(str(seconds(text))))
    except (ValueError, OverflowError):
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise EstateError(
            f"{option} is {text!r}; expected a duration such as 24h, or a time: 2026-11-26T08:00"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _lines(paths: Paths, stack: str, files: Sequence[Path]) -> Iterable[str]:
    if [str(file) for file in files] == ["-"]:
        return sys.stdin
    if not files:
        log = platform_of(paths, stack_file.read(paths, stack), sandbox=False).audit_log
        if log is None:
            raise EstateError(f"stack {stack!r} keeps its audit log on its node; expected --file, such as - for stdin")
        files = audit_log.rotated(log)
        if not files:
            raise EstateError(f"{log} is not there; expected the log of a stack that was built")
    for file in files:
        if not file.is_file():
            raise EstateError(f"--file is {str(file)!r}; expected a file, or - for standard input")
    return audit_log.lines(files)
