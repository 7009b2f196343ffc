"""Where snapshots are kept, as the operator reaches it: the settings' bucket, or their folder.

Owns reading a snapshot back. Refuses any place but the settings' own: a key is looked up there, never followed.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from components.payloads import snapshot
from components.payloads.snapshot import BLOCK_BYTES, Store
from components.render.snapshots import Bucket, Snapshots
from composition.private_files import private_directory
from ops.errors import EstateError
from ops.paths import Paths
from ops.stack_file import StackFile


class Readable(Store, Protocol):
    """A store from which snapshots come back."""

    def fetch(self, key: str, file: Path) -> None:
        """A whole object, into a file."""


class BucketStore(snapshot.ObjectStore):
    """The node's bucket, with the operator's own credential: a profile's, or the one boto3 finds, such as
    AWS_ACCESS_KEY_ID."""

    def __init__(self, name: str, endpoint: str, region: str, profile: str | None = None, **session: str) -> None:
        """Raises LookupError for a profile that isn't there."""
        # It costs every other command 10 MB and 40 ms. The wheel ships no types.
        import boto3  # type: ignore[import-untyped]  # noqa: PLC0415
        from botocore.exceptions import ProfileNotFound  # type: ignore[import-untyped]  # noqa: PLC0415

        try:
            # The session that boto3 makes clients with. A profile that is named comes before the environment.
            boto3.setup_default_session(profile_name=profile)
        except ProfileNotFound:
            raise LookupError(profile) from None
        super().__init__(name, endpoint, region, **session)

    def fetch(self, key: str, file: Path) -> None:
        """A whole object, into a file."""
        with file.open("wb") as out:
            shutil.copyfileobj(self.ask("get_object", Key=key)["Body"], out, BLOCK_BYTES)


@dataclass(frozen=True)
class FolderStore:
    """A folder of this machine. Every file is 0600 and comes into place whole."""

    directory: Path

    def put(self, key: str, file: Path, sha256: str) -> None:
        """Copy a file in; what was there under this key is replaced."""
        place = self._place(key)
        private_directory(place.parent)
        beside = place.with_name(f".{place.name}.new")
        shutil.copyfile(file, beside)
        beside.chmod(0o600)
        if snapshot.sha256_of(beside) != sha256:
            beside.unlink()
            msg = f"{place} could not be written as it was sent; expected a disk that keeps what it is given"
            raise EstateError(msg)
        beside.replace(place)

    def look(self, key: str) -> tuple[int, str]:
        """What is there."""
        place = self._place(key)
        return (place.stat().st_size, snapshot.sha256_of(place)) if place.is_file() else (-1, "")

    def read(self, key: str) -> bytes:
        """A small object."""
        return self._place(key).read_bytes()

    def fetch(self, key: str, file: Path) -> None:
        """A whole object, into a file."""
        shutil.copyfile(self._place(key), file)

    def names(self, prefix: str) -> list[str]:
        """Every key that begins so."""
        files = (one for one in self.directory.rglob("*") if one.is_file() and not one.name.startswith("."))
        return sorted(key for one in files if (key := one.relative_to(self.directory).as_posix()).startswith(prefix))

    def remove(self, key: str) -> None:
        """Remove it."""
        self._place(key).unlink(missing_ok=True)

    def _place(self, key: str) -> Path:
        place = self.directory / key
        if not place.resolve().is_relative_to(self.directory.resolve()):
            msg = f"snapshot {key!r} is outside of {self.directory}; expected a key that `./estate snapshot` told"
            raise EstateError(msg)
        return place


def wanted(file: StackFile) -> Snapshots:
    """The section of the stack's settings. Raises EstateError if there is none."""
    if file.settings.snapshots is None:
        msg = f"{file.path.name} has no section snapshots; expected one: where snapshots go, and who can read them"
        raise EstateError(msg)
    return file.settings.snapshots


def store_of(paths: Paths, file: StackFile) -> Readable:
    """The store that a stack's section of snapshots names. Raises EstateError without one, or for a profile that isn't
    there."""
    store = wanted(file).store
    if isinstance(store, Bucket):
        try:
            return BucketStore(store.name, store.endpoint, store.region, store.profile)
        except LookupError:
            setting = file.named("snapshots.store.profile")
            msg = f"{setting} is {store.profile!r}; expected a profile of AWS' files on this machine"
            raise EstateError(msg) from None
    return FolderStore(paths.project / store.path)
