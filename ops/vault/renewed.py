"""When a stack's key shares were last renewed from this checkout: a snapshot from before has the old ones in it.

Owns one file with that time.
"""

from datetime import UTC, datetime
from pathlib import Path

from composition.private_files import private_directory, write_private
from ops.paths import Paths


def note(paths: Paths, stack: str) -> None:
    """Write down that they were renewed now."""
    file = _file(paths, stack)
    private_directory(file.parent)
    write_private(file, datetime.now(UTC).isoformat().encode())


def last(paths: Paths, stack: str) -> datetime | None:
    """When that was; None: never, or from another checkout."""
    file = _file(paths, stack)
    return datetime.fromisoformat(file.read_text(encoding="ascii")) if file.is_file() else None


def _file(paths: Paths, stack: str) -> Path:
    return paths.own / stack / "shares-renewed"
