"""What every way to log in has in common: it asks Vault, and gives a token.

Owns reading files that hold credentials, and what a refused login is called. Refuses to show what was sent.
"""

import logging
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from vault_estate.answers import seconds_of
from vault_estate.errors import (
    AuthenticationError,
    ConfigurationError,
    InvalidRequest,
    PermissionDenied,
    ProtocolError,
)
from vault_estate.guarded import NotPickled
from vault_estate.transport import Repeat, Transport

_LOG = logging.getLogger("vault_estate")
_OTHERS = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP
"""Permissions that a file with a credential shouldn't have: it is its owner's, and at most read by a group (0640)."""
_LARGEST_BYTES = 65_536


class IssuedToken(NotPickled):
    """A token, and what Vault says of it. It is shown by its kind and life only."""

    __slots__ = ("accessor", "is_batch", "renewable", "ttl_seconds", "value")

    def __init__(
        self, value: str, *, ttl_seconds: float = 0, renewable: bool = False, is_batch: bool = False, accessor: str = ""
    ) -> None:
        """`ttl_seconds` of 0: it doesn't end, or somebody else looks after it."""
        self.value = value
        self.ttl_seconds = ttl_seconds
        self.renewable = renewable
        self.is_batch = is_batch
        self.accessor = accessor

    def __repr__(self) -> str:
        kind = "batch" if self.is_batch else "service"
        return f"IssuedToken({kind}, {self.ttl_seconds:g} s{', renewable' if self.renewable else ''})"


class LoginMethod(Protocol):
    """One way to log in."""

    kind: ClassVar[str]
    """As `VAULT_AUTH_METHOD` calls it."""
    repeats: ClassVar[bool]
    """Whether it can give another token when one has ended."""

    def log_in(self, transport: Transport) -> IssuedToken:
        """A token.
        Raises AuthenticationError: it was refused. Raises VaultUnavailable: nobody answered. Raises ConfigurationError:
        a file or a variable that it needs can't be read."""


@runtime_checkable
class GivenLogin(Protocol):
    """A way to log in by what somebody gives out, which logs in again only when they have given another."""

    def is_replaced(self, token: str) -> bool:
        """Whether another token is there than this one. It isn't tried."""


def issued(document: Mapping[str, Any], path: str) -> IssuedToken:
    """The token of a login's or a renewal's answer. Raises ProtocolError: there is none in it."""
    auth = document.get("auth")
    token = auth.get("client_token") if isinstance(auth, Mapping) else None
    if not isinstance(auth, Mapping) or not isinstance(token, str) or not token:
        raise ProtocolError(f"{path}: the answer has no token; expected one", path=path)
    return IssuedToken(
        token,
        ttl_seconds=seconds_of(auth.get("lease_duration"), path),
        renewable=bool(auth.get("renewable")),
        is_batch=auth.get("token_type") == "batch",
        accessor=str(auth.get("accessor") or ""),
    )


def logged_in(
    transport: Transport, mount: str, body: Mapping[str, Any], what: str, *, refused: type[AuthenticationError]
) -> IssuedToken:
    """The token of `auth/MOUNT/login`; `what` is how messages call what was shown to it.
    Raises AuthenticationError: as `refused`, or it isn't allowed. Raises VaultUnavailable: nobody answered."""
    path = f"auth/{mount}/login"
    try:
        document = transport.send("POST", path, body=body, repeat=Repeat.UNSENT)
    except InvalidRequest as error:
        failed: AuthenticationError = refused(
            f"{path}: {what} is refused: expired, used up, or of another role", **_of(error)
        )
    except PermissionDenied as error:
        failed = AuthenticationError(
            f"{path}: {what} is not allowed to log in: from here, not any more, or not for now; or no auth method is "
            f"mounted at {mount!r}",
            **_of(error),
        )
    else:
        return issued(document, path)
    raise failed


def _of(error: InvalidRequest | PermissionDenied) -> dict[str, Any]:
    return {"path": error.path, "status": error.status, "request_id": error.request_id, "texts": error.texts}


def credential(file: Path, what: str) -> str:
    """What a file holds, read now. One that others may read is told of, once a login.
    Raises ConfigurationError: it can't be read, is empty, or no credential."""
    try:
        with file.open("rb") as stream:
            mode = stat.S_IMODE(file.stat().st_mode)
            content = stream.read(_LARGEST_BYTES + 1)
    except OSError as error:
        said = error.strerror or type(error).__name__
        raise ConfigurationError(f"{what} in {file} can't be read ({said}); expected a file with it") from None
    if mode & _OTHERS:
        _LOG.warning("%s in %s has mode %04o; expected 0640 or less", what, file, mode)
    return checked(content.decode("utf-8", errors="replace").strip(), f"{what} in {file}")


def checked(value: str, what: str) -> str:
    """A credential that can be sent. Raises ConfigurationError: it is empty, or not one word of ASCII."""
    if not value or len(value) > _LARGEST_BYTES or not (value.isascii() and value.isprintable()) or " " in value:
        said = "empty" if not value else "no single word of ASCII"
        raise ConfigurationError(f"{what} is {said}; expected what Vault gave out")
    return value
