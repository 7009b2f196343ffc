"""The whole of one stack's settings, and the checks that need more than one section."""

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, model_validator

from components.model import Name, Section, VaultPath, known
from settings.applications import Application, ApplicationName, AppRoleLogin, JwtLogin, KubernetesLogin, Layout, Secret
from settings.engines import (
    AppRole,
    AuditDevice,
    Database,
    Jwt,
    Kubernetes,
    KvMount,
    PasswordPolicy,
    Pki,
    RateLimit,
    Transit,
    Userpass,
)
from settings.hetzner import HetznerPlatform
from settings.platform import Bootstrap, LocalPlatform, Server
from settings.snapshots import CANARY, NODE_LOGIN, OPERATOR_LOGIN, Bucket, Snapshots

_LOCAL_POSTGRES = ".estate/local/postgres/"
"""Where the local server keeps its first password."""
_RESERVED_MOUNTS = frozenset({"sys", "auth", "identity", "cubbyhole"})


class Settings(Section):
    """Everything one environment is made from. See `Pulumi.local.yaml` for a complete example."""

    environment: Name
    """Name of the environment; the `{environment}` of path layouts."""
    protect: bool = True
    """Refuse to delete what holds data. Turning it off is a change of its own."""
    server: Server
    platform: Annotated[LocalPlatform | HetznerPlatform, Field(discriminator="kind")]
    """Where Vault runs."""
    bootstrap: Bootstrap
    layout: Layout = "{mount}/{application}/{environment}/{name}"
    """Where an application's secrets live. Only the last part may vary within one application."""
    kv: Annotated[dict[VaultPath, KvMount], Field(min_length=1)]
    approle: AppRole | None = None
    kubernetes: Kubernetes | None = None
    jwt: Jwt | None = None
    userpass: Userpass | None = None
    database: Database | None = None
    transit: Transit | None = None
    pki: Pki | None = None
    audit: dict[Name, AuditDevice] = {}
    rate_limits: dict[Name, RateLimit] = {}
    password_policies: dict[Name, PasswordPolicy] = {}
    snapshots: Snapshots | None = None
    """Copies of everything Vault holds; without this section none are taken."""
    applications: dict[ApplicationName, Application]

    @property
    def local(self) -> LocalPlatform:
        """The platform, where it is this machine.

        Raises:
            ValueError: it is another one.
        """
        if self.platform.kind != "local":
            msg = f"platform.kind is {self.platform.kind!r}; expected 'local'"
            raise ValueError(msg)
        return self.platform

    def secret_path(self, application: str, name: str) -> tuple[str, str]:
        """Where a secret lives: its mount, and its path inside that mount."""
        settings = self.applications[application]
        whole = (settings.layout or self.layout).format(
            mount=settings.mount, application=application, environment=self.environment, name=name
        )
        return settings.mount, whole.removeprefix(f"{settings.mount}/")

    @property
    def canary(self) -> str:
        """API path of the secret that each snapshot writes anew and each restore reads."""
        return f"{min(self.kv)}/data/{CANARY}"

    def secrets(self) -> Iterator[tuple[str, str, Secret]]:
        """Every secret of every application: application, name, settings."""
        for application, settings in self.applications.items():
            for name, secret in settings.secrets.items():
                yield application, name, secret

    @model_validator(mode="before")
    @classmethod
    def _empty_sections(cls, given: object) -> object:
        """A section without a value is neither on nor off."""
        for name, value in given.items() if isinstance(given, dict) else ():
            if value is None and name in cls.model_fields and not cls.model_fields[name].is_required():
                msg = f"{name} is empty; expected {{}} to switch it on with its defaults, or no line to leave it off"
                raise ValueError(msg)
        return given

    @model_validator(mode="after")
    def _local_database(self) -> Self:
        """The server that `./estate` starts, which its password file tells from any other."""
        if self.platform.kind == "local" and self.database:
            for name, connection in self.database.connections.items():
                own = (connection.password_file or "").startswith(_LOCAL_POSTGRES)
                if own and connection.port != self.platform.postgres_port:
                    msg = (
                        f"database.connections.{name}.port is {connection.port}; expected platform.postgres_port, "
                        f"which is {self.platform.postgres_port}"
                    )
                    raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _flavour(self) -> Self:
        if self.server.flavor == "openbao" and self.audit:
            msg = (
                f"audit has {', '.join(self.audit)} but server.flavor is 'openbao'; expected no entry: "
                "OpenBao takes audit devices from its server file only and refuses them through the API"
            )
            raise ValueError(msg)
        if self.server.flavor == "vault" and self.platform.kind == "local":
            msg = "server.flavor is 'vault' but platform.kind is 'local'; expected 'openbao', which comes as a package"
            raise ValueError(msg)
        if self.server.flavor == "vault" and self.platform.kind == "hetzner" and self.platform.seal.kind == "static":
            msg = (
                "server.flavor is 'vault' but platform.seal.kind is 'static'; expected 'awskms', 'transit' or "
                "'shamir': Vault's free edition has no static seal"
            )
            raise ValueError(msg)
        if self.platform.kind == "hetzner" and self.database:
            for name, connection in self.database.connections.items():
                if connection.ssl_mode == "disable":
                    msg = (
                        f"database.connections.{name}.host is {connection.host!r} but platform.kind is 'hetzner'; "
                        "expected the name of a server: none runs on the node itself"
                    )
                    raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _snapshots(self) -> Self:
        if self.snapshots is None:
            return self
        for name in (NODE_LOGIN, OPERATOR_LOGIN):
            if name in self.applications:
                msg = f"applications.{name} has the name of a login for snapshots; expected another"
                raise ValueError(msg)
        remote = self.platform.kind == "hetzner"
        if remote and not isinstance(self.snapshots.store, Bucket):
            msg = "snapshots.store.kind is 'folder' but platform.kind is 'hetzner'; expected 'bucket', off the machine"
            raise ValueError(msg)
        if remote != (self.snapshots.node_certificate is not None):
            where = "is missing" if remote else "is given"
            msg = (
                f"snapshots.node_certificate {where} but platform.kind is {self.platform.kind!r}; expected it where a "
                "node takes snapshots by itself, and nowhere else"
            )
            raise ValueError(msg)
        if self.platform.kind == "hetzner" and self.platform.ssh is None:
            msg = "snapshots is given but platform.ssh isn't; expected it: an operator brings the node its credentials"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _seal_beside_snapshots(self) -> Self:
        if self.platform.kind != "hetzner":
            return self
        seal, store = self.platform.seal, self.snapshots.store if self.snapshots else None
        if seal.kind == "static" and seal.escrow and store is None:
            msg = (
                "platform.seal.escrow is true but snapshots isn't given; expected that section: it says for whom the "
                "key is encrypted and where it is kept"
            )
            raise ValueError(msg)
        if seal.kind != "awskms" or seal.key_arn or store is None or store.kind != "bucket":
            return self
        if seal.profile == store.profile:
            both = f"both {seal.profile!r}" if seal.profile else "both missing"
            msg = (
                f"platform.seal.profile and snapshots.store.profile are {both}; expected two: AWS makes the seal's key "
                "and another service the bucket, each with its own credentials (or give platform.seal.key_arn)"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _mounts_differ(self) -> Self:
        mounts = list(self.kv)
        for engine in (self.database, self.transit):
            mounts += [engine.path] if engine else []
        mounts += [self.pki.root_path, self.pki.intermediate_path] if self.pki else []
        _separate("mount", mounts)
        reserved = sorted(mount for mount in mounts if mount.split("/")[0] in _RESERVED_MOUNTS)
        if reserved:
            msg = f"mount {reserved[0]!r} is reserved by the server; expected another path"
            raise ValueError(msg)
        methods = (self.approle, self.kubernetes, self.jwt, self.userpass)
        _separate("auth method", ["cert", "token", *(method.path for method in methods if method)])
        return self

    @model_validator(mode="after")
    def _references(self) -> Self:
        methods = {AppRoleLogin: self.approle, KubernetesLogin: self.kubernetes, JwtLogin: self.jwt}
        for name, application in self.applications.items():
            where = f"applications.{name}"
            if methods[type(application.login)] is None:
                msg = (
                    f"{where}.login.kind is {application.login.kind!r}; expected a section of that name in the settings"
                )
                raise ValueError(msg)
            known(f"{where}.mount", application.mount, "kv", self.kv)
            for choice in application.database_roles:
                known(
                    f"{where}.database_roles", choice, "database.roles", _names(self.database, "roles", "static_roles")
                )
            for choice in application.transit_keys:
                known(f"{where}.transit_keys", choice, "transit.keys", _names(self.transit, "keys"))
            for choice in application.pki_roles:
                known(f"{where}.pki_roles", choice, "pki.roles", _names(self.pki, "roles"))
            for shared in application.reads:
                known(f"{where}.reads", shared.application, "applications", self.applications)
                for secret in shared.secrets:
                    owned = self.applications[shared.application].secrets
                    known(f"{where}.reads", secret, f"applications.{shared.application}.secrets", owned)
        return self

    @model_validator(mode="after")
    def _reads_of_others(self) -> Self:
        for name, application in self.applications.items():
            listed = [(shared.application, secret) for shared in application.reads for secret in shared.secrets]
            for number, (owner, secret) in enumerate(listed):
                if owner == name:
                    msg = f"applications.{name}.reads names the application itself; expected others only"
                    raise ValueError(msg)
                if (owner, secret) in listed[:number]:
                    msg = f"applications.{name}.reads lists {secret!r} of {owner} twice; expected it once"
                    raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        """Names that only become equal on their way: a mount's in Pulumi, a limit's in Vault."""
        _once("kv", {path: path.replace("/", "-") for path in self.kv}, "the same name in Pulumi")
        _once("rate_limits", {name: limit.path for name, limit in self.rate_limits.items()}, "one path")
        for name, application in self.applications.items():
            if name in self.rate_limits and isinstance(application.login, AppRoleLogin):
                msg = f"rate_limits.{name} has an application's name, which its own login limit has; expected another"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _one_owner_per_secret(self) -> Self:
        owners: dict[tuple[str, str], str] = {}
        for application, name, _ in self.secrets():
            path = self.secret_path(application, name)
            other = owners.setdefault(path, application)
            if other != application:
                msg = (
                    f"applications {other} and {application} both own {'/'.join(path)}; expected one owner "
                    "(let the other list it under reads)"
                )
                raise ValueError(msg)
        return self


def _names(section: Section | None, *fields: str) -> list[str]:
    return [name for field in fields for name in getattr(section, field)] if section else []


def _once(section: str, values: dict[str, str], what: str) -> None:
    """Refuse two entries that come to one value, of which the server or the engine would keep the last."""
    seen: dict[str, str] = {}
    for name, value in values.items():
        other = seen.setdefault(value, name)
        if other != name:
            msg = f"{section}.{other} and {section}.{name} have {what}; expected different ones"
            raise ValueError(msg)


def _separate(kind: str, paths: list[str]) -> None:
    """Refuse equal paths and paths inside one another, which Vault would refuse only half-way through an `up`."""
    for number, path in enumerate(paths):
        for other in paths[number + 1 :]:
            if path == other or path.startswith(f"{other}/") or other.startswith(f"{path}/"):
                msg = f"{kind} {path!r} and {kind} {other!r} overlap; expected separate paths"
                raise ValueError(msg)
