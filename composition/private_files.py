"""Private files and directories. Standard library only: the supervisor uses it too.

Owns how a file comes to be 0600 and whole: written beside its place, synced, renamed. Refuses to follow a link.
"""

import os
import secrets
from pathlib import Path


def private_directory(directory: Path) -> Path:
    """Make the directory and its parents if needed, and close it to everyone else (0700). Raises OSError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.stat().st_mode & 0o077:
        directory.chmod(0o700)
    return directory


def write_private(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace the file's content atomically; closed to others unless another mode is given. Raises OSError, and then
    the old content is still there."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(descriptor, mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        error.filename = error.filename or str(path)  # a failed write doesn't name its file
        raise


def create_private(path: Path, content: bytes) -> bool:
    """Write the file only if it isn't there; True if this call made it. Raises OSError."""
    if path.exists():
        return False
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    write_private(beside, content)
    try:
        os.link(beside, path)  # unlike a rename, a link never replaces
    except FileExistsError:
        return False
    finally:
        beside.unlink(missing_ok=True)
    return True
