"""Userpass: a name and a password, for a service that has nothing better. The password is read again at each login."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from vault_estate.auth.method import IssuedToken, checked, credential, issued
from vault_estate.errors import AuthenticationError, InvalidRequest, PermissionDenied
from vault_estate.guarded import NotPickled
from vault_estate.transport import Repeat, Transport


@dataclass(frozen=True, kw_only=True)
class UserpassAuth(NotPickled):
    """By a password in a file, or in a variable by its name."""

    kind: ClassVar[str] = "userpass"
    repeats: ClassVar[bool] = True

    username: str
    file: Path | None = None
    variable: str = "VAULT_PASSWORD"
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    mount: str = "userpass"

    def log_in(self, transport: Transport) -> IssuedToken:
        """A token. Raises AuthenticationError: name or password is wrong, or the user is locked out for a while."""
        where = f"the password in {self.file or self.variable}"
        password = (
            credential(self.file, "password")
            if self.file
            else checked(self.environ.get(self.variable, ""), self.variable)
        )
        path = f"auth/{self.mount}/login/{quote(checked(self.username, 'username'), safe='')}"
        try:
            document = transport.send("POST", path, body={"password": password}, repeat=Repeat.UNSENT)
        except (InvalidRequest, PermissionDenied) as error:
            failed = AuthenticationError(
                f"{path}: {where} is refused: wrong, or the user is locked out for now",
                path=path,
                status=error.status,
                request_id=error.request_id,
                texts=error.texts,
            )
        else:
            return issued(document, path)
        raise failed
