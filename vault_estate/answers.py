"""What an answer of Vault's means: its document, or the error that it is.

Owns the one reading of statuses and texts, of OpenBao and of HashiCorp's server. Refuses to guess: what isn't Vault's
JSON is a `ProtocolError`. No function here touches a network.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any, Protocol

from vault_estate.errors import (
    AuthenticationError,
    CredentialExpired,
    InvalidRequest,
    MountNotFound,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    SecretDeleted,
    SecretNotFound,
    SecretTooLarge,
    VaultEstateError,
    VaultNotInitialized,
    VaultSealed,
    VaultUnavailable,
    VersionConflict,
    WrappingTokenInvalid,
    redacted,
)

BODY_BYTES = 8 << 20
"""The longest answer that is read. A value is at most 1 MiB; lists of some 100,000 names are shorter."""
_ANYBODYS = frozenset({408, 412, 413, 429, 472, 473})
"""Refusals of a client that mean the same if a proxy wrote them. The others, as 403, only do if Vault itself did."""
_NAMES = frozenset({"alt_names", "common_name", "name", "role", "ttl"})
"""Of a request's body, what is no secret and should be read in an error."""
_TRANSIENT = frozenset({408, 412, 429, 472, 473, 502, 504})


class Headers(Protocol):
    """An answer's headers, whatever the case of their names."""

    def get(self, name: str, /) -> str | None:
        """The value of one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What Vault answered, before anybody asked whether that is an error."""

    status: int
    headers: Headers
    body: bytes
    sent: tuple[str, ...] = ()
    """Values of the request, which a text may repeat."""

    def __repr__(self) -> str:
        return f"Answer({self.status}, {len(self.body)} bytes)"

    def document(self) -> dict[str, Any]:
        """The JSON object; empty if there is no body.
        Raises ValueError: it is something else."""
        if not self.body:
            return {}
        try:
            found = json.loads(self.body)
        except RecursionError:
            found = None
        if not isinstance(found, dict):
            msg = "no object"
            raise ValueError(msg)  # noqa: TRY004 - as for whatever else isn't one
        return found


def strings(value: object) -> Iterator[str]:
    """Every text in a request's body that could be a secret."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            if name not in _NAMES:
                yield from strings(one)
    elif isinstance(value, Iterable) and not isinstance(value, bytes):
        for one in value:
            yield from strings(one)


def read(answer: Answer, path: str) -> dict[str, Any]:
    """An answer's document.
    Raises VaultEstateError: the answer is a refusal, or isn't Vault's."""
    if answer.status >= 300:
        raise refusal(answer, path)
    try:
        return answer.document()
    except ValueError:
        pass
    raise _not_vault(answer, path)


def is_transient(error: VaultEstateError) -> bool:
    """Whether the same request may be answered otherwise a moment later."""
    if error.status is None:
        return False
    if error.status in _TRANSIENT:
        return True
    return type(error) is VaultUnavailable and (error.status == 503 or "not active" in " ".join(error.texts))


def refusal(answer: Answer, path: str) -> VaultEstateError:
    """The error that an answer with a status of 300 and above is."""
    if answer.status < 400:
        return _not_vault(answer, path)
    try:
        document = answer.document()
    except ValueError:
        document = {}
    errors = document.get("errors")
    is_vaults = isinstance(errors, list) or "data" in document  # of a deleted version it tells its metadata
    if answer.status < 500 and not (is_vaults or answer.status in _ANYBODYS):
        return _not_vault(answer, path)
    said = tuple(redacted(one, answer.sent) for one in errors) if isinstance(errors, list) else ()
    request_id = document.get("request_id")
    told = _Told(
        path=path, status=answer.status, request_id=request_id if isinstance(request_id, str) else None, texts=said
    )
    if answer.status == 404:
        return _absent(document, told)
    if answer.status == 429:
        return RateLimited(told.line("a quota is used up"), retry_after=_seconds(answer.headers), **told.fields())
    if answer.status >= 500 or answer.status in {408, 412, 472, 473}:
        return _server(told)
    return _client(told)


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What every error says of its request."""

    path: str
    status: int
    request_id: str | None
    texts: tuple[str, ...]

    def line(self, what: str) -> str:
        said = f": {'; '.join(self.texts)}" if self.texts else ""
        return f"{self.path}: {what} ({self.status}){said}"

    def fields(self) -> dict[str, Any]:
        return {"path": self.path, "status": self.status, "request_id": self.request_id, "texts": self.texts}

    def says(self, *parts: str) -> bool:
        said = " ".join(self.texts).lower()
        return any(part in said for part in parts)


def _not_vault(answer: Answer, path: str) -> ProtocolError:
    kind = redacted(answer.headers.get("Content-Type") or "no content type")
    return ProtocolError(
        f"{path}: the answer ({answer.status}, {kind}, {len(answer.body)} bytes) is not Vault's; expected JSON",
        path=path,
        status=answer.status,
    )


def _absent(document: Mapping[str, Any], told: _Told) -> VaultEstateError:
    if told.says("no handler for route", "namespace not found"):
        return MountNotFound(
            told.line(
                "nothing is mounted there; expected the mount, with which the path begins, and VAULT_NAMESPACE as they "
                "are in Vault"
            ),
            **told.fields(),
        )
    data = document.get("data")
    metadata = data.get("metadata") if isinstance(data, dict) else None
    if not isinstance(metadata, dict):
        return SecretNotFound(told.line("there is nothing"), **told.fields())
    version, destroyed, when = metadata.get("version"), bool(metadata.get("destroyed")), metadata.get("deletion_time")
    return SecretDeleted(
        told.line(f"version {version} is {'destroyed' if destroyed else f'deleted since {when}'}"),
        version=version if isinstance(version, int) else None,
        deleted_at=_time(when),
        destroyed=destroyed,
        **told.fields(),
    )


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None


def _client(told: _Told) -> VaultEstateError:
    if told.status == 401:
        return AuthenticationError(told.line("nobody is logged in"), **told.fields())
    if told.status == 403:
        return PermissionDenied(told.line("permission denied"), **told.fields())
    if told.status == 413 or told.says("too large"):
        return SecretTooLarge(told.line("too large"), **told.fields())
    if told.says("check-and-set"):
        return VersionConflict(told.line("somebody else wrote first"), **told.fields())
    if told.says("wrapping token is not valid"):
        return WrappingTokenInvalid(
            told.line("the wrapping token is used or expired; if nobody here used it, somebody else did"),
            **told.fields(),
        )
    return InvalidRequest(told.line("refused"), **told.fields())


def _server(told: _Told) -> VaultEstateError:
    # OpenBao answers 500 to these two, which are no fault of the server's and never pass.
    if told.says("past the max ttl"):
        return CredentialExpired(told.line("it can't be renewed beyond its maximum TTL"), **told.fields())
    if told.says("too large"):
        return SecretTooLarge(told.line("too large"), **told.fields())
    if told.status == 501 or told.says("not initialized"):
        return VaultNotInitialized(told.line("Vault has not been set up"), **told.fields())
    if told.status == 503 and told.says("sealed"):
        return VaultSealed(told.line("Vault is sealed"), **told.fields())
    return VaultUnavailable(told.line("Vault can't answer"), **told.fields())


def seconds_of(value: object, path: str) -> float:
    """A duration or a time in an answer's document, in seconds; none counts as 0. Raises ProtocolError."""
    if value is None:
        return 0.0
    if isinstance(value, int | float) and isfinite(value):
        return float(value)
    raise ProtocolError(f"{path}: the answer has a time that is no number; expected seconds", path=path)


def _seconds(headers: Headers) -> float | None:
    """`Retry-After` in seconds; Vault sends no dates."""
    text = headers.get("Retry-After") or ""
    return float(text) if text.isascii() and text.isdigit() else None
