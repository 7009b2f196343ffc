"""One secret of a KV version 2 engine, its versions and its notes, as whoever is logged in may use it.

Owns the calls. Refuses to write over a version that its caller hasn't seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import hvac
from hvac.exceptions import InvalidPath, VaultError

from ops.errors import EstateError
from ops.vault.api import call

LARGEST = 1_048_576
"""Bytes of one entry of the storage: default of `max_entry_size` of both servers' Raft."""
VersionState = Literal["there", "deleted", "destroyed"]


@dataclass(frozen=True, kw_only=True)
class SecretVersion:
    """One version of a secret, without its values."""

    number: int
    created: str
    """UTC."""
    state: VersionState


@dataclass(frozen=True)
class KvSecret:
    """A secret by its place. Every method raises VaultError where the server refuses."""

    client: hvac.Client
    mount: str
    path: str

    def __str__(self) -> str:
        return f"{self.mount}/{self.path}"

    def metadata(self) -> Mapping[str, Any]:
        """Versions and notes; empty: there is no such secret."""
        try:
            found: dict[str, Any] = call(self.client, "get", f"{self.mount}/metadata/{self.path}")["data"]
        except InvalidPath:
            return {}
        return found

    def values(self, version: int) -> Mapping[str, Any]:
        """The values of a version. Raises EstateError: it is deleted or destroyed, or there is no such version."""
        try:
            answer = call(self.client, "get", f"{self.mount}/data/{self.path}?version={version}")
        except InvalidPath:
            known = versions(self.metadata())
            there = [str(one.number) for one in known if one.state == "there"]
            choices = f"one of: {', '.join(there)}" if there else "a secret that has a value"
            if version in [one.number for one in known if one.state == "deleted"]:
                choices = f"it undeleted, or {choices}"
            raise EstateError(f"{self} has no version {version} that can be read; expected {choices}") from None
        found: dict[str, Any] = answer["data"]["data"]
        return found

    def names(self) -> frozenset[str]:
        """The names of the values of the newest version, without these; none where it can't be read."""
        try:
            answer = call(self.client, "get", f"{self.mount}/subkeys/{self.path}?depth=1")
        except InvalidPath:
            return frozenset()
        return frozenset(answer["data"]["subkeys"])

    def write(self, values: Mapping[str, Any], *, seen: int) -> int:
        """Write the version after the one that was seen, 0 for none; its number.
        Raises EstateError: somebody else wrote one since, or the server takes no secret of this size."""
        body = {"options": {"cas": seen}, "data": values}
        try:
            written: int = call(self.client, "post", f"{self.mount}/data/{self.path}", body)["data"]["version"]
        except VaultError as error:
            if "too large" in str(error):
                raise EstateError(
                    f"the values of {self} together are larger than the server takes; expected at most {LARGEST} "
                    "bytes as the server keeps them"
                ) from None
            if "check-and-set" not in str(error):
                raise
            now = self.metadata().get("current_version", 0)
            raise EstateError(
                f"{self} is at version {now}; expected version {seen}, which was seen: nothing was written"
            ) from None
        return written

    def note(self, notes: Mapping[str, str | None]) -> None:
        """Patch the notes."""
        call(self.client, "patch", f"{self.mount}/metadata/{self.path}", {"custom_metadata": notes})

    def delete(self, version: int) -> None:
        """Delete a version; `undelete` brings it back."""
        call(self.client, "post", f"{self.mount}/delete/{self.path}", {"versions": [version]})

    def undelete(self, version: int) -> None:
        """Bring a deleted version back."""
        call(self.client, "post", f"{self.mount}/undelete/{self.path}", {"versions": [version]})


def versions(metadata: Mapping[str, Any]) -> list[SecretVersion]:
    """The versions that a secret's metadata tell of, oldest first."""
    found = sorted((int(number), about) for number, about in (metadata.get("versions") or {}).items())
    return [
        SecretVersion(
            number=number,
            created=about["created_time"][:19].replace("T", " "),
            state="destroyed" if about["destroyed"] else "deleted" if _is_past(about["deletion_time"]) else "there",
        )
        for number, about in found
    ]


def readable(metadata: Mapping[str, Any]) -> int:
    """The number of the newest version, if its values can be read; 0: they can't, or there is none."""
    newest = metadata.get("current_version", 0)
    return next((one.number for one in versions(metadata) if one.number == newest and one.state == "there"), 0)


def _is_past(time: str) -> bool:
    """Whether a version's time of deletion has come. Where `delete_version_after` is set it is known from the start."""
    return bool(time) and datetime.fromisoformat(time[:19]).replace(tzinfo=UTC) <= datetime.now(UTC)
