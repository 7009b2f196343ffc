"""What only a stack's file says of things inside Vault: where a first password or a public certificate comes from."""

from typing import Self

from pydantic import model_validator

from components.model import Name, Named, RelativeFile, exactly_one
from components.vault.database import Database, DatabaseConnection
from components.vault.kubernetes import Kubernetes


class ConnectionWithPassword(DatabaseConnection):
    """One PostgreSQL server as Vault reaches it. The user must be able to create roles."""

    password_file: RelativeFile | None = None
    """File with the first password, relative to the project's root. Vault rotates it at once."""
    password_secret: Name | None = None
    """Or: name of the encrypted stack setting that holds it (`pulumi config set --secret NAME`)."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        exactly_one(self, "password_file", "password_secret")
        return self


class DatabaseWithPasswords(Database):
    """The database engine for PostgreSQL."""

    connections: Named[ConnectionWithPassword]


class KubernetesWithAuthority(Kubernetes):
    """The Kubernetes auth method."""

    ca_certificate_file: RelativeFile
    """PEM file of the API server's authority, relative to the project's root."""
