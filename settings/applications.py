"""Settings of applications: how each logs in, and what it may touch."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.model import Form, Name, Names, Section, SettingError, VaultPath
from components.vault.approle import AppRoleLogin
from components.vault.jwt import JwtLogin
from components.vault.kubernetes import KubernetesLogin
from components.vault.quotas import LoginLimit

Layout = Annotated[
    str,
    Form(
        r"\{mount\}/(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?/|\{application\}/|\{environment\}/)*\{name\}",
        "a layout such as '{mount}/{application}/{environment}/{name}': it begins with {mount}/, ends with {name}, and "
        "has nothing but names, {application} and {environment} between slashes",
    ),
]


Login = Annotated[AppRoleLogin | KubernetesLogin | JwtLogin, Field(discriminator="kind")]


class Secret(Section):
    """One secret an application owns; its key is the secret's name, the last part of its path."""

    access: Literal["read", "write"] = "read"
    """Read only; or also write, without destroying versions."""
    keys: Annotated[Names, Field(min_length=1)]
    """Names of the values inside. Values never pass through settings or state."""


class Shared(Section):
    """Secrets of another application that this one may read."""

    application: Name
    """The owner."""
    secrets: Annotated[tuple[VaultPath, ...], Field(min_length=1, strict=False)]
    """Names of its secrets."""


class Application(Section):
    """One application and everything it may touch. Nothing is granted that is not listed here."""

    login: Login
    """How it logs in: one of three kinds."""
    mount: VaultPath = "secret"
    """The KV mount its secrets live in."""
    layout: Layout | None = None
    """Its own path layout, where the estate's does not fit."""
    secrets: Mapping[VaultPath, Secret] = {}
    """The secrets it owns."""
    reads: Annotated[tuple[Shared, ...], Field(strict=False)] = ()
    """Secrets of others that it may read."""
    database_roles: Names = ()
    """Entries of `database.roles` or `database.static_roles` it may have credentials of."""
    transit_keys: Names = ()
    """Entries of `transit.keys` it may encrypt and decrypt with."""
    pki_roles: Names = ()
    """Entries of `pki.roles` it may have certificates of."""
    login_limit: LoginLimit = LoginLimit()
    """How often it may log in."""

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not (self.secrets or self.reads or self.database_roles or self.transit_keys or self.pki_roles):
            raise SettingError("secrets", "missing", "it, or one of reads, database_roles, transit_keys and pki_roles")
        return self
