"""The database engine for PostgreSQL.

Owns the mount, its connections, the dynamic and static roles, and the one rotation of each root credential. Refuses to
create databases or static logins, and to send a root password twice: Vault rotates it right after the first, and no
later run may undo that (TFVP#202, TFVP#2954).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_vault as vault

from components.render.sql import Access, creation_statements, revocation_statements
from components.vault.checks import check_between, check_mount_path, check_name, check_names, check_ttls


@dataclass(frozen=True, kw_only=True)
class PostgresConnection:
    """A server and the login that Vault manages others with."""

    connection_url: pulumi.Input[str]
    """URL with `{{username}}` and `{{password}}` in their places, never with values:
    `postgresql://{{username}}:{{password}}@host:5432/database?sslmode=verify-full`."""

    username: pulumi.Input[str]
    """Vault's own login; it needs CREATEROLE and what it hands out."""

    password: pulumi.Input[str] = field(repr=False)
    """Its first password. Sent once, when the connection is made, and worthless afterwards if `rotate_root`."""

    password_version: int = 1
    """Raise it together with `password` to send that again, after the login's password was set outside of Vault."""

    rotate_root: bool = True
    """Let Vault replace the password with one that only Vault knows, right after connecting."""

    max_open_connections: int = 4
    """Connections that Vault holds open at most (Vault's default)."""

    verify: bool = True
    """Connect once when this is written, so that a wrong URL fails here."""

    password_policy: pulumi.Input[str] | None = None
    """Name of the password policy for the passwords made here; none: Vault's built-in 20 characters."""

    def __post_init__(self) -> None:
        """Raise ValueError for a URL with values in it or a number out of range."""
        if isinstance(self.connection_url, str):
            _check_url(self.connection_url)
        check_between("max_open_connections", self.max_open_connections, 1)
        check_between("password_version", self.password_version, 1)


@dataclass(frozen=True, kw_only=True)
class DynamicRole:
    """Logins that Vault makes on demand and drops with their lease."""

    connection: str
    """Key of the connection."""

    access: Access
    """What they may do."""

    schema: str = "public"
    """In which schema."""

    default_ttl_seconds: int = 3600
    """Life of a lease before renewal."""

    max_ttl_seconds: int = 14400
    """Life of a lease however often it is renewed."""

    def __post_init__(self) -> None:
        """Raise ValueError for bad lives or a schema PostgreSQL can't have."""
        check_ttls("default_ttl_seconds", self.default_ttl_seconds, "max_ttl_seconds", self.max_ttl_seconds)
        creation_statements(self.access, self.schema)


@dataclass(frozen=True, kw_only=True)
class StaticRole:
    """An existing login whose password Vault sets, now and every period."""

    connection: str
    """Key of the connection."""

    username: str
    """The login; it must exist."""

    rotation_period_seconds: int = 86400
    """Age at which the password is replaced; at least a minute."""

    def __post_init__(self) -> None:
        """Raise ValueError for a name or period out of range."""
        check_name("username", self.username)
        check_between("rotation_period_seconds", self.rotation_period_seconds, 60)


@dataclass(frozen=True, kw_only=True)
class PostgresEngineArgs:
    """What `PostgresEngine` needs."""

    path: str = "database"
    """Mount path."""

    description: str = "Logins of PostgreSQL"
    """What operators read in `vault secrets list`."""

    connections: Mapping[str, PostgresConnection]
    """Connections by name in Vault."""

    roles: Mapping[str, DynamicRole] = field(default_factory=dict)
    """Dynamic roles by name in Vault."""

    static_roles: Mapping[str, StaticRole] = field(default_factory=dict)
    """Static roles by name in Vault."""

    def __post_init__(self) -> None:
        """Raise ValueError for bad names, a role of no connection, or one name (or login) used twice."""
        check_mount_path("path", self.path)
        check_names("connections", self.connections)
        check_names("roles and static_roles", (*self.roles, *self.static_roles))
        for both in self.roles.keys() & self.static_roles.keys():
            raise ValueError(f"static_roles[{both}]: is also in roles: expected one of the two")
        used = {f"roles[{key}]": role.connection for key, role in self.roles.items()}
        used |= {f"static_roles[{key}]": role.connection for key, role in self.static_roles.items()}
        for role_field, connection in used.items():
            if connection not in self.connections:
                known = ", ".join(sorted(self.connections)) or "none"
                raise ValueError(f"{role_field}.connection: {connection!r} isn't a connection: expected one of {known}")
        logins: dict[tuple[str, str], str] = {}
        for key, role in self.static_roles.items():
            other = logins.setdefault((role.connection, role.username), key)
            if other != key:
                raise ValueError(
                    f"static_roles[{key}].username: {role.username!r} is also rotated by static_roles[{other}]: "
                    "expected one role a login"
                )


class PostgresEngine(pulumi.ComponentResource):
    """A database mount with its connections and roles. Does not create the database, its schemas or static logins."""

    mount_path: pulumi.Output[str]
    """Where it is mounted."""

    def __init__(self, name: str, args: PostgresEngineArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:PostgresEngine", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        mount = vault.Mount(f"{name}-mount", path=args.path, type="database", description=args.description, opts=child)
        # Unmounting ends the open leases, and needs the connections for that. Deleted one by one, connections go before
        # their mount, and the server refuses to unmount: so they go with it.
        inside = pulumi.ResourceOptions(parent=self, deleted_with=mount)
        settled: dict[str, pulumi.ResourceOptions] = {}
        for key, connection in args.connections.items():
            made = _connection(f"{name}-connection-{key}", key, args, mount, inside)
            last: pulumi.Resource = made
            if connection.rotate_root:
                last = _root_rotation(f"{name}-root-rotation-{key}", made, connection, inside)
            # A static role sets its first password through the connection while it is made. Without this it can meet
            # the moment in which the root rotation closes that connection; the name it refers to orders nothing.
            settled[key] = pulumi.ResourceOptions(parent=self, deleted_with=mount, depends_on=[last])
        for key, role in args.roles.items():
            vault.database.SecretBackendRole(
                f"{name}-role-{key}",
                backend=mount.path,
                name=key,
                db_name=role.connection,
                creation_statements=list(creation_statements(role.access, role.schema)),
                revocation_statements=list(revocation_statements()),
                default_ttl=role.default_ttl_seconds,
                max_ttl=role.max_ttl_seconds,
                opts=settled[role.connection],
            )
        for key, static in args.static_roles.items():
            vault.database.SecretBackendStaticRole(
                f"{name}-static-role-{key}",
                backend=mount.path,
                name=key,
                db_name=static.connection,
                username=static.username,
                rotation_period=static.rotation_period_seconds,
                opts=settled[static.connection],
            )
        self.mount_path = mount.path
        self.register_outputs({"mount_path": self.mount_path})


def _connection(
    name: str, key: str, args: PostgresEngineArgs, mount: vault.Mount, opts: pulumi.ResourceOptions
) -> vault.database.SecretBackendConnection:
    connection = args.connections[key]
    users = [role for role, used in args.roles.items() if used.connection == key]
    users += [role for role, used in args.static_roles.items() if used.connection == key]
    return vault.database.SecretBackendConnection(
        name,
        backend=mount.path,
        name=key,
        plugin_name="postgresql-database-plugin",
        allowed_roles=sorted(users),
        verify_connection=connection.verify,
        password_policy=connection.password_policy,
        postgresql={
            "connection_url": connection.connection_url,
            "username": connection.username,
            # Write-only: the provider sends it with a new version and at no other time, and Vault keeps the password it
            # has when an update brings none. As `password` it would be sent again with any change of its wrapping.
            "password_wo": pulumi.Output.secret(connection.password),
            "password_wo_version": connection.password_version,
            "max_open_connections": connection.max_open_connections,
        },
        opts=opts,
    )


def _root_rotation(
    name: str,
    declared: vault.database.SecretBackendConnection,
    connection: PostgresConnection,
    opts: pulumi.ResourceOptions,
) -> vault.generic.Endpoint:
    return vault.generic.Endpoint(
        name,
        path=pulumi.Output.format("{}/rotate-root/{}", declared.backend, declared.name),
        # Vault ignores the field; it changes exactly when a password was sent again, and with it the rotation is done
        # again.
        data_json=json.dumps({"password_version": connection.password_version}),
        disable_read=True,  # the path answers only to writes
        disable_delete=True,  # a rotation can't be taken back
        ignore_absent_fields=True,
        opts=opts,
    )


def _check_url(url: str) -> None:
    if not url.startswith(("postgresql://", "postgres://")) or "{{username}}:{{password}}@" not in url:
        # The URL isn't shown: where the placeholders are missing, a password may stand.
        raise ValueError(
            "connection_url: expected postgresql://{{username}}:{{password}}@host:port/database, with both placeholders"
        )
