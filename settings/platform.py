"""Settings of where Vault runs, which server it is, and who holds its keys."""

from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from components.model import Form, Name, Port, PositiveSeconds, RelativeFile, Section, SettingError, exactly_one

Version = Annotated[str, Form(r"\d+\.\d+\.\d+", "an exact version such as 2.7.2")]


CertificatePem = Annotated[
    str,
    Form(
        r"-----BEGIN CERTIFICATE-----\n(?:[A-Za-z0-9+/=]+\n)+-----END CERTIFICATE-----\n?",
        "one PEM certificate, from -----BEGIN CERTIFICATE----- to its end",
    ),
]


class Server(Section):
    """Which server runs."""

    flavor: Literal["vault", "openbao"]
    """HashiCorp Vault or OpenBao; they differ in audit devices and seals."""
    version: Version
    """Exact version, for example ``2.7.2``; a moving version is refused."""


class LocalPlatform(Section):
    """OpenBao and PostgreSQL as child processes on loopback, for development and for tests."""

    kind: Literal["local"]
    """This machine."""
    api_port: Port = 8200
    """Port of OpenBao's API on 127.0.0.1."""
    cluster_port: Port = 8201
    """Port of Raft on 127.0.0.1."""
    postgres_port: Port = 15432
    """Port of PostgreSQL on 127.0.0.1."""

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        ports = (self.api_port, self.cluster_port, self.postgres_port)
        if len(set(ports)) != len(ports):
            taken = next(port for number, port in enumerate(ports) if port in ports[:number])
            name = "cluster_port" if taken == self.cluster_port else "postgres_port"
            raise SettingError(name, str(taken), "three different ports in api_port, cluster_port and postgres_port")
        return self


class Operator(Section):
    """A person who holds one share of the unseal or recovery key."""

    name: Name
    """Whose share it is; stands in custody."""
    pgp_key: RelativeFile
    """File of the person's public OpenPGP key, relative to the project's root."""


class AdministratorFiles(NamedTuple):
    """Where the administrator's pair is when the program runs, relative to the project's root."""

    certificate: str
    private_key: str


class Administrator(Section):
    """The identity that configures Vault: a client certificate whose private key never leaves its holder.

    Each half is either a file beside the project, or stands in the stack's file: the certificate as text, the private
    key as a secret. `./estate keys` writes the latter two.
    """

    certificate: RelativeFile | None = None
    """PEM file of the public certificate, relative to the project's root. Either this or `certificate_pem`."""
    certificate_pem: CertificatePem | None = None
    """The public certificate itself."""
    private_key: RelativeFile | None = None
    """PEM file of its private key; read by the provider only, never copied into state. Either this or
    `private_key_secret`."""
    private_key_secret: Name | None = None
    """Name of the flat, encrypted setting that holds the private key as PEM."""
    token_ttl: PositiveSeconds = 3_600
    """How long one login lasts. It must outlive the longest `pulumi up`."""

    def files(self, stack: str) -> AdministratorFiles:
        """Where the pair is: what the settings name, or where what they hold is put when the program starts."""
        return AdministratorFiles(
            certificate=self.certificate or f".estate/{stack}/administrator.crt",
            private_key=self.private_key or f".estate/{stack}/administrator.key",
        )

    @model_validator(mode="after")
    def _each_half_once(self) -> Self:
        exactly_one(self, "certificate", "certificate_pem")
        exactly_one(self, "private_key", "private_key_secret")
        return self


class Bootstrap(Section):
    """First boot: who gets a share, how many are needed, and who may log in afterwards."""

    operators: Annotated[tuple[Operator, ...], Field(min_length=1, strict=False)]
    """Who gets a share; one each."""
    threshold: Annotated[int, Field(ge=1)]
    """Shares needed to unseal, or to act with the recovery key. The field's advice for production: 3 of 5."""
    administrator: Administrator

    @model_validator(mode="after")
    def _check(self) -> Self:
        count = len(self.operators)
        if self.threshold > count:
            raise SettingError("threshold", str(self.threshold), f"at most the number of operators, which is {count}")
        if self.threshold == 1 and count > 1:
            raise SettingError("threshold", "1", "at least 2 for several operators (the server refuses 1)")
        names = [operator.name for operator in self.operators]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise SettingError(f"operators[{number}].name", repr(name), "each name once")
        return self
