"""Settings of the secrets engines, auth methods and guards inside Vault."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from components.model import (
    Form,
    HttpsUrl,
    Name,
    PathOrAll,
    PositiveSeconds,
    RelativeFile,
    Seconds,
    Section,
    VaultPath,
    at_most,
    known,
)

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
Domain = Annotated[str, Form(rf"{_LABEL}(?:\.{_LABEL})*", "a domain such as greenlang.internal")]


class KvMount(Section):
    """A KV version 2 mount; its key is the mount's path."""

    description: str = ""
    max_versions: Annotated[int, Field(ge=1, le=1_000)] = 10
    delete_version_after: Seconds = 0
    """Age at which a version is deleted; 0 keeps versions until `max_versions` pushes them out."""
    cas_required: bool = False
    """Every write must name the version it replaces."""


class AppRole(Section):
    """The AppRole auth method."""

    path: VaultPath = "approle"


class Kubernetes(Section):
    """The Kubernetes auth method."""

    path: VaultPath = "kubernetes"
    host: HttpsUrl
    """URL of the cluster's API server, as Vault reaches it."""
    ca_certificate_file: RelativeFile
    """PEM file of the API server's authority."""


class Jwt(Section):
    """The JWT auth method for continuous integration."""

    path: VaultPath = "jwt"
    oidc_discovery_url: HttpsUrl | None = None
    jwks_url: HttpsUrl | None = None
    bound_issuer: HttpsUrl

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.oidc_discovery_url is None) == (self.jwks_url is None):
            msg = "expected exactly one of oidc_discovery_url and jwks_url"
            raise ValueError(msg)
        return self


class Userpass(Section):
    """The userpass auth method for people, with its lockout."""

    path: VaultPath = "userpass"
    lockout_threshold: Annotated[int, Field(ge=1, le=100)] = 5
    """Failed logins before a user is locked out. Vault's default."""
    lockout_duration: PositiveSeconds = 900
    """How long a locked-out user stays out. Vault's default."""
    lockout_counter_reset: PositiveSeconds = 900
    """Quiet time after which failures are forgotten. Vault's default."""


class DatabaseConnection(Section):
    """One PostgreSQL server as Vault reaches it. The user must be able to create roles."""

    host: Annotated[str, Form(r"[A-Za-z0-9.:-]+", "a host name or an IP address")]
    port: Annotated[int, Field(ge=1, le=65_535)] = 5432
    database: Name
    username: Name
    password_file: RelativeFile | None = None
    """File with the first password, relative to the project's root. Vault rotates it at once."""
    password_secret: Name | None = None
    """Or: name of the encrypted stack setting that holds it (`pulumi config set --secret NAME`)."""
    ssl_mode: Literal["verify-full", "verify-ca", "require", "disable"] = "verify-full"
    """`disable` is accepted on loopback only."""
    rotate_root: bool = True
    """Let Vault replace the first password by one that only Vault knows, once."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.password_file is None) == (self.password_secret is None):
            msg = "expected exactly one of password_file and password_secret"
            raise ValueError(msg)
        if self.ssl_mode == "disable" and self.host not in {"127.0.0.1", "::1", "localhost"}:
            msg = (
                f"ssl_mode is 'disable' for host {self.host!r}; expected 'verify-full' for a host that is not loopback"
            )
            raise ValueError(msg)
        return self


class DatabaseRole(Section):
    """Credentials made on request and dropped with their lease."""

    connection: Name
    access: Literal["readonly", "readwrite"]
    schema_name: Annotated[
        str, Form(r"[A-Za-z_][A-Za-z0-9_]*", "a schema's name: letters, digits or '_', not beginning with a digit")
    ] = "public"
    ttl: PositiveSeconds = 3_600
    max_ttl: PositiveSeconds = 14_400

    @model_validator(mode="after")
    def _ttl(self) -> Self:
        at_most("ttl", self.ttl, "max_ttl", self.max_ttl)
        return self


class DatabaseStaticRole(Section):
    """An existing database user whose password Vault rotates."""

    connection: Name
    username: Name
    rotation_period: Annotated[Seconds, Field(ge=60)] = 7_776_000
    """90 days, from the Hetzner plan's rotation of API keys. The server checks once a minute."""


class Database(Section):
    """The database engine for PostgreSQL."""

    path: VaultPath = "database"
    connections: dict[Name, DatabaseConnection]
    roles: dict[Name, DatabaseRole] = {}
    static_roles: dict[Name, DatabaseStaticRole] = {}

    @model_validator(mode="after")
    def _references(self) -> Self:
        chosen = {name: role.connection for name, role in self.roles.items()}
        chosen |= {name: role.connection for name, role in self.static_roles.items()}
        for name, connection in chosen.items():
            known(f"role {name}: connection", connection, "connections", self.connections)
        both = sorted(self.roles.keys() & self.static_roles.keys())
        if both:
            msg = f"{both[0]!r} is both in roles and in static_roles; expected each name once"
            raise ValueError(msg)
        return self


class TransitKey(Section):
    """A named encryption key that never leaves Vault."""

    type: Literal["aes256-gcm96", "chacha20-poly1305", "rsa-4096", "ecdsa-p256", "ed25519"] = "aes256-gcm96"
    rotation_period: Annotated[Seconds, Field(ge=3_600)] = 7_776_000
    """Age at which Vault adds a new version. The server refuses less than an hour."""
    min_decryption_version: Annotated[int, Field(ge=1)] = 1
    min_encryption_version: Annotated[int, Field(ge=0)] = 0
    derived: bool = False
    convergent: bool = False
    """Same plaintext and context give the same ciphertext. Needs `derived`."""
    deletion_allowed: bool = False

    @model_validator(mode="after")
    def _type_can_do_it(self) -> Self:
        symmetric = ("aes256-gcm96", "chacha20-poly1305")
        for name, asked, types in (
            ("derived", self.derived, (*symmetric, "ed25519")),
            ("convergent", self.convergent, symmetric),
        ):
            if asked and self.type not in types:
                msg = f"{name} is true but type is {self.type!r}; expected a type of {', '.join(types)}"
                raise ValueError(msg)
        if 0 < self.min_encryption_version < self.min_decryption_version:
            msg = (
                f"min_encryption_version is {self.min_encryption_version}; expected 0 (the newest) or at least "
                f"min_decryption_version, which is {self.min_decryption_version}"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _convergent_is_derived(self) -> Self:
        if self.convergent and not self.derived:
            msg = "convergent is true but derived is false; expected derived: true, without which the server refuses it"
            raise ValueError(msg)
        return self


class Transit(Section):
    """The transit engine."""

    path: VaultPath = "transit"
    keys: dict[Name, TransitKey]


class PkiRole(Section):
    """Which certificates may be issued under one name."""

    allowed_domains: Annotated[tuple[Domain, ...], Field(min_length=1, strict=False)]
    server: bool = True
    client: bool = False
    ttl: PositiveSeconds = 86_400
    max_ttl: PositiveSeconds = 259_200
    """72 hours: short leaves, so that revocation hardly matters."""

    @model_validator(mode="after")
    def _ttl(self) -> Self:
        at_most("ttl", self.ttl, "max_ttl", self.max_ttl)
        if not (self.server or self.client):
            msg = "server and client are both false; expected one of them to be true"
            raise ValueError(msg)
        return self


class Pki(Section):
    """A root that signs one intermediate, and the roles of that intermediate."""

    root_path: VaultPath = "pki"
    intermediate_path: VaultPath = "pki_int"
    common_name: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    organization: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    root_ttl: PositiveSeconds = 315_360_000
    """10 years."""
    intermediate_ttl: PositiveSeconds = 157_680_000
    """5 years."""
    roles: dict[Name, PkiRole]

    @model_validator(mode="after")
    def _ttl(self) -> Self:
        at_most("intermediate_ttl", self.intermediate_ttl, "root_ttl", self.root_ttl)
        for name, role in self.roles.items():
            at_most(f"role {name}: max_ttl", role.max_ttl, "intermediate_ttl", self.intermediate_ttl)
        return self


class FileAudit(Section):
    """An audit device that writes to a file. HashiCorp's flavour only, as the other two: OpenBao declares its own."""

    type: Literal["file"]
    file_path: Annotated[str, Form(r"/[^\s]+", "an absolute path without spaces, such as /var/log/vault/audit.log")]


class SyslogAudit(Section):
    """An audit device that writes to the host's syslog."""

    type: Literal["syslog"]


class SocketAudit(Section):
    """An audit device that writes to a socket."""

    type: Literal["socket"]
    address: Annotated[str, StringConstraints(min_length=1)]


AuditDevice = Annotated[FileAudit | SyslogAudit | SocketAudit, Field(discriminator="type")]


class RateLimit(Section):
    """A rate-limit quota on one path, or on the whole server when the path is empty."""

    path: PathOrAll = ""
    rate: Rate
    """Requests per interval."""
    interval: PositiveSeconds = 1


class PasswordPolicy(Section):
    """How Vault makes passwords."""

    length: Annotated[int, Field(ge=20, le=100)] = 32
    """Characters, of which letters of both cases and digits are drawn."""
