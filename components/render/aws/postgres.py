"""A database of RDS as settings say it: version, size, how it is kept.

Refuses names that RDS keeps for itself, and a volume that couldn't grow.
"""

from typing import Annotated, Self

from pydantic import Field, model_validator

from ...model import Form, Section, SettingError, by_profile


class ClusterPostgres(Section):
    """A PostgreSQL of RDS in the cluster's network. What is in it is its owners' matter; Vault logs in where
    `database.connections` names it by its host, which `up` tells."""

    version: Annotated[str, Form(r"1[5-9]|[2-9][0-9]", "a major version of PostgreSQL such as 17")] = "17"
    """Major version. AWS brings minor ones by itself, in the hours for maintenance."""
    instance_class: Annotated[
        str,
        Form(
            r"db\.(?:t4g|[cmrx][0-9]+g[a-z]*)\.(?:micro|small|medium|large|(?:[1-9][0-9]*)?xlarge)",
            "a class of RDS' on Graviton such as db.t4g.medium",
        ),
    ] = "db.t4g.medium"
    """How large the machine is."""
    storage_gibibytes: Annotated[int, Field(ge=20, le=65_536)] = 20
    """Size of the volume, of type gp3; it can't shrink."""
    storage_at_most: Annotated[int, Field(ge=22, le=65_536)] = 100
    """How far it grows by itself, in GiB."""
    backup_days: Annotated[int, Field(ge=1, le=35)] = by_profile(development=7, staging=7, production=35)
    """How long AWS' own backups are kept, to any second of which the database can be restored."""
    database: Annotated[str, Form(r"[a-z][a-z0-9_]{0,62}", "a database's name: up to 63 letters, digits or '_'")] = (
        "estate"
    )
    """The database that it is made with."""
    username: Annotated[
        str,
        Form(
            r"(?!(?:admin|master|postgres|rdsadmin|root|user)\Z)[a-z][a-z0-9_]{0,62}",
            "a user's name: up to 63 lower-case letters, digits or '_', and none that RDS keeps",
        ),
    ] = "vault_root"
    """Its first user, who may make roles."""
    port: Annotated[int, Field(ge=1_150, le=65_535)] = 5432
    """TCP port that it listens on. RDS takes none below 1150."""
    password_version: Annotated[int, Field(ge=1)] = 1
    """Raise it to give the user its first password again, after Vault's is lost."""

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.storage_at_most * 10 < self.storage_gibibytes * 11:
            least = -(-self.storage_gibibytes * 11 // 10)
            expected = f"at least {least}, a tenth more than storage_gibibytes"
            raise SettingError("storage_at_most", str(self.storage_at_most), expected)
        return self
