"""A secret of KV version 2 as a migration and a rotation read and write it.

Owns the requests and what is noted beside a version. Refuses to write over a version that wasn't read.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hmac import compare_digest
from typing import Any
from urllib.parse import quote

from vault_estate import origins
from vault_estate.errors import (
    MigrationError,
    PermissionDenied,
    ProtocolError,
    SecretDeleted,
    SecretNotFound,
)
from vault_estate.manifest import ManifestSecret
from vault_estate.session import Session
from vault_estate.transport import Repeat

_PATCH = {"Content-Type": "application/merge-patch+json"}
_NAMED_BY_SERVER = "entity_"


@dataclass(frozen=True, kw_only=True)
class KeptVersion:
    """The newest version of a secret, and what is noted of it."""

    number: int
    """0: there is none yet."""
    values: Mapping[str, Any] = field(repr=False)
    """Empty where it is deleted."""
    metadata: Mapping[str, Any] = field(repr=False)

    def is_generated(self, key: str) -> bool:
        """Whether the estate chose a value at first, so that nothing is lost with it. One that a rotation or a person
        had made is in use."""
        note = origins.read(self.metadata).values.get(key)
        return note is not None and note.origin == "generated" and note.who == origins.UP


@dataclass(frozen=True, kw_only=True)
class KeptSecret:
    """One secret. Every method raises VaultEstateError where Vault refuses."""

    session: Session
    place: ManifestSecret

    def __str__(self) -> str:
        return f"{self.place.mount}/{self.place.path}"

    def newest(self) -> KeptVersion:
        """As it is now."""
        metadata = self.metadata()
        number = int(metadata.get("current_version") or 0)
        return KeptVersion(number=number, values=self.values(number) if number else {}, metadata=metadata)

    def values(self, version: int) -> Mapping[str, Any]:
        """Of a version; empty: it is deleted, destroyed, or older than what is kept."""
        path = self._path("data")
        try:
            found = self.session.request("GET", f"{path}?version={version}")
        except SecretDeleted:
            return {}
        except SecretNotFound:
            return {}
        data = found.get("data")
        values = data.get("data") if isinstance(data, Mapping) else None
        if not isinstance(values, Mapping):
            raise ProtocolError(f"{path}: the answer is no version of a secret; expected one", path=path)
        return values

    def write(self, values: Mapping[str, Any], *, seen: int) -> int:
        """The version after the one that was seen; its number. Raises VersionConflict: somebody else wrote it."""
        path = self._path("data")
        body = {"options": {"cas": seen}, "data": dict(values)}
        found = self.session.request("POST", path, body=body, repeat=Repeat.UNSENT)
        number = (found.get("data") or {}).get("version")
        if number != seen + 1:
            raise ProtocolError(f"{path}: the answer names no version {seen + 1}; expected it", path=path)
        return seen + 1

    def note(self, version: int, brought: Mapping[str, origins.Origin], held: Mapping[str, Any], who: str) -> None:
        """Note beside a version who gave what, unless that was done."""
        metadata = self.metadata()
        if version not in origins.read(metadata).writers:
            at = datetime.fromtimestamp(self.session.transport.server_time(), tz=UTC)
            self.describe(origins.noted(metadata, brought, held.keys(), version=version, who=who, at=at))

    def describe(self, notes: Mapping[str, str | None]) -> None:
        """Patch the notes."""
        self.session.request("PATCH", self._path("metadata"), body={"custom_metadata": dict(notes)}, headers=_PATCH)

    def holds(self, version: int, values: Mapping[str, Any]) -> bool:
        """Whether a version has these values and no others."""
        found = self.values(version)
        return found.keys() == values.keys() and all(same(found[key], value) for key, value in values.items())

    def read_back(self, version: int, values: Mapping[str, Any]) -> None:
        """Compare what a version holds. Raises MigrationError: it isn't what was written."""
        if not self.holds(version, values):
            raise MigrationError(f"{self} holds in version {version} what was not written; expected the same values")

    def metadata(self) -> Mapping[str, Any]:
        """Its versions and notes; empty: there is no such secret."""
        try:
            found = self.session.request("GET", self._path("metadata")).get("data")
        except SecretNotFound:
            return {}
        return found if isinstance(found, Mapping) else {}

    def _path(self, part: str) -> str:
        return f"{self.place.mount}/{part}/{quote(self.place.path, safe='/')}"


def same(one: object, other: object) -> bool:
    """Whether two values are equal; of texts, in a time that tells nothing of where they differ."""
    if isinstance(one, str) and isinstance(other, str):
        return compare_digest(one.encode(errors="surrogatepass"), other.encode(errors="surrogatepass"))
    return type(one) is type(other) and one == other


def whose(session: Session) -> str:
    """Who a token is, as the audit log has it. Raises VaultEstateError."""
    found = session.request("GET", "auth/token/lookup-self").get("data")
    about: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    if about.get("entity_id"):
        # Whoever may not ask is named by the way they came.
        with suppress(PermissionDenied, SecretNotFound):
            entity = session.request("GET", f"identity/entity/id/{about['entity_id']}").get("data") or {}
            name = str(entity.get("name") or _NAMED_BY_SERVER)
            if not name.startswith(_NAMED_BY_SERVER):
                return name
    meta = about.get("meta") or {}
    told = (meta.get("username"), meta.get("common_name"), meta.get("role_name"), about.get("display_name"))
    return str(next((one for one in told if one), "somebody"))
