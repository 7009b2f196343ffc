"""Settings of a node on Hetzner Cloud: its size, who reaches it, how it proves itself, how it unseals.

Owns what can be asked for and which choices fit together. Refuses networks as wide as the internet, and choices that
need an operator's hand on a node nobody may log in to.
"""

import ipaddress
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.model import (
    LONGEST_HOST,
    Form,
    Host,
    HttpsUrl,
    Ipv4Cidr,
    Name,
    RelativeFile,
    Section,
    SettingError,
    VaultPath,
)

Architecture = Literal["amd64", "arm64"]

_EUROPE = ("fsn1", "nbg1", "hel1")
_EUROPEAN_TYPES = ("cx", "cax")
"""Sold in Europe only, as docs/hetzner.md tells."""


Sha256 = Annotated[str, Form(r"[0-9a-f]{64}", "a SHA-256 checksum: 64 hexadecimal digits in lower case")]
Fingerprint = Annotated[
    str, Form(r"[0-9A-F]{40}", "a key's whole fingerprint: 40 hexadecimal digits in upper case, without spaces")
]
Label = Annotated[
    str,
    Form(
        r"[A-Za-z0-9]?(?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?",
        "a label: at most 63 letters, digits, '.', '_' or '-', beginning and ending with a letter or digit",
    ),
]


class Acme(Section):
    """A certificate of a public authority, fetched by certbot over HTTP-01 and renewed by its timer."""

    kind: Literal["acme"]
    """Fetched by the node."""
    email: Annotated[str, Form(r"[^@\s]+@[^@\s]+", "an e-mail address")]
    """Where the authority writes when a certificate is about to end."""
    directory: HttpsUrl = "https://acme-v02.api.letsencrypt.org/directory"
    """The authority's ACME directory."""
    ca_certificate_file: RelativeFile | None = None
    """PEM file of a private authority, relative to the project's root; none: the system's store knows it. The node
    trusts it for everything."""


class Provided(Section):
    """A certificate an operator brings to the node. Its private key never passes through settings, user-data or
    state."""

    kind: Literal["provided"]
    """Brought by an operator."""
    ca_certificate_file: RelativeFile | None = None
    """PEM file of its authority, relative to the project's root; none: the system's store knows it."""


class Internal(Section):
    """A certificate the node makes for itself, pinned by whoever sees it first."""

    kind: Literal["internal"]
    """Made by the node."""
    certificate_file: RelativeFile
    """Where the pinned certificate is kept beside the project, relative to its root. Deleting it pins anew."""


Tls = Annotated[Acme | Provided | Internal, Field(discriminator="kind")]


class AwsKms(Section):
    """AWS KMS opens the seal. The credential is brought to the node by an operator, wrapped by `systemd-creds`."""

    kind: Literal["awskms"]
    """By AWS KMS."""
    region: Annotated[str, Form(r"[a-z]{2}(?:-[a-z]+)+-\d", "an AWS region such as eu-central-1")]
    """The key's region."""
    profile: Name | None = None
    """Name of the profile in AWS' files with which the key is made; it comes before the variables `AWS_*`. None: those
    variables, or whatever else AWS' tools find."""
    key_arn: (
        Annotated[str, Form(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+", "the ARN of a KMS key")] | None
    ) = None
    """The key; none: the estate makes one, and a user who may use it from the node only."""

    @model_validator(mode="after")
    def _region_of_the_key(self) -> Self:
        if self.key_arn and self.key_arn.split(":")[3] != self.region:
            raise SettingError(
                "region", repr(self.region), f"{self.key_arn.split(':')[3]!r}, where key_arn says its key is"
            )
        return self


class TransitSeal(Section):
    """The transit engine of another Vault opens the seal. Its token is brought to the node as for `awskms`."""

    kind: Literal["transit"]
    """By another Vault."""
    address: HttpsUrl
    """The other Vault's URL."""
    key: Name
    """Name of its transit key."""
    mount: VaultPath = "transit"
    """Where its transit engine is mounted."""


class Static(Section):
    """A key born on the node opens the seal. OpenBao only. It guards snapshots; who has the volume has the key."""

    kind: Literal["static"]
    """By a key of the node's own."""
    escrow: bool = False
    """Keep the key, encrypted for `snapshots.recipients`, and custody beside the snapshots, which then survive the
    volume. The price: whoever has one recipient's private key and can read the bucket has everything Vault holds."""


class Shamir(Section):
    """Operators open the seal after each start of the server."""

    kind: Literal["shamir"]
    """By people."""


Seal = Annotated[AwsKms | TransitSeal | Static | Shamir, Field(discriminator="kind")]


class Download(Section):
    """Where the server's release comes from, and what it must be. Both checks have to pass on the node."""

    checksums: Annotated[dict[Architecture, Sha256], Field(min_length=1)]
    """SHA-256 of the release's archive by architecture."""
    source: HttpsUrl | None = None
    """Folder of the release's files on a mirror; none: the flavour's own release."""
    signing_key: HttpsUrl | None = None
    """Where the armored signing key is; none: the flavour's own place."""
    signing_key_fingerprint: Fingerprint | None = None
    """Of the primary key; none: the flavour's own key."""


class Ssh(Section):
    """Logging in to the node. Without this section nothing listens on port 22 and no rule lets it through."""

    cidrs: Annotated[tuple[Ipv4Cidr, ...], Field(min_length=1, strict=False)]
    """Networks that may reach port 22."""
    public_keys: Annotated[tuple[RelativeFile, ...], Field(min_length=1, strict=False)]
    """Files of OpenSSH public keys, relative to the project's root."""


class Logs(Section):
    """A collector that takes the node's whole journal, the audit log of the `syslog` device with it, over TLS (RFC
    5425). An authority of the node's system store must vouch for its name."""

    host: Host
    """Its name, as its certificate has it."""
    port: Annotated[int, Field(ge=1, le=65_535)] = 6514
    """6514 is the port RFC 5425 gives it."""


class Dns(Section):
    """A record in a zone that Hetzner DNS already serves. It becomes the node's address."""

    zone: Host
    """The zone, which is there already."""
    record: Host
    """Name inside the zone, such as `vault`."""


class HetznerPlatform(Section):
    """One hardened server on Hetzner Cloud, its data on a volume of its own."""

    kind: Literal["hetzner"]
    """A server on Hetzner Cloud."""
    location: Literal["fsn1", "nbg1", "hel1", "ash", "hil", "sin"]
    """Hetzner's name of the place: three in Germany and Finland, the others overseas."""
    server_type: Annotated[str, Form(r"(?:cx|cpx|cax|ccx)\d{2}", "a server type such as cx23 or cax11")]
    """Its family decides the architecture: `cax` is arm64, the others are amd64."""
    image: Literal["debian-12", "ubuntu-24.04"] = "debian-12"
    """The system the node starts from."""
    volume_size_gb: Annotated[int, Field(ge=10, le=10_240)] = 20
    """20 GB, from the Hetzner research. A volume can grow, never shrink."""
    api_cidrs: Annotated[tuple[Ipv4Cidr, ...], Field(min_length=1, strict=False)]
    """Networks that may reach port 8200: applications, and whoever runs `pulumi up`."""
    ssh: Ssh | None = None
    network_cidr: Ipv4Cidr = "10.80.0.0/16"
    """The private network."""
    subnet_cidr: Ipv4Cidr = "10.80.1.0/24"
    """The part of it that the node is in."""
    destinations: dict[Host, Annotated[tuple[Ipv4Cidr, ...], Field(min_length=1, strict=False)]] = {}
    """Networks behind a host name. To a host that isn't listed, its port is open to anywhere."""
    dns: Dns | None = None
    domain: Host | None = None
    """The node's name where its record is kept elsewhere than in Hetzner DNS."""
    labels: dict[Name, Label] = {}
    """Labels of every resource, beside `estate` and `role`."""
    logs: Logs | None = None
    """None: they stay on the node."""
    tls: Tls
    """Where the listener's certificate comes from."""
    seal: Seal
    """What opens the seal."""
    download: Download

    @property
    def architecture(self) -> Architecture:
        """What the server type runs."""
        return "arm64" if self.server_type.startswith("cax") else "amd64"

    @property
    def name(self) -> str | None:
        """The node's name in the DNS; None: it is known by its address."""
        return f"{self.dns.record}.{self.dns.zone}" if self.dns else self.domain

    @property
    def authority_file(self) -> str | None:
        """PEM file the node is verified with, relative to the project's root; None: the system's store."""
        return self.tls.certificate_file if isinstance(self.tls, Internal) else self.tls.ca_certificate_file

    @model_validator(mode="after")
    def _networks(self) -> Self:
        if not ipaddress.IPv4Network(self.subnet_cidr).subnet_of(ipaddress.IPv4Network(self.network_cidr)):
            raise SettingError(
                "subnet_cidr", repr(self.subnet_cidr), f"a part of network_cidr, which is {self.network_cidr!r}"
            )
        if not ipaddress.IPv4Network(self.network_cidr).is_private:
            raise SettingError("network_cidr", repr(self.network_cidr), "a private network such as 10.80.0.0/16")
        return self

    @model_validator(mode="after")
    def _names(self) -> Self:
        if self.dns and self.domain:
            raise SettingError("domain", "given beside dns", "exactly one of the two")
        if len(self.name or "") > LONGEST_HOST:
            raise SettingError(
                "dns", f"a name of {len(self.name or '')} characters", f"at most {LONGEST_HOST} in record and zone"
            )
        if self.name is None and self.tls.kind != "internal":
            raise SettingError(
                "tls.kind", repr(self.tls.kind), "dns or domain beside it, which give the name that is certified"
            )
        return self

    @model_validator(mode="after")
    def _sold(self) -> Self:
        if self.server_type.startswith(_EUROPEAN_TYPES) and self.location not in _EUROPE:
            raise SettingError(
                "server_type",
                repr(self.server_type),
                f"a cpx or ccx in {self.location!r}, since cx and cax are sold in {', '.join(_EUROPE)} only",
            )
        return self

    @model_validator(mode="after")
    def _hands(self) -> Self:
        if self.architecture not in self.download.checksums:
            raise SettingError(
                f"download.checksums.{self.architecture}",
                "missing",
                f"the checksum for what server_type {self.server_type!r} runs",
            )
        if self.ssh is None:
            for setting, kind, by_hand in (
                ("tls.kind", self.tls.kind, ("provided",)),
                ("seal.kind", self.seal.kind, ("awskms", "transit", "shamir")),
            ):
                if kind in by_hand:
                    raise SettingError(
                        setting, repr(kind), "a section ssh beside it, since an operator has to reach the node"
                    )
        return self
