"""The database engine for PostgreSQL.

Owns the mount, its connections, the dynamic and static roles, and the one rotation of each root credential. Refuses to
create databases or static logins, and to send a root password twice: Vault rotates it right after the first, and no
later run may undo that (TFVP#202, TFVP#2954).
"""

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, Self

import pulumi
import pulumi_vault as vault
from pydantic import AfterValidator, Field, model_validator

from ..model import (
    Form,
    MountPath,
    Name,
    Named,
    PositiveSeconds,
    Seconds,
    Section,
    SettingError,
    at_most,
    by_profile,
    known,
    twins,
)
from ..render.sql import Access, SchemaName, creation_statements, revocation_statements
from .children import child

_HOST_WORDS = "a host name or an IP address"


def _address(host: str) -> str:
    """The host. Raises ValueError where it has a colon and is no IPv6 address."""
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise ValueError(f"expected {_HOST_WORDS}") from None
    return host


class DatabaseConnection(Section):
    """One PostgreSQL server as Vault reaches it. The user must be able to create roles."""

    host: Annotated[str, Form(r"[A-Za-z0-9.-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*", _HOST_WORDS), AfterValidator(_address)]
    """Where PostgreSQL is, as Vault reaches it."""
    port: Annotated[int, Field(ge=1, le=65_535)] = 5432
    """Its TCP port."""
    database: Name
    """The database in which roles are made and granted."""
    username: Name
    """The user Vault logs in as."""
    ssl_mode: Literal["verify-full", "verify-ca", "require", "disable"] = "verify-full"
    """How the server is verified. `disable` is accepted on loopback only."""
    rotate_root: bool = True
    """Let Vault replace the first password by one that only Vault knows, once."""
    password_version: Annotated[int, Field(ge=1)] = 1
    """Raise it to send the password again, after it was set outside of Vault."""
    password_policy: Name | None = None
    """Name of the password policy for passwords made here. None: Vault's built-in 20 characters."""
    max_open_connections: Annotated[int, Field(ge=1)] = 4
    """Connections that Vault holds open at most. Vault's default."""

    @property
    def server(self) -> str:
        """Host and port, as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        if self.ssl_mode == "disable" and self.host not in {"127.0.0.1", "::1", "localhost"}:
            raise SettingError("ssl_mode", "'disable'", f"'verify-full', since host is {self.host!r} and not loopback")
        return self


class DatabaseRole(Section):
    """Credentials made on request and dropped with their lease."""

    connection: Name
    """Name of an entry of `connections`."""
    access: Access
    """Select only; or select, insert, update and delete. Neither may make a table."""
    schema_name: SchemaName = "public"
    """The schema the grants are for."""
    ttl: PositiveSeconds = 3_600
    """How long a lease lasts unless it is renewed."""
    max_ttl: PositiveSeconds = by_profile(development="24h", staging="12h", production="6h")
    """How long a lease lasts at most."""

    @model_validator(mode="after")
    def _ttl(self) -> Self:
        at_most("ttl", self.ttl, "max_ttl", self.max_ttl)
        return self


class DatabaseStaticRole(Section):
    """An existing database user whose password Vault rotates."""

    connection: Name
    """Name of an entry of `connections`."""
    username: Name
    """The existing user."""
    rotation_period: Annotated[Seconds, Field(ge=60)] = by_profile(development="7d", staging="1d", production="12h")
    """How often Vault replaces the password. The server checks once a minute."""


class Database(Section):
    """The database engine for PostgreSQL."""

    path: MountPath = "database"
    """Where it is mounted."""
    connections: Named[DatabaseConnection]
    """The servers."""
    roles: Named[DatabaseRole] = {}
    """Roles that make a user for each lease."""
    static_roles: Named[DatabaseStaticRole] = {}
    """Roles that stand for an existing user."""

    @model_validator(mode="after")
    def _references(self) -> Self:
        for kind, roles in (("roles", self.roles), ("static_roles", self.static_roles)):
            for name, role in roles.items():
                known(f"{kind}.{name}.connection", role.connection, "connections", self.connections)
        return self

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        dynamic = {name.lower(): name for name in self.roles}
        for name in self.static_roles:
            if other := dynamic.get(name.lower()):
                raise SettingError(f"static_roles.{name}", repr(name), f"another name than roles.{other} has")
        users = {name: (role.connection, role.username) for name, role in self.static_roles.items()}
        for name, other, (_, user) in twins(users):
            where = f"static_roles.{name}.username"
            raise SettingError(where, repr(user), f"another user than static_roles.{other} rotates")
        logins = {name: (one.server, one.username) for name, one in self.connections.items()}
        for name, other, (_, user) in twins(logins):
            if self.connections[name].rotate_root or self.connections[other].rotate_root:
                where, expected = f"connections.{name}.username", f"another user than connections.{other} logs in as"
                raise SettingError(where, repr(user), f"{expected}, since Vault replaces its password")
        return self


@dataclass(frozen=True, kw_only=True)
class PostgresEngineArgs:
    """What `PostgresEngine` needs."""

    database: Database
    """The mount, its connections and its roles."""
    passwords: Mapping[str, pulumi.Input[str]] = field(repr=False)
    """First password of each connection's user. Sent once, when the connection is made, and worthless afterwards if
    `rotate_root`."""

    def __post_init__(self) -> None:
        """Raise ValueError for a connection without a password, or a password of no connection."""
        for name in sorted(self.database.connections.keys() ^ self.passwords.keys()):
            missing = name in self.database.connections
            raise SettingError(
                f"passwords.{name}",
                "missing" if missing else "given",
                f"the first password of database.connections.{name}" if missing else "passwords of connections only",
            )


class PostgresEngine(pulumi.ComponentResource):
    """A database mount with its connections and roles. Does not create the database, its schemas or static logins."""

    mount_path: pulumi.Output[str]
    """Where it is mounted."""

    def __init__(self, name: str, args: PostgresEngineArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:PostgresEngine", name, {}, opts)
        database = args.database
        mount = vault.Mount(
            f"{name}-mount",
            path=database.path,
            type="database",
            description="Logins of PostgreSQL",
            opts=child(self, holds_data=True),
        )
        # Unmounting ends the open leases, and needs the connections for that. Deleted one by one, connections go before
        # their mount, and the server refuses to unmount: so they go with it.
        settled: dict[str, pulumi.ResourceOptions] = {}
        for key, connection in database.connections.items():
            # A password that Vault has replaced is nowhere else.
            opts = child(self, inside=mount, holds_data=connection.rotate_root)
            made = _connection(f"{name}-connection-{key}", key, args, mount, opts)
            last: pulumi.Resource = made
            if connection.rotate_root:
                last = vault.generic.Endpoint(
                    f"{name}-root-rotation-{key}",
                    path=pulumi.Output.format("{}/rotate-root/{}", made.backend, made.name),
                    # Vault ignores the field; it changes exactly when a password was sent again, and with it the
                    # rotation is done again.
                    data_json=json.dumps({"password_version": connection.password_version}),
                    disable_read=True,  # the path answers only to writes
                    disable_delete=True,  # a rotation can't be taken back
                    ignore_absent_fields=True,
                    opts=child(self, inside=mount),
                )
            # A static role sets its first password through the connection while it is made. Without this it can meet
            # the moment in which the root rotation closes that connection; the name it refers to orders nothing.
            settled[key] = child(self, inside=mount, after=[last])
        for key, role in database.roles.items():
            vault.database.SecretBackendRole(
                f"{name}-role-{key}",
                backend=mount.path,
                name=key,
                db_name=role.connection,
                creation_statements=list(creation_statements(role.access, role.schema_name)),
                revocation_statements=list(revocation_statements()),
                default_ttl=role.ttl,
                max_ttl=role.max_ttl,
                opts=settled[role.connection],
            )
        for key, static in database.static_roles.items():
            vault.database.SecretBackendStaticRole(
                f"{name}-static-role-{key}",
                backend=mount.path,
                name=key,
                db_name=static.connection,
                username=static.username,
                rotation_period=static.rotation_period,
                opts=settled[static.connection],
            )
        self.mount_path = mount.path
        self.register_outputs({"mount_path": self.mount_path})


def _connection(
    name: str, key: str, args: PostgresEngineArgs, mount: vault.Mount, opts: pulumi.ResourceOptions
) -> "vault.database.SecretBackendConnection":
    connection = args.database.connections[key]
    users = [role for role, used in args.database.roles.items() if used.connection == key]
    users += [role for role, used in args.database.static_roles.items() if used.connection == key]
    location = f"{connection.server}/{connection.database}"
    return vault.database.SecretBackendConnection(
        name,
        backend=mount.path,
        name=key,
        plugin_name="postgresql-database-plugin",
        allowed_roles=sorted(users),
        verify_connection=True,  # a wrong address fails here
        password_policy=connection.password_policy,
        postgresql={
            # Vault puts the values in.
            "connection_url": f"postgresql://{{{{username}}}}:{{{{password}}}}@{location}?sslmode={connection.ssl_mode}",
            "username": connection.username,
            # Write-only: the provider sends it with a new version and at no other time, and Vault keeps the password it
            # has when an update brings none. As `password` it would be sent again with any change of its wrapping.
            "password_wo": pulumi.Output.secret(args.passwords[key]),
            "password_wo_version": connection.password_version,
            "max_open_connections": connection.max_open_connections,
        },
        opts=opts,
    )
