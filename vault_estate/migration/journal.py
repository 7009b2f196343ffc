"""The journal of a migration: what is about to be done and what is done, a JSON object a line, synced line by line.

Owns its form and the reading of one that was cut off. Refuses a damaged line that isn't the last, a journal of another
`.env` or application, and to be written by two processes at once. No value is in it: a digest tells whether a version
holds what was written.
"""

import fcntl
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from vault_estate.errors import ConfigurationError
from vault_estate.migration import files
from vault_estate.migration.plans import MigrationRecord

FILE = "journal.jsonl"


class JournalBegun(MigrationRecord):
    """Whose journal it is: the first line."""

    event: Literal["begun"] = "begun"
    at: str
    application: str
    environment: str
    env_file: str
    salt: str


class WriteIntended(MigrationRecord):
    """A version is about to be written."""

    event: Literal["intended"] = "intended"
    at: str
    by: str
    secret: str
    path: str
    """With the mount."""
    seen: int
    """The version before."""
    digest: str
    brought: Sequence[str]
    """Keys whose values are new in it."""
    variables: Mapping[str, str]
    """The key of each that it has."""


class ValuesHeld(MigrationRecord):
    """A version holds what variables are."""

    event: Literal["held"] = "held"
    at: str
    secret: str
    path: str
    version: int
    digest: str
    variables: Mapping[str, str]
    """The key of each."""


class ValuesVerified(MigrationRecord):
    """The application's own login read the same values."""

    event: Literal["verified"] = "verified"
    at: str
    env_digest: str
    variables: Mapping[str, int]
    """The version of each."""


class LinesRedacted(MigrationRecord):
    """Variables are commented out in `.env`."""

    event: Literal["redacted"] = "redacted"
    at: str
    variables: Sequence[str]


class LinesRebuilt(MigrationRecord):
    """Variables are in `.env` again."""

    event: Literal["rebuilt"] = "rebuilt"
    at: str
    variables: Sequence[str]


JournalRecord = JournalBegun | WriteIntended | ValuesHeld | ValuesVerified | LinesRedacted | LinesRebuilt
_RECORD: TypeAdapter[JournalRecord] = TypeAdapter(Annotated[JournalRecord, Field(discriminator="event")])


def now() -> str:
    """UTC, as journals have it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def load(folder: Path) -> Sequence[JournalRecord]:
    """What a journal says; empty: there is none. Raises ConfigurationError: it is damaged."""
    file = folder / FILE
    if not file.exists():
        return ()
    content, _ = files.read(file, 67_108_864)
    return _parsed(content, file)[0]


def _parsed(content: bytes, file: Path) -> tuple[list[JournalRecord], int]:
    """The records, and the bytes that are whole lines: what follows was cut off."""
    whole = content.rfind(b"\n") + 1
    found = []
    for number, line in enumerate(content[:whole].splitlines(), 1):
        try:
            found.append(_RECORD.validate_json(line))
        except ValidationError:
            raise ConfigurationError(
                f"{file}, line {number}, is damaged; expected a journal as it was written"
            ) from None
    if found and not isinstance(found[0], JournalBegun):
        raise ConfigurationError(f"{file} does not begin as a journal; expected one as it was written")
    return found, whole


class Journal:
    """One that is open for writing. Use it with `with`."""

    def __init__(self, folder: Path, *, application: str, environment: str, env_file: Path) -> None:
        """Begin it, or go on with it.
        Raises ConfigurationError: it is damaged, another's, or another process writes it. Raises OSError."""
        self.file = folder / FILE
        folder.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(self.file, flags, files.PRIVATE)
        try:
            self._open(application, environment, str(env_file.absolute()))
        except BaseException:
            os.close(self._descriptor)
            raise

    def _open(self, application: str, environment: str, env_file: str) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(f"{self.file} is written by another process; expected one at a time") from None
        content, _ = files.read(self.file, 67_108_864)
        self.records, self._size = _parsed(content, self.file)
        os.ftruncate(self._descriptor, self._size)
        os.lseek(self._descriptor, self._size, os.SEEK_SET)
        if not self.records:
            files.sync_folder(self.file.parent)
            self.append(
                JournalBegun(
                    at=now(),
                    application=application,
                    environment=environment,
                    env_file=env_file,
                    salt=secrets.token_hex(16),
                )
            )
        begun = self.begun
        if (begun.application, begun.environment, begun.env_file) != (application, environment, env_file):
            raise ConfigurationError(
                f"{self.file} is of {begun.application}, {begun.environment}, {begun.env_file}; expected a folder of "
                "its own for each"
            )

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    @property
    def begun(self) -> JournalBegun:
        """Its first line."""
        return next(one for one in self.records if isinstance(one, JournalBegun))

    def append(self, record: JournalRecord) -> None:
        """Write a line, which outlives a power cut then. Raises OSError: it is as if nothing was written."""
        line = json.dumps(record.model_dump(mode="json"), ensure_ascii=False).encode() + b"\n"
        try:
            sent = 0
            while sent < len(line):
                sent += os.write(self._descriptor, line[sent:])
            os.fsync(self._descriptor)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
                os.lseek(self._descriptor, self._size, os.SEEK_SET)
            error.filename = str(self.file)
            raise
        self._size += len(line)
        self.records.append(record)

    def held(self, secret: str) -> ValuesHeld | None:
        """What was last written or found of a secret."""
        return next(
            (one for one in reversed(self.records) if isinstance(one, ValuesHeld) and one.secret == secret), None
        )

    def all_held(self) -> Sequence[ValuesHeld]:
        """Of each secret what was last written or found."""
        return list({one.secret: one for one in self.records if isinstance(one, ValuesHeld)}.values())

    def open_intent(self, secret: str) -> WriteIntended | None:
        """A write of which it isn't known whether it was done."""
        for record in reversed(self.records):
            if isinstance(record, ValuesHeld) and record.secret == secret:
                return None
            if isinstance(record, WriteIntended) and record.secret == secret:
                return record
        return None
