"""Token: one that somebody gave out. When it ends, whoever writes its file may have put another there.

Owns where it is read, anew each time. Refuses a root token for a server on another machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from vault_estate.auth.method import IssuedToken, checked, credential
from vault_estate.errors import AuthenticationError, ConfigurationError, CredentialExpired, PermissionDenied
from vault_estate.guarded import NotPickled
from vault_estate.tls import is_loopback
from vault_estate.transport import Transport


@dataclass(frozen=True, kw_only=True)
class TokenAuth(NotPickled):
    """By a token in a file, or in a variable by its name."""

    kind: ClassVar[str] = "token"
    repeats: ClassVar[bool] = False

    file: Path | None = None
    variable: str = "VAULT_TOKEN"
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    def log_in(self, transport: Transport) -> IssuedToken:
        """The token, with what Vault says of it. Raises CredentialExpired: it is dead, or never was one."""
        where, value = str(self.file) if self.file else self.variable, self._read()
        path = "auth/token/lookup-self"
        try:
            data = transport.send("GET", path, token=value).get("data")
        except PermissionDenied as error:
            failed: AuthenticationError = CredentialExpired(
                f"the token in {where} is dead; expected a new one", path=path, status=error.status, texts=error.texts
            )
        else:
            return self._described(value, data if isinstance(data, Mapping) else {}, where, transport)
        raise failed

    def is_replaced(self, token: str) -> bool:
        """Whether the file, or the variable, has another; one that can't be read is none."""
        try:
            return self._read() != token
        except ConfigurationError:
            return False

    def _read(self) -> str:
        if self.file:
            return credential(self.file, "token")
        return checked(self.environ.get(self.variable, "").strip(), self.variable)

    @staticmethod
    def _described(value: str, data: Mapping[str, object], where: str, transport: Transport) -> IssuedToken:
        policies = data.get("policies")
        is_root = isinstance(policies, list) and "root" in policies
        if is_root and not all(is_loopback(str(urlsplit(one).hostname)) for one in transport.addresses):
            raise ConfigurationError(f"the token in {where} is a root token; expected one of an application")
        ttl = data.get("ttl")
        return IssuedToken(
            value,
            ttl_seconds=float(ttl) if isinstance(ttl, int | float) else 0,
            renewable=bool(data.get("renewable")),
            is_batch=data.get("type") == "batch",
            accessor=str(data.get("accessor") or ""),
        )
