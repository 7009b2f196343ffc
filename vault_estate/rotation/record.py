"""What is kept of a run in Vault: one entry beside all secrets, and a note beside the secret.

The entry holds the run's phase, the lock, and its values until the end; it is written by check-and-set only, so that
one process has a run. Whoever rotates may read it, and nobody else. The note holds no value: who may see a secret's
metadata sees by it when it was rotated and whether that failed.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vault_estate.errors import ProtocolError, RotationInProgress, SecretDeleted, SecretNotFound, VersionConflict
from vault_estate.manifest import ManifestSecret
from vault_estate.models import ROTATION_NOTE
from vault_estate.origins import LONGEST
from vault_estate.session import Session
from vault_estate.transport import Repeat

MOUNT = "vault-estate"
"""The estate's own KV mount; no application is granted anything there."""
FOLDER = "rotation"
_LONGEST_WITH_ENDED = LONGEST - 150
"""Characters of a note, so that there is room for whatever else may be noted."""
_KEPT_VERSIONS = 10
"""Of a KV mount that says nothing else (Vault's default)."""

Phase = Literal["idle", "creating", "pending", "promoting", "grace"]
"""`creating`: a run is begun, no new value is kept. `pending`: new values are kept, and nobody has them. `promoting`:
they are good, and become the secret's. `grace`: they are; those before are accepted yet."""


class RotationRecord(BaseModel):
    """The entry. Times are seconds since 1970, by Vault's clock; 0: none."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    phase: Phase = "idle"
    run: str = ""
    by: str = ""
    """`given`, `random` or `hook:NAME`."""
    who: str = ""
    """As the audit log has whoever began it."""
    keys: tuple[str, ...] = ()
    overlap: str = ""
    """Of what it is by, the name of its `Overlap`."""
    grace_seconds: int = 0
    grace_until: int = 0
    owner: str = ""
    """The process that has the run; empty: none."""
    held_until: int = 0
    """When others may take it over."""
    pending: Mapping[str, str] = Field(default={}, repr=False)
    previous: Mapping[str, str] = Field(default={}, repr=False)


class RotationNote(BaseModel):
    """The note. Times as in the record."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    phase: Phase = "idle"
    rotated_at: int = 0
    """When a run last gave the secret new values."""
    version: int = 0
    """Of the secret, the first that had them."""
    accepted_from: int = 0
    """Of the secret, the first version that verifiers still take, however short ago it was; 0: any."""
    values_accepted_from: Mapping[str, int] = {}
    """The same for some values alone, by key."""
    begun_at: int = 0
    """When the run that is in hand was last begun."""
    grace_until: int = 0
    error: str = ""
    """The class of what ended the last run; empty: it ended well."""
    failures: int = 0
    """How often it has, one after the other."""
    next_try_at: int = 0

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> "RotationNote":
        """The one in a secret's metadata; one that can't be read counts as none."""
        notes = metadata.get("custom_metadata")
        try:
            return cls.model_validate_json((notes or {}).get(ROTATION_NOTE) or "{}")
        except ValidationError:
            return cls()

    def with_ended(self, keys: Collection[str], version: int) -> "RotationNote":
        """With what values were before a version taken by no verifier any more."""
        ended = {**self.values_accepted_from, **dict.fromkeys(keys, version)}
        noted = self.model_copy(update={"values_accepted_from": ended})
        if len(noted.render()) <= _LONGEST_WITH_ENDED:
            return noted
        # There is no room for so many names: then it is for all values.
        return self.model_copy(update={"accepted_from": version, "values_accepted_from": {}})

    def render(self) -> str:
        """As it is kept."""
        return json.dumps(self.model_dump(exclude_defaults=True), separators=(",", ":"))


class RecordEntry:
    """The entry of one secret, as this process has seen it last."""

    def __init__(self, session: Session, place: ManifestSecret) -> None:
        """Read it. Raises VaultEstateError."""
        self._session = session
        self._path = f"{FOLDER}/{quote(f'{place.mount}/{place.path}', safe='/')}"
        self._secret = f"{place.mount}/{place.path}"
        self.record, self._number = self._read()

    def write(self, record: RotationRecord) -> None:
        """In the place of what was seen. Raises RotationInProgress: another process has written since."""
        path = f"{MOUNT}/data/{self._path}"
        body = {"options": {"cas": self._number}, "data": record.model_dump(mode="json")}
        try:
            self._session.request("POST", path, body=body, repeat=Repeat.UNSENT)
        except VersionConflict:
            pass
        else:
            self.record, self._number = record, self._number + 1
            return
        raise RotationInProgress(f"{self._secret} is being rotated by another process; expected one", path=path)

    def forget(self) -> None:
        """Destroy what the entry was before, with the values in it."""
        before = range(max(1, self._number - _KEPT_VERSIONS), self._number)
        if before:
            body = {"versions": list(before)}
            self._session.request("POST", f"{MOUNT}/destroy/{self._path}", body=body)

    def _read(self) -> tuple[RotationRecord, int]:
        path = f"{MOUNT}/data/{self._path}"
        try:
            data = self._session.request("GET", path).get("data")
        except SecretDeleted as error:
            return RotationRecord(), error.version or 0
        except SecretNotFound:
            return RotationRecord(), 0
        try:
            found: Any = data
            return RotationRecord.model_validate(found["data"]), int(found["metadata"]["version"])
        except (ValidationError, TypeError, KeyError, ValueError):
            pass  # its traceback would have the values
        raise ProtocolError(f"{path}: the entry is no record of a rotation; expected one", path=path)
