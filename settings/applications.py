"""Settings of applications: how each logs in, and what it may touch."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.model import Form, Name, Names, PositiveSeconds, Section, SettingError, VaultPath, by_profile, known
from components.vault.approle import AppRoleLogin
from components.vault.jwt import JwtLogin
from components.vault.kubernetes import KubernetesLogin
from components.vault.quotas import LoginLimit
from settings.rotation import SecretRotation

Layout = Annotated[
    str,
    Form(
        r"\{mount\}/(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?/|\{application\}/|\{environment\}/)*\{name\}",
        "a layout such as '{mount}/{application}/{environment}/{name}': it begins with {mount}/, ends with {name}, and "
        "has nothing but names, {application} and {environment} between slashes",
    ),
]


Seed = Annotated[
    str,
    Form(
        r"none|random|[^{}]*\{random\}[^{}]*",
        "none, random, or a text with {random} in it once, such as 'postgresql://app:{random}@db.internal/app'",
    ),
]


_MOST_ROTATED_KEYS = 62
"""Vault keeps 64 notes of a secret: one for each value, one for the writers, one for its rotation."""


Login = Annotated[AppRoleLogin | KubernetesLogin | JwtLogin, Field(discriminator="kind")]


class Secret(Section):
    """One secret an application owns; its key is the secret's name, the last part of its path."""

    access: Literal["read", "write"] = "read"
    """Read only; or also write, without destroying versions."""
    keys: Annotated[Names, Field(min_length=1, max_length=63)]
    """Names of the values inside. Values never pass through settings or state. Vault keeps 64 notes of a secret: one
    for the origin of each value, one for the writers."""
    seed: Seed = "none"
    """What `up` writes where no value is yet: `none` for what a person gives, `random` for 32 random characters, or a
    text with `{random}` in it."""
    seeds: Mapping[Name, Seed] = {}
    """The same by key, where they differ."""
    rotation: SecretRotation | None = None
    """How its values are replaced; without it nobody does unasked."""

    @property
    def rotated_keys(self) -> tuple[str, ...]:
        """Names of the values that are replaced; empty: none is."""
        return (self.rotation.keys or self.keys) if self.rotation else ()

    @property
    def first_values(self) -> Mapping[str, str]:
        """What each value that the estate may choose is made of; `{random}` stands for random characters."""
        texts = {key: self.seeds.get(key, self.seed) for key in self.keys}
        return {key: "{random}" if text == "random" else text for key, text in texts.items() if text != "none"}

    @model_validator(mode="after")
    def _seeds_its_own_keys(self) -> Self:
        for key in self.seeds:
            known(f"seeds.{key}", key, "keys", self.keys)
        return self

    @model_validator(mode="after")
    def _rotates_its_own_keys(self) -> Self:
        for number, key in enumerate(self.rotated_keys):
            where = f"rotation.keys[{number}]" if self.rotation and self.rotation.keys else f"keys[{number}]"
            known(where, key, "keys", self.keys)
            if self.rotation and self.rotation.by == "random" and key not in self.first_values:
                expected = "one that has a seed, since rotation.by is random and nobody else has to know the value then"
                raise SettingError(where, repr(key), expected)
        if self.rotation and len(self.keys) > _MOST_ROTATED_KEYS:
            raise SettingError("keys", f"a list of {len(self.keys)}", f"at most {_MOST_ROTATED_KEYS} beside rotation")
        return self


class Shared(Section):
    """Secrets of another application that this one may read."""

    application: Name
    """The owner."""
    secrets: Annotated[tuple[VaultPath, ...], Field(min_length=1, strict=False)]
    """Names of its secrets."""


class Client(Section):
    """What the library `vault_estate` goes by in applications, as `./estate client-config` tells it."""

    refresh: PositiveSeconds = by_profile(development="60s", staging="30s", production="15s")
    """How long a secret that was read counts as fresh, before Vault is asked again."""


class Application(Section):
    """One application and everything it may touch. Nothing is granted that is not listed here."""

    login: Login
    """How it logs in: one of three kinds."""
    rotator: Login | None = None
    """How whoever rotates its secrets by a timer logs in, as role `rotator-APP`: one of the same three kinds. Its ACL
    policy has the secrets that have a rotation, each by its path, and nothing else. Without it owners rotate."""
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
    environment_variables: bool = True
    """Whether its library sets secrets as variables of a process. Where it is false, `load_secrets_to_env` and
    `vault-estate env` and `run` refuse. Vault can't hold anybody to it: it doesn't see what becomes of a value."""

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not (self.secrets or self.reads or self.database_roles or self.transit_keys or self.pki_roles):
            raise SettingError("secrets", "missing", "it, or one of reads, database_roles, transit_keys and pki_roles")
        return self

    @model_validator(mode="after")
    def _rotates_something(self) -> Self:
        if self.rotator and not any(secret.rotation for secret in self.secrets.values()):
            raise SettingError("rotator", "given", "none, as no secret has a rotation")
        return self
