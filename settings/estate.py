"""The whole of one stack's settings, and the checks that need more than one section."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from components.model import (
    Form,
    MountPath,
    Named,
    Profile,
    RelativeFile,
    Seconds,
    Section,
    SettingError,
    at_most,
    by_profile,
    known,
    separate,
    twins,
)
from components.render.acl import ROTATOR_PREFIX, ApplicationName
from components.render.audit import AuditDevice, of_two_types
from components.render.bootstrap import Bootstrap
from components.render.login import CertificateLogin
from components.render.release import Server
from components.render.seals import kinds_for
from components.render.snapshots import CANARY_MOUNT, Snapshots
from components.vault.approle import AppRole, AppRoleLogin
from components.vault.jwt import Jwt, JwtLogin
from components.vault.kubernetes import KubernetesLogin
from components.vault.kv import KvOptions
from components.vault.password_policies import PasswordPolicy
from components.vault.pki import Pki
from components.vault.quotas import OWN_MOUNTS, RateLimit, one_limit_a_path
from components.vault.tenants import Tenants
from components.vault.transit import Transit
from components.vault.userpass import Userpass
from settings import shapes
from settings.applications import Application, Client, Layout, Secret
from settings.eks import EksPlatform
from settings.hetzner import HetznerPlatform
from settings.people import OwnersGroup, People
from settings.platform import LocalPlatform
from settings.rotation import Rotation
from settings.sources import DatabaseWithPasswords, KubernetesWithAuthority
from vault_estate.paths import secret_path

_LOCAL_POSTGRES = ".estate/local/postgres/"
"""Where the local server keeps its first password."""

Environment = Annotated[
    str,
    Form(
        r"[a-z0-9](?:[a-z0-9-]{0,34}[a-z0-9])?",
        "up to 36 lower-case letters, digits or '-', as in a host name",
    ),
]
"""The longest name it is part of is an AWS user's and may have 42 characters: `vault-`, and this."""


class Settings(Section):
    """Everything one environment is made from. See `Pulumi.local.yaml` for a complete example."""

    base: RelativeFile | None = None
    """File of settings that stacks share, relative to the project's root: the same sections without `config` around
    them. What this file says takes the place of what is said there."""
    environment: Environment
    """Name of the environment; the `{environment}` of path layouts."""
    profile: Profile = "production"
    """Which defaults hold. Where it isn't given: the one that `environment` is called, or production's."""
    protect: bool = True
    """Refuse to delete what holds data: mounts, transit keys, authorities, a database password that Vault has replaced,
    a node's volume and address. Roles, policies and limits come and go. Turning it off is a change of its own."""
    server: Server
    platform: Annotated[LocalPlatform | HetznerPlatform | EksPlatform, Field(discriminator="kind")]
    """Where Vault runs."""
    bootstrap: Bootstrap
    layout: Layout = "{mount}/{application}/{environment}/{name}"
    """Where an application's secrets live. Only the last part may vary within one application."""
    kv: Annotated[Mapping[MountPath, KvOptions], Field(min_length=1)]
    """The KV mounts. At least one."""
    approle: AppRole | None = None
    kubernetes: KubernetesWithAuthority | None = None
    jwt: Jwt | None = None
    userpass: Userpass | None = None
    tenants: Tenants | None = None
    database: DatabaseWithPasswords | None = None
    transit: Transit | None = None
    pki: Pki | None = None
    audit: Named[AuditDevice] = {}
    """Audit devices declared through the API. HashiCorp's flavour only, which needs two or more, of different type."""
    audit_retention: Annotated[Seconds, Field(ge=86_400)] = by_profile(
        development="7d", staging="30d", production="365d"
    )
    """How long what was audited is kept beside the server; a node rounds it up to days. Where the room ends before, the
    oldest goes, which is told: as an alert in a node's journal, and in `supervisor.log` of the local stack."""
    rate_limits: Annotated[Named[RateLimit], AfterValidator(one_limit_a_path)] = {}
    password_policies: Named[PasswordPolicy] = {}
    snapshots: Snapshots | None = None
    """Copies of everything Vault holds; without this section none are taken."""
    applications: Mapping[ApplicationName, Application]
    """The applications, and what each may touch."""
    client: Client = Client()
    rotation: Rotation = Rotation()
    people: People | None = None
    """The people who work in Vault: owners of secrets, operators, auditors."""

    @property
    def local(self) -> LocalPlatform:
        """The platform, where it is this machine. Raises SettingError where it is another one."""
        if self.platform.kind != "local":
            raise SettingError("platform.kind", repr(self.platform.kind), "'local'")
        return self.platform

    @property
    def servers(self) -> int:
        """How many servers there are, which are one cluster."""
        return self.platform.pods.replicas if self.platform.kind == "eks" else 1

    @property
    def first_passwords(self) -> Mapping[str, str]:
        """By setting, the name of the encrypted one that holds the first password of a database's user."""
        made = self.platform.postgres if self.platform.kind == "eks" else None
        found = {"platform.postgres.password_secret": made.password_secret} if made else {}
        for name, connection in self.database.connections.items() if self.database else ():
            if connection.password_secret:
                found[f"database.connections.{name}.password_secret"] = connection.password_secret
        return found

    def secret_path(self, application: str, name: str) -> tuple[str, str]:
        """Where a secret lives: its mount, and its path inside that mount."""
        settings = self.applications[application]
        layout = settings.layout or self.layout
        return settings.mount, secret_path(
            layout, mount=settings.mount, application=application, environment=self.environment, name=name
        )

    @property
    def canary(self) -> str:
        """API path of the canary in snapshots whose record doesn't tell it: those of the first release."""
        return f"{min(self.kv)}/data/vault-estate/canary"

    def secrets(self) -> Iterator[tuple[str, str, Secret]]:
        """Every secret of every application: application, name, settings."""
        for application, settings in self.applications.items():
            for name, secret in settings.secrets.items():
                yield application, name, secret

    @property
    def logins(self) -> Mapping[str, AppRoleLogin | KubernetesLogin | JwtLogin]:
        """How each machine logs in, by its role: applications, and those that rotate their secrets."""
        rotators = {f"{ROTATOR_PREFIX}{name}": one.rotator for name, one in self.applications.items()}
        return {name: one.login for name, one in self.applications.items()} | {
            name: login for name, login in rotators.items() if login
        }

    @property
    def auth_paths(self) -> Mapping[str, str]:
        """Where each auth method is mounted, by its section; that of first boot is none of these."""
        methods = {
            "approle": self.approle,
            "kubernetes": self.kubernetes,
            "jwt": self.jwt,
            "userpass": self.userpass,
            "tenants.issuer": self.tenants.issuer if self.tenants else None,
            "people.oidc": self.people.oidc if self.people else None,
        }
        return {name: method.path for name, method in methods.items() if method}

    @property
    def people_paths(self) -> Mapping[str, str]:
        """Where the auth method of each kind of a member's login is mounted."""
        kinds = {"userpass": "userpass", "people.oidc": "oidc"}
        found = {kinds[name]: path for name, path in self.auth_paths.items() if name in kinds}
        return {"certificate": CertificateLogin.mount, **found}

    @model_validator(mode="before")
    @classmethod
    def _empty_sections(cls, given: object) -> object:
        """A section without a value is neither on nor off."""
        for name, value in given.items() if isinstance(given, dict) else ():
            field = cls.model_fields.get(name)
            if value is not None or field is None or field.is_required() or field.default is not None:
                continue
            for model in shapes.models(field.annotation):
                needed = [inner for inner, one in model.model_fields.items() if one.is_required()]
                on = f"a mapping with {', '.join(needed)}" if needed else "{} to switch it on with its defaults"
                raise SettingError(name, "empty", f"{on}, or no line to leave it off")
        return given

    @model_validator(mode="after")
    def _local_database(self) -> Self:
        """The server that `./estate` starts, which its password file tells from any other."""
        if self.platform.kind == "local" and self.database:
            for name, connection in self.database.connections.items():
                own = (connection.password_file or "").startswith(_LOCAL_POSTGRES)
                if own and connection.port != self.platform.postgres_port:
                    raise SettingError(
                        f"database.connections.{name}.port",
                        str(connection.port),
                        f"platform.postgres_port, which is {self.platform.postgres_port}",
                    )
        return self

    @model_validator(mode="after")
    def _flavour(self) -> Self:
        flavor = self.server.flavor
        if flavor == "openbao" and self.audit:
            raise SettingError(
                "audit",
                f"given ({', '.join(self.audit)})",
                "no entry, since server.flavor is 'openbao', which takes audit devices from its server file only",
            )
        if flavor == "vault" and self.platform.kind == "local":
            raise SettingError(
                "server.flavor", "'vault'", "'openbao', which comes as a package: platform.kind is 'local'"
            )
        if flavor == "vault":
            of_two_types("audit", self.audit)
        if self.platform.kind == "hetzner" and flavor not in self.platform.seal.flavors:
            raise SettingError(
                "platform.seal.kind",
                repr(self.platform.seal.kind),
                f"one of {', '.join(map(repr, kinds_for(flavor)))}, which {flavor!r} has: it is server.flavor",
            )
        if self.platform.kind != "local" and self.database:
            for name, connection in self.database.connections.items():
                if connection.ssl_mode == "disable":
                    kind = self.platform.kind
                    raise SettingError(
                        f"database.connections.{name}.host",
                        repr(connection.host),
                        f"the name of a server, since platform.kind is {kind!r} and none runs beside Vault",
                    )
        return self

    @model_validator(mode="after")
    def _cluster(self) -> Self:
        """What only Vault in a cluster has, and what it hasn't."""
        if self.platform.kind == "eks":
            own = self.kubernetes is not None and self.kubernetes.host is None
            self.platform.hold_beside(self.server, self.audit, self.snapshots, asks_its_own_cluster=own)
            self.platform.hold_rotators(self.applications, asks_its_own_cluster=own)
        elif self.kubernetes and self.kubernetes.host is None:
            expected = f"the URL of a cluster's API server, since platform.kind is {self.platform.kind!r}"
            raise SettingError("kubernetes.host", "missing", expected)
        return self

    @model_validator(mode="after")
    def _snapshots(self) -> Self:
        if self.snapshots is None or self.platform.kind == "eks":
            return self
        remote = self.platform.kind == "hetzner"
        if remote and self.snapshots.store.kind != "bucket":
            raise SettingError(
                "snapshots.store.kind", "'folder'", "'bucket', off the machine, since platform.kind is 'hetzner'"
            )
        if remote != (self.snapshots.node_certificate is not None):
            kind = f"since platform.kind is {self.platform.kind!r}"
            raise SettingError(
                "snapshots.node_certificate",
                "missing" if remote else "given",
                f"a file, {kind} and the node takes snapshots"
                if remote
                else f"none, {kind} and no node takes snapshots",
            )
        if self.platform.kind == "hetzner" and self.platform.ssh is None:
            raise SettingError(
                "platform.ssh",
                "missing",
                "it beside snapshots, since an operator brings the node the credentials they need",
            )
        return self

    @model_validator(mode="after")
    def _seal_beside_snapshots(self) -> Self:
        if self.platform.kind != "hetzner":
            return self
        seal, store = self.platform.seal, self.snapshots.store if self.snapshots else None
        if seal.kind == "static" and seal.escrow and store is None:
            raise SettingError(
                "platform.seal.escrow",
                "true",
                "snapshots beside it, which say for whom the key is encrypted and where it is kept",
            )
        if seal.kind != "awskms" or seal.key_arn or store is None or store.kind != "bucket":
            return self
        if seal.profile == store.profile:
            raise SettingError(
                "platform.seal.profile",
                repr(seal.profile) if seal.profile else "missing",
                "another than snapshots.store.profile, since AWS makes the seal's key and another service the bucket, "
                "each with its own credentials (or give platform.seal.key_arn)",
            )
        return self

    @model_validator(mode="after")
    def _mounts_differ(self) -> Self:
        mounts = {"the estate's own mount": CANARY_MOUNT, **{f"kv.{path}": path for path in self.kv}}
        mounts |= {"database.path": self.database.path} if self.database else {}
        mounts |= {"transit.path": self.transit.path} if self.transit else {}
        if self.pki:
            mounts |= {"pki.root_path": self.pki.root_path, "pki.intermediate_path": self.pki.intermediate_path}
        separate(mounts)
        paths = {f"{name}.path": path for name, path in self.auth_paths.items()}
        separate({"the administrator's login": CertificateLogin.mount, **paths})
        there = sorted({*OWN_MOUNTS, *mounts.values(), *(f"auth/{path}" for path in paths.values())})
        for name, limit in self.rate_limits.items():
            if limit.path and not any(f"{limit.path}/".startswith(f"{mount}/") for mount in there):
                expected = f"one of the mounts, or a path below one: {', '.join(there)}"
                raise SettingError(f"rate_limits.{name}.path", repr(limit.path), expected)
        return self

    @model_validator(mode="after")
    def _references(self) -> Self:
        methods = {AppRoleLogin: self.approle, KubernetesLogin: self.kubernetes, JwtLogin: self.jwt}
        for name, connection in self.database.connections.items() if self.database else ():
            if connection.password_policy:
                where = f"database.connections.{name}.password_policy"
                known(where, connection.password_policy, "password_policies", self.password_policies)
        for name, application in self.applications.items():
            where = f"applications.{name}"
            for setting, login in (("login", application.login), ("rotator", application.rotator)):
                if login and methods[type(login)] is None:
                    raise SettingError(
                        f"{where}.{setting}.kind", repr(login.kind), f"a section {login.kind} in the settings"
                    )
            known(f"{where}.mount", application.mount, "kv", self.kv)
            for setting, granted, choices in (
                ("database_roles", "database.roles", _names(self.database, "roles", "static_roles")),
                ("transit_keys", "transit.keys", _names(self.transit, "keys")),
                ("pki_roles", "pki.roles", _names(self.pki, "roles")),
            ):
                for number, choice in enumerate(getattr(application, setting)):
                    known(f"{where}.{setting}[{number}]", choice, granted, choices)
        return self

    @model_validator(mode="after")
    def _rotations(self) -> Self:
        for application, name, secret in self.secrets():
            if own := secret.rotation:
                where = f"applications.{application}.secrets.{name}.rotation"
                if own.password_policy:
                    known(f"{where}.password_policy", own.password_policy, "password_policies", self.password_policies)
                every = self.rotation.every_of(name, own)
                at_most(f"{where}.grace", self.rotation.grace_of(own), "how often it is rotated", every)
        return self

    @model_validator(mode="after")
    def _people(self) -> Self:
        for name, group in self.people.groups.items() if self.people else ():
            for number, owned in enumerate(group.applications) if isinstance(group, OwnersGroup) else ():
                where = f"people.groups.{name}.applications[{number}]"
                known(where, owned, "applications", self.applications)
                if not self.applications[owned].secrets:
                    raise SettingError(where, repr(owned), "an application that has secrets of its own")
        for name, member in self.people.members.items() if self.people else ():
            if member.login.kind == "userpass" and self.userpass is None:
                where = f"people.members.{name}.login.kind"
                raise SettingError(where, "'userpass'", "a section userpass in the settings")
        return self

    @model_validator(mode="after")
    def _reads_of_others(self) -> Self:
        for name, application in self.applications.items():
            listed: set[tuple[str, str]] = set()
            for number, shared in enumerate(application.reads):
                where, owner = f"applications.{name}.reads[{number}]", shared.application
                known(f"{where}.application", owner, "applications", self.applications)
                if owner == name:
                    raise SettingError(f"{where}.application", repr(owner), "another application")
                for index, secret in enumerate(shared.secrets):
                    setting = f"{where}.secrets[{index}]"
                    known(setting, secret, f"applications.{owner}.secrets", self.applications[owner].secrets)
                    if f"{owner}/{secret}" in application.secrets:
                        own = f"applications.{name}.secrets.{owner}/{secret}"
                        raise SettingError(own, "given", f"another name, since {owner}'s {secret} is called so here")
                    if (owner, secret) in listed:
                        raise SettingError(setting, repr(secret), f"each secret of {owner} once")
                    listed.add((owner, secret))
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        """Names that only become equal on their way: a mount's in Pulumi, a limit's in Vault."""
        for path, other, _ in twins({path: path.replace("/", "-") for path in self.kv}):
            raise SettingError(f"kv.{path}", repr(path), f"a path that differs from {other!r} by more than '/' and '-'")
        for name, login in self.logins.items():
            if name in self.rate_limits and isinstance(login, AppRoleLogin):
                raise SettingError(
                    f"rate_limits.{name}", repr(name), "another name, since this application's login limit has this one"
                )
        return self

    @model_validator(mode="after")
    def _apart_from_tenants(self) -> Self:
        if self.tenants is None:
            return self
        known("tenants.mount", self.tenants.mount, "kv", self.kv)
        if self.server.flavor == "vault" and not self.tenants.ids:
            expected = "the tenants there are, since server.flavor is 'vault', where '+' would be one that reads all"
            raise SettingError("tenants.ids", "empty", expected)
        for application, name, _ in self.secrets():
            mount, path = self.secret_path(application, name)
            if mount == self.tenants.mount and f"{path}/".startswith(f"{self.tenants.folder}/"):
                raise SettingError(
                    f"applications.{application}.secrets.{name}",
                    f"at {mount}/{path}",
                    f"a path outside of {mount}/{self.tenants.folder}, the tenants' folder",
                )
        return self

    @model_validator(mode="after")
    def _one_owner_per_secret(self) -> Self:
        paths = {(application, name): self.secret_path(application, name) for application, name, _ in self.secrets()}
        for (application, name), (other, _), path in twins(paths):
            raise SettingError(
                f"applications.{application}.secrets.{name}",
                f"at {'/'.join(path)}",
                f"a path of its own, where {other} has a secret too (let one of the two list it under reads)",
            )
        return self


def _names(section: Section | None, *fields: str) -> list[str]:
    return [name for field in fields for name in getattr(section, field)] if section else []
