"""Reading an audit log: who did what with which path, and what was denied.

Owns the reading of entries. Takes nothing from one that could hold a value: neither data nor a response's body, only
who, when, what and where. Refuses nothing: a line that isn't an entry is counted.
"""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ops.processes.logs import redact

_NAMES = {"role_name": "approle", "cert_name": "certificate", "username": "userpass", "role": "role"}
"""What a login's metadata call whoever logged in, and the word for people."""
_DENIED = "permission denied"


@dataclass(frozen=True, kw_only=True)
class LoggedRequest:
    """One request and its end."""

    time: datetime
    who: str
    """How they logged in, and as whom; `nobody` without a token that was good."""
    operation: str
    """In Vault's words; `login` where a token was given out."""
    path: str
    address: str
    """Where the request came from."""
    result: str
    """Empty where it was done, `denied`, or the server's reason."""
    request: str
    """The request's id, as the server's answer has it."""
    trace: Mapping[str, str] = field(default_factory=dict)
    """Headers by which it is followed through other systems."""

    @property
    def traced_by(self) -> str:
        """What to look for in other systems: the trace's id (the second part of a W3C `traceparent`), or the request's
        that a proxy gave it; empty where it came with neither."""
        parent = self.trace.get("traceparent", "")
        parts = parent.split("-")
        return parts[1] if len(parts) > 3 else parent or self.trace.get("x-request-id", "")


OPERATIONS = (
    "login",
    *("read", "list", "scan", "create", "update", "patch", "delete", "revoke", "renew", "rollback", "help"),
)
"""In Vault's words (`logical.Operation`), and one of our own."""


@dataclass(kw_only=True)
class Unread:
    """Lines that are no entries, beside those that are."""

    count: int = 0
    entries: int = 0


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which entries are asked for."""

    who: str = ""
    """Part of the name."""
    path: str = "*"
    """A pattern: `*` is any text."""
    operation: str = ""
    trace: str = ""
    """Part of a header by which requests are followed."""
    denied: bool = False
    since: datetime | None = None
    until: datetime | None = None

    def takes(self, entry: LoggedRequest) -> bool:
        """Whether an entry is one of them."""
        return (
            self.who.lower() in entry.who.lower()
            and fnmatchcase(entry.path, self.path)
            and self.operation in ("", entry.operation)
            and (not self.trace or any(self.trace.lower() in header.lower() for header in entry.trace.values()))
            and (not self.denied or entry.result == "denied")
            and (self.since is None or entry.time >= self.since)
            and (self.until is None or entry.time <= self.until)
        )


def entries(lines: Iterable[str], unread: Unread) -> Iterator[LoggedRequest]:
    """Every request that was answered, in the log's order."""
    for line in lines:
        if not line.strip():
            continue
        try:
            document = json.loads(line)
            unread.entries += document["type"] in ("request", "response")
            if document["type"] == "response":
                yield _entry(document)
        except (ValueError, KeyError, TypeError, AttributeError):
            unread.count += 1


def lines(files: Iterable[Path]) -> Iterator[str]:
    """The lines of a log's files, compressed ones too. Raises OSError: one can't be read."""
    for file in files:
        if file.suffix == ".gz":
            with gzip.open(file, "rt", encoding="utf-8", errors="replace") as compressed:
                yield from compressed
        else:
            with file.open(encoding="utf-8", errors="replace") as plain:
                yield from plain


def rotated(log: Path) -> list[Path]:
    """A log's files, the oldest first."""
    older = [file for file in log.parent.glob(f"{log.name}.*") if file.name.split(".")[-1] in ("gz", *"123456789")]
    return [*sorted(older, key=lambda file: file.stat().st_mtime), *([log] if log.exists() else [])]


def _entry(document: Mapping[str, Any]) -> LoggedRequest:
    request = document["request"]
    given = (document.get("response") or {}).get("auth")
    error = " ".join(str(document.get("error") or "").split())
    headers = {name.lower(): value for name, value in (request.get("headers") or {}).items()}
    return LoggedRequest(
        time=datetime.fromisoformat(_microseconds(document["time"])).astimezone(UTC),
        who=_who(given or document.get("auth") or {}),
        operation="login" if given and "login" in request["path"] else str(request["operation"]),
        path=str(request["path"]),
        address=str(request.get("remote_address") or ""),
        result="denied" if _DENIED in error else redact(error)[:200],
        request=str(request["id"]),
        trace={name: str(headers[name][0]) for name in ("traceparent", "x-request-id") if headers.get(name)},
    )


def _who(auth: Mapping[str, Any]) -> str:
    metadata = auth.get("metadata") or {}
    for key, word in _NAMES.items():
        if metadata.get(key):
            return f"{word} {metadata[key]}"
    return str(auth.get("display_name") or "nobody")


def _microseconds(time: str) -> str:
    """Python reads no nanoseconds."""
    whole, point, rest = time.partition(".")
    return f"{whole}{point}{rest[:6].rstrip('Z')}+00:00" if point else time
