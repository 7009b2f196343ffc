"""Files that a migration writes: whole or not at all, and closed to others.

Owns how one is replaced. Refuses to follow a link, to replace a file that has another name, and to change whose it is.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from vault_estate.errors import ConfigurationError

PRIVATE = 0o600


def replace(path: Path, content: bytes, *, like: os.stat_result | None = None, mode: int = PRIVATE) -> None:
    """Put a file in the place of another, synced; with the mode and the owner of `like`, or with `mode`.
    Raises OSError, and then the old one is still there."""
    # One name, so that what a killed run left there, which may be values, is gone with the next.
    beside = path.with_name(f".{path.name.removeprefix('.')}.migrating")
    beside.unlink(missing_ok=True)
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
        with os.fdopen(descriptor, "wb") as stream:
            if like is not None and (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, like.st_uid, like.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(like.st_mode) if like is not None else mode)
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
        beside.replace(path)
    except BaseException as error:
        with suppress(OSError):
            beside.unlink()
        if isinstance(error, OSError):
            error.filename = str(path)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder outlive a power cut. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path, most: int) -> tuple[bytes, os.stat_result]:
    """What a file holds, and what it is.
    Raises ConfigurationError: it can't be read, is a link, has two names, or is larger than `most` bytes."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        words = "it is a link" if path.is_symlink() else error.strerror
        raise ConfigurationError(f"{path} can't be read ({words}); expected the file itself") from None
    with os.fdopen(descriptor, "rb") as stream:
        about = os.fstat(stream.fileno())
        if not stat.S_ISREG(about.st_mode) or about.st_nlink > 1:
            raise ConfigurationError(f"{path} is no file of one name; expected one, which can be replaced as a whole")
        content = stream.read(most + 1)
    if len(content) > most:
        raise ConfigurationError(f"{path} is larger than {most} bytes; expected at most so many")
    return content, about
