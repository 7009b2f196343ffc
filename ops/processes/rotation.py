"""Keeping log files small. Standard library only: the supervisor uses it too.

Owns two ways: *copy*, for a file whose writer holds it open for appending and can't be told to reopen it, and *rename*,
for a file whose writer reopens it when told (the audit log: no line may be lost between copying and truncating).
"""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True, kw_only=True)
class RotatedLog:
    """One log file and how it is kept small."""

    path: Path
    max_bytes: int
    """Size at which it is rotated."""
    keep: int
    """Number of old files kept, `path.1` being the newest."""
    by_rename: bool = False
    """True if the writer reopens the file when told to."""
    max_age_seconds: int = 0
    """How old an old file may become; 0: any age."""

    @property
    def oldest(self) -> Path:
        """The one that goes with the next rotation, where there are so many."""
        return _numbered(self.path, self.keep)


def expire(log: RotatedLog) -> None:
    """Remove the old files that are too old. Raises OSError."""
    for number in range(1, log.keep + 1) if log.max_age_seconds else ():
        older = _numbered(log.path, number)
        if older.exists() and older.stat().st_mtime < time.time() - log.max_age_seconds:
            older.unlink()


def rotate(log: RotatedLog) -> bool:
    """Rotate the log if it has grown too large; True if it was. Raises OSError, and then no line is lost."""
    try:
        if log.path.stat().st_size < log.max_bytes:
            return False
    except FileNotFoundError:
        return False
    for number in range(log.keep, 1, -1):
        older = _numbered(log.path, number - 1)
        if older.exists():
            older.replace(_numbered(log.path, number))
    newest = _numbered(log.path, 1)
    if log.by_rename:
        log.path.replace(newest)
        return True
    with log.path.open("rb") as source, _create(newest) as target:
        shutil.copyfileobj(source, target)
        os.truncate(log.path, 0)
    return True


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _create(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb")
