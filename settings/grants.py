"""What each application may touch: the one reading of its settings that everything else goes by.

Owns the way from an application's lists to typed grants: ACL policies are rendered from them and access checks use each
of them. Refuses nothing of its own: settings are checked before.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from components.render import acl
from components.vault.approle import AppRoleLogin
from components.vault.database import DatabaseConnection, DatabaseRole, DatabaseStaticRole
from components.vault.pki import PkiRole
from components.vault.transit import TransitKey
from settings.estate import Settings

_LONGEST_COMMON_NAME = 64
"""Characters; X.509's limit, which Vault keeps."""


@dataclass(frozen=True, kw_only=True)
class _Grant:
    """What every kind of grant has; `rules` say it to Vault in an ACL policy, and `label` to a person in a table."""

    mount: str
    """Of the engine that does what is granted."""
    name: str
    """Of the secret, role or key, as settings have it."""


@dataclass(frozen=True, kw_only=True)
class KvGrant(_Grant):
    """A secret in a KV version 2 mount, its own or another application's."""

    path: str
    """Inside the mount, without `data/`."""
    keys: tuple[str, ...]
    """Names of the values inside."""
    access: Literal["read", "write"]
    """`write` includes `read`."""
    owner: str
    """The application whose settings list it under `secrets`."""

    @property
    def rules(self) -> tuple[acl.AclRule, ...]:
        allow = acl.kv_write if self.access == "write" else acl.kv_read
        return allow(self.mount, self.path)

    @property
    def label(self) -> str:
        return f"{self.mount}/{self.path} ({self.access})"


@dataclass(frozen=True, kw_only=True)
class DatabaseGrant(_Grant):
    """Database logins that are made on request and dropped with their lease."""

    role: DatabaseRole
    connection: DatabaseConnection
    """The server that the logins are good for."""

    @property
    def rules(self) -> tuple[acl.AclRule, ...]:
        return acl.database_credentials(self.mount, self.name)

    @property
    def label(self) -> str:
        return f"{self.mount}/{self.name} ({self.role.access})"


@dataclass(frozen=True, kw_only=True)
class StaticDatabaseGrant(_Grant):
    """The login of an existing database user, whose password Vault rotates."""

    role: DatabaseStaticRole
    connection: DatabaseConnection
    """The server that the login is good for."""

    @property
    def rules(self) -> tuple[acl.AclRule, ...]:
        return acl.database_static_credentials(self.mount, self.name)

    @property
    def label(self) -> str:
        return f"{self.mount}/{self.name} (static, user {self.role.username})"


@dataclass(frozen=True, kw_only=True)
class TransitGrant(_Grant):
    """A key to encrypt, decrypt and rewrap with, which stays in Vault."""

    key: TransitKey

    @property
    def can_encrypt(self) -> bool:
        """Whether a key of this type encrypts at all; the others sign."""
        return not self.key.type.startswith(("ecdsa-", "ed25519"))

    @property
    def rules(self) -> tuple[acl.AclRule, ...]:
        return acl.transit_use(self.mount, self.name)

    @property
    def label(self) -> str:
        return f"{self.mount}/{self.name} ({self.key.type})"


@dataclass(frozen=True, kw_only=True)
class PkiGrant(_Grant):
    """Certificates by one role."""

    root_mount: str
    """Where the root certificate is published; `mount` is the intermediate's, which issues."""
    role: PkiRole
    common_name: str
    """A name that the role allows, with the application's own name in it."""

    @property
    def rules(self) -> tuple[acl.AclRule, ...]:
        return acl.pki_issue(self.mount, self.name)

    @property
    def label(self) -> str:
        purposes = [word for word, asked in (("server", self.role.server), ("client", self.role.client)) if asked]
        return f"{self.mount}/{self.name} ({', '.join(purposes)})"


@dataclass(frozen=True, kw_only=True)
class RenewalGrant(_Grant):
    """The next SecretID of its own role; `mount` is the auth method's."""

    @property
    def rules(self) -> tuple[acl.AclRule, ...]:
        return acl.secret_id_renew(self.mount, self.name)

    @property
    def label(self) -> str:
        return "its next SecretID"


Grant = KvGrant | DatabaseGrant | StaticDatabaseGrant | TransitGrant | PkiGrant | RenewalGrant


def grants(settings: Settings, application: str) -> tuple[Grant, ...]:
    """Everything that one application may touch, in the order of its settings; nothing else is granted."""
    return (
        *_secrets(settings, application),
        *_database(settings, application),
        *_transit(settings, application),
        *_pki(settings, application),
        *_renewal(settings, application),
    )


def _secrets(settings: Settings, application: str) -> Iterator[KvGrant]:
    own = settings.applications[application]
    listed = [(application, name, secret.access) for name, secret in own.secrets.items()]
    listed += [(shared.application, name, "read") for shared in own.reads for name in shared.secrets]
    for owner, name, access in listed:
        mount, path = settings.secret_path(owner, name)
        keys = settings.applications[owner].secrets[name].keys
        yield KvGrant(mount=mount, path=path, name=name, keys=keys, access=access, owner=owner)


def _database(settings: Settings, application: str) -> Iterator[DatabaseGrant | StaticDatabaseGrant]:
    database = settings.database
    if database is None:
        return
    for name in settings.applications[application].database_roles:
        if role := database.roles.get(name):
            connection = database.connections[role.connection]
            yield DatabaseGrant(mount=database.path, name=name, role=role, connection=connection)
        else:
            static = database.static_roles[name]
            connection = database.connections[static.connection]
            yield StaticDatabaseGrant(mount=database.path, name=name, role=static, connection=connection)


def _transit(settings: Settings, application: str) -> Iterator[TransitGrant]:
    transit = settings.transit
    if transit is None:
        return
    for name in settings.applications[application].transit_keys:
        yield TransitGrant(mount=transit.path, name=name, key=transit.keys[name])


def _pki(settings: Settings, application: str) -> Iterator[PkiGrant]:
    pki = settings.pki
    if pki is None:
        return
    for name in settings.applications[application].pki_roles:
        role = pki.roles[name]
        yield PkiGrant(
            mount=pki.intermediate_path,
            root_mount=pki.root_path,
            name=name,
            role=role,
            common_name=_common_name(application, role),
        )


def _renewal(settings: Settings, application: str) -> Iterator[RenewalGrant]:
    login = settings.applications[application].login
    if settings.approle and isinstance(login, AppRoleLogin) and login.renews_secret_id:
        yield RenewalGrant(mount=f"auth/{settings.approle.path}", name=application)


def _common_name(application: str, role: PkiRole) -> str:
    """A host name below the domain: an application's name may hold what a host's may not, and be longer."""
    domain = role.allowed_domains[0]
    if not role.allow_subdomains:
        return domain
    label = re.sub(r"[^a-z0-9]+", "-", application)
    room = max(1, min(63, _LONGEST_COMMON_NAME - len(domain) - 1))
    return f"{label[:room].rstrip('-')}.{domain}"
