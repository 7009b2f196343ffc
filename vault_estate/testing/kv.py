"""A KV engine of version 2 in memory, which answers as OpenBao 2.7 does.

A fake: values of any size, no `PATCH`, no `cas_required`, no versions that delete themselves. Owns versions, what was
deleted and destroyed, and custom metadata.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Reply = tuple[int, dict[str, Any] | None]
"""A status, and the document; None: there is no body."""

NOTHING: Reply = (404, {"errors": []})
DONE: Reply = (204, None)
_NO_NUMBER = (
    "Field validation failed: error converting input for field \"version\": '' cannot parse value as 'int': "
    "strconv.ParseInt: invalid syntax"
)
_KEPT_VERSIONS = 10
"""Vault's default where `max_versions` is 0."""


def refused(text: str, status: int = 400) -> Reply:
    """An error as Vault says it."""
    return status, {"errors": [text]}


def stamp(seconds: float) -> str:
    """A time since 1970 as Vault writes it."""
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat().replace("+00:00", "Z")


@dataclass(kw_only=True)
class _KvVersion:
    values: Mapping[str, Any] | None
    created_at: float
    deleted_at: float | None = None
    destroyed: bool = False

    def told(self) -> dict[str, Any]:
        return {
            "created_time": stamp(self.created_at),
            "deletion_time": "" if self.deleted_at is None else stamp(self.deleted_at),
            "destroyed": self.destroyed,
        }


@dataclass(kw_only=True)
class _KvEntry:
    created_at: float
    updated_at: float
    versions: dict[int, _KvVersion] = field(default_factory=dict)
    current: int = 0
    oldest: int = 0
    max_versions: int = 0
    custom: dict[str, str] | None = None


class FakeKv:
    """One mount."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._entries: dict[str, _KvEntry] = {}
        self._parts = {
            "data": self._data,
            "metadata": self._metadata,
            "delete": self._delete,
            "undelete": self._undelete,
            "destroy": self._destroy,
        }

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, Any]) -> Reply:
        """What it says to a request; `path` is inside the mount, `method` POST for every write."""
        part, _, name = path.partition("/")
        handle = self._parts.get(part)
        return NOTHING if handle is None else handle(method, name, query, body)

    def _data(self, method: str, name: str, query: Mapping[str, str], body: Mapping[str, Any]) -> Reply:
        if method == "GET":
            return self._read(name, query)
        if method == "POST":
            return self._write(name, body)
        if method != "DELETE":
            return refused("unsupported operation", 405)
        entry = self._entries.get(name)
        if entry is not None:
            self._mark_deleted(entry, [entry.current])
        return DONE

    def _read(self, name: str, query: Mapping[str, str]) -> Reply:
        entry = self._entries.get(name)
        asked = query.get("version", "0")
        if not (asked.isascii() and asked.isdigit()):
            return refused(_NO_NUMBER)
        number = int(asked) or (entry.current if entry else 0)
        version = entry.versions.get(number) if entry else None
        if entry is None or version is None:
            return NOTHING
        metadata = {**version.told(), "custom_metadata": entry.custom, "version": number}
        is_gone = version.destroyed or version.deleted_at is not None
        return (404 if is_gone else 200), {"data": {"data": None if is_gone else version.values, "metadata": metadata}}

    def _write(self, name: str, body: Mapping[str, Any]) -> Reply:
        values, options = body.get("data"), body.get("options") or {}
        if not isinstance(values, Mapping):
            return refused("no data provided")
        entry = self._entries.get(name)
        if "cas" in options and options["cas"] != (entry.current if entry else 0):
            return refused("check-and-set parameter did not match the current version")
        now = self._wall()
        entry = self._entries.setdefault(name, _KvEntry(created_at=now, updated_at=now))
        entry.current += 1
        entry.updated_at = now
        version = entry.versions[entry.current] = _KvVersion(values=dict(values), created_at=now)
        self._prune(entry)
        return 200, {"data": {**version.told(), "custom_metadata": entry.custom, "version": entry.current}}

    @staticmethod
    def _prune(entry: _KvEntry) -> None:
        kept = entry.max_versions or _KEPT_VERSIONS
        if entry.current - entry.oldest < kept:
            return
        entry.oldest = entry.current - kept + 1
        entry.versions = {number: one for number, one in entry.versions.items() if number >= entry.oldest}

    def _mark_deleted(self, entry: _KvEntry, numbers: list[int]) -> None:
        for number in numbers:
            version = entry.versions.get(number)
            if version is not None and version.deleted_at is None and not version.destroyed:
                version.deleted_at = self._wall()

    def _delete(self, method: str, name: str, _: Mapping[str, str], body: Mapping[str, Any]) -> Reply:
        return self._of_versions(method, name, body, self._mark_deleted)

    def _undelete(self, method: str, name: str, _: Mapping[str, str], body: Mapping[str, Any]) -> Reply:
        def undelete(entry: _KvEntry, numbers: list[int]) -> None:
            for version in (entry.versions[one] for one in numbers if one in entry.versions):
                version.deleted_at = version.deleted_at if version.destroyed else None

        return self._of_versions(method, name, body, undelete)

    def _destroy(self, method: str, name: str, _: Mapping[str, str], body: Mapping[str, Any]) -> Reply:
        def destroy(entry: _KvEntry, numbers: list[int]) -> None:
            for version in (entry.versions[one] for one in numbers if one in entry.versions):
                version.destroyed, version.values = True, None

        return self._of_versions(method, name, body, destroy)

    def _of_versions(
        self, method: str, name: str, body: Mapping[str, Any], change: Callable[[_KvEntry, list[int]], None]
    ) -> Reply:
        if method != "POST":
            return refused("unsupported operation", 405)
        numbers = [int(one) for one in body.get("versions") or ()]
        if not numbers:
            return refused("no version number provided")
        entry = self._entries.get(name)
        if entry is not None:
            change(entry, numbers)
        return DONE

    def _metadata(self, method: str, name: str, _: Mapping[str, str], body: Mapping[str, Any]) -> Reply:
        if method == "LIST":
            return self._list(name)
        if method == "POST":
            return self._describe(name, body)
        if method == "DELETE":
            self._entries.pop(name, None)
            return DONE
        entry = self._entries.get(name)
        return NOTHING if entry is None else (200, {"data": self._told(entry)})

    @staticmethod
    def _told(entry: _KvEntry) -> dict[str, Any]:
        return {
            "cas_required": False,
            "created_time": stamp(entry.created_at),
            "current_version": entry.current,
            "custom_metadata": entry.custom,
            "delete_version_after": "0s",
            "max_versions": entry.max_versions,
            "oldest_version": entry.oldest,
            "updated_time": stamp(entry.updated_at),
            "versions": {str(number): one.told() for number, one in entry.versions.items()},
        }

    def _describe(self, name: str, body: Mapping[str, Any]) -> Reply:
        now = self._wall()
        entry = self._entries.setdefault(name, _KvEntry(created_at=now, updated_at=now))
        if "custom_metadata" in body:
            entry.custom = dict(body["custom_metadata"] or {})
        entry.max_versions = int(body.get("max_versions", entry.max_versions))
        return DONE

    def _list(self, prefix: str) -> Reply:
        start = f"{prefix.rstrip('/')}/" if prefix else ""
        below = [one.removeprefix(start) for one in self._entries if one.startswith(start)]
        keys = sorted({first + slash for first, slash, _ in (one.partition("/") for one in below)})
        return (200, {"data": {"keys": keys}}) if keys else NOTHING
