"""AppRole: a RoleID, which is no secret, and a SecretID, which is read again at each login.

Owns where a SecretID comes from. Refuses a wrapping token that wraps anything but this role's SecretID, before it is
opened: whoever can write the file could have put another there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from vault_estate.auth.method import IssuedToken, checked, credential, logged_in
from vault_estate.errors import (
    CredentialExpired,
    InvalidRequest,
    PermissionDenied,
    ProtocolError,
    WrappingPathMismatch,
    WrappingTokenInvalid,
    redacted,
)
from vault_estate.guarded import NotPickled
from vault_estate.transport import Repeat, Transport


class SecretIdSource(Protocol):
    """Where a SecretID comes from."""

    @property
    def described(self) -> str:
        """For messages: the file or the variable, no value."""

    def read(self, transport: Transport, mount: str, role: str | None) -> str:
        """The SecretID of now. Raises ConfigurationError, AuthenticationError or VaultUnavailable."""


@dataclass(frozen=True)
class SecretIdFile:
    """A file that somebody else renews; what it holds at a login counts."""

    file: Path

    @property
    def described(self) -> str:
        """The file."""
        return f"the SecretID in {self.file}"

    def read(self, transport: Transport, mount: str, role: str | None) -> str:  # noqa: ARG002 - as the others
        """What it holds now. Raises ConfigurationError: nothing that can be one."""
        return credential(self.file, "SecretID")


@dataclass(frozen=True)
class SecretIdVariable(NotPickled):
    """A variable of the environment, by its name."""

    name: str
    environ: Mapping[str, str] = field(repr=False)

    @property
    def described(self) -> str:
        """The variable."""
        return f"the SecretID in {self.name}"

    def read(self, transport: Transport, mount: str, role: str | None) -> str:  # noqa: ARG002 - as the others
        """What it holds. Raises ConfigurationError: nothing that can be one."""
        return checked(self.environ.get(self.name, "").strip(), self.name)


class WrappedSecretIdFile(NotPickled):
    """A file with a response-wrapping token, which is opened once. The SecretID stays in memory until the file holds
    another."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._opened = ""
        self._secret_id = ""

    def __repr__(self) -> str:
        return f"WrappedSecretIdFile({str(self.file)!r})"

    @property
    def described(self) -> str:
        """The file."""
        return f"the SecretID that was wrapped in {self.file}"

    def read(self, transport: Transport, mount: str, role: str | None) -> str:
        """The SecretID inside.
        Raises WrappingTokenInvalid: it was opened or has expired. Raises WrappingPathMismatch: something else is in it;
        it stays closed."""
        token = credential(self.file, "wrapping token")
        if token == self._opened:
            return self._secret_id
        self._check(transport, token, mount, role)
        path = "sys/wrapping/unwrap"
        try:
            document = transport.send("POST", path, token=token, repeat=Repeat.NEVER)
        except (InvalidRequest, PermissionDenied) as error:
            failed = self._invalid(path, error)
        else:
            data = document.get("data")
            secret_id = data.get("secret_id") if isinstance(data, Mapping) else None
            if not isinstance(secret_id, str):
                raise ProtocolError(f"{path}: the answer has no SecretID; expected one", path=path)
            self._opened, self._secret_id = token, secret_id
            return secret_id
        raise failed

    def _check(self, transport: Transport, token: str, mount: str, role: str | None) -> None:
        path = "sys/wrapping/lookup"
        try:
            document = transport.send("POST", path, body={"token": token}, repeat=Repeat.UNSENT)
        except (InvalidRequest, PermissionDenied, WrappingTokenInvalid) as error:
            failed = self._invalid(path, error)
        else:
            data = document.get("data")
            found = str(data.get("creation_path")) if isinstance(data, Mapping) else ""
            wanted = re.escape(role) if role else "[^/]+"
            if re.fullmatch(rf"auth/{re.escape(mount)}/role/{wanted}/secret-id", found):
                return
            raise WrappingPathMismatch(
                f"the wrapping token in {self.file} wraps {redacted(found)!r}; expected "
                f"auth/{mount}/role/{role or 'ROLE'}/secret-id. It was not opened",
                path=path,
            )
        raise failed

    def _invalid(
        self, path: str, error: InvalidRequest | PermissionDenied | WrappingTokenInvalid
    ) -> WrappingTokenInvalid:
        return WrappingTokenInvalid(
            f"the wrapping token in {self.file} was opened already, or has expired; if nobody here opened it, somebody "
            "else has the SecretID: destroy it, and wrap a new one",
            path=path,
            status=error.status,
            request_id=error.request_id,
            texts=error.texts,
        )


@dataclass(frozen=True, kw_only=True)
class AppRoleAuth:
    """By RoleID and SecretID."""

    kind: ClassVar[str] = "approle"
    repeats: ClassVar[bool] = True

    role_id: str = field(repr=False)
    secret_id: SecretIdSource
    mount: str = "approle"
    role: str | None = None
    """Its name, which the creation path of a wrapping token is compared with."""
    role_id_variable: str | None = None
    """Variable of the environment that the RoleID is from, for messages."""

    def log_in(self, transport: Transport) -> IssuedToken:
        """A token. Raises CredentialExpired: Vault refuses the SecretID."""
        secret_id = self.secret_id.read(transport, self.mount, self.role)
        body = {"role_id": checked(self.role_id, "the RoleID"), "secret_id": secret_id}
        shown = self.secret_id.described
        if self.role_id_variable:  # it may be the wrong one of the two: Vault doesn't tell
            shown = f"{shown} with the RoleID in {self.role_id_variable}"
        return logged_in(transport, self.mount, body, shown, refused=CredentialExpired)
