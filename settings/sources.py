"""What only a stack's file says of things inside Vault: where a first password or a public certificate comes from."""

from typing import Self

from pydantic import model_validator

from components.model import Name, Named, RelativeFile, SettingError, exactly_one
from components.render.aws.postgres import ClusterPostgres
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


class ClusterPostgresWithPassword(ClusterPostgres):
    """A PostgreSQL of RDS in the cluster's network. What is in it is its owners' matter; Vault logs in where
    `database.connections` names it by its host, which `up` tells."""

    password_secret: Name
    """Name of the encrypted stack setting with the user's first password. A connection that names the same one has
    Vault replace it."""


class KubernetesWithAuthority(Kubernetes):
    """The Kubernetes auth method."""

    ca_certificate_file: RelativeFile | None = None
    """PEM file of the API server's authority, relative to the project's root; given with `host`. None: Vault takes the
    one that its pod has."""

    @model_validator(mode="after")
    def _both_of_another_cluster(self) -> Self:
        if (self.host is None) != (self.ca_certificate_file is None):
            missing, given = ("host", "ca_certificate_file") if self.host is None else ("ca_certificate_file", "host")
            raise SettingError(missing, "missing", f"it beside {given}")
        return self
