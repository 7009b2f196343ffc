"""Settings of a node on Hetzner Cloud: its size, who reaches it, how it proves itself, how it unseals.

Owns what can be asked for and which choices fit together. Refuses networks as wide as the internet, and choices that
need an operator's hand on a node nobody may log in to.
"""

import ipaddress
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from components.model import Form, HttpsUrl, Name, RelativeFile, Section, VaultPath

Architecture = Literal["amd64", "arm64"]

_DEFAULT_ROUTE = 0
_EUROPE = ("fsn1", "nbg1", "hel1")
_EUROPEAN_TYPES = ("cx", "cax")
"""Sold in Europe only, as docs/hetzner.md tells."""
_LONGEST_NAME = 253
"""Of the DNS, in characters (RFC 1035)."""


def _network(value: str) -> str:
    try:
        network = ipaddress.IPv4Network(value)
    except ValueError:
        msg = "expected an IPv4 network such as 203.0.113.0/24, with no bit set behind its length"
        raise ValueError(msg) from None
    if network.prefixlen == _DEFAULT_ROUTE:
        msg = "expected a network smaller than the whole internet"
        raise ValueError(msg)
    return value


Network = Annotated[str, AfterValidator(_network)]
"""An IPv4 network. The node has no IPv6 address, so a rule for one would say nothing."""

Host = Annotated[
    str,
    StringConstraints(max_length=_LONGEST_NAME),
    Form(
        r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*",
        "a host name in lower case, of at most 63 characters between dots",
    ),
]
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
    email: Annotated[str, Form(r"[^@\s]+@[^@\s]+", "an e-mail address")]
    """Where the authority writes when a certificate is about to end."""
    directory: HttpsUrl = "https://acme-v02.api.letsencrypt.org/directory"
    ca_certificate_file: RelativeFile | None = None
    """PEM file of a private authority, relative to the project's root; none: the system's store knows it. The node
    trusts it for everything."""


class Provided(Section):
    """A certificate an operator brings to the node. Its private key never passes through settings, user-data or
    state."""

    kind: Literal["provided"]
    ca_certificate_file: RelativeFile | None = None
    """PEM file of its authority, relative to the project's root; none: the system's store knows it."""


class Internal(Section):
    """A certificate the node makes for itself, pinned by whoever sees it first."""

    kind: Literal["internal"]
    certificate_file: RelativeFile
    """Where the pinned certificate is kept beside the project, relative to its root. Deleting it pins anew."""


Tls = Annotated[Acme | Provided | Internal, Field(discriminator="kind")]


class AwsKms(Section):
    """AWS KMS opens the seal. The credential is brought to the node by an operator, wrapped by `systemd-creds`."""

    kind: Literal["awskms"]
    region: Annotated[str, Form(r"[a-z]{2}(?:-[a-z]+)+-\d", "an AWS region such as eu-central-1")]
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
            msg = f"region is {self.region!r}; expected {self.key_arn.split(':')[3]!r}, where key_arn says its key is"
            raise ValueError(msg)
        return self


class TransitSeal(Section):
    """The transit engine of another Vault opens the seal. Its token is brought to the node as for `awskms`."""

    kind: Literal["transit"]
    address: HttpsUrl
    key: Name
    mount: VaultPath = "transit"


class Static(Section):
    """A key born on the node opens the seal. OpenBao only. It guards snapshots; who has the volume has the key."""

    kind: Literal["static"]
    escrow: bool = False
    """Keep the key, encrypted for `snapshots.recipients`, and custody beside the snapshots, which then survive the
    volume. The price: whoever has one recipient's private key and can read the bucket has everything Vault holds."""


class Shamir(Section):
    """Operators open the seal after each start of the server."""

    kind: Literal["shamir"]


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

    cidrs: Annotated[tuple[Network, ...], Field(min_length=1, strict=False)]
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
    record: Host
    """Name inside the zone, such as `vault`."""


class HetznerPlatform(Section):
    """One hardened server on Hetzner Cloud, its data on a volume of its own."""

    kind: Literal["hetzner"]
    location: Literal["fsn1", "nbg1", "hel1", "ash", "hil", "sin"]
    server_type: Annotated[str, Form(r"(?:cx|cpx|cax|ccx)\d{2}", "a server type such as cx23 or cax11")]
    """Its family decides the architecture: `cax` is arm64, the others are amd64."""
    image: Literal["debian-12", "ubuntu-24.04"] = "debian-12"
    volume_size_gb: Annotated[int, Field(ge=10, le=10_240)] = 20
    """20 GB, from the Hetzner research. A volume can grow, never shrink."""
    api_cidrs: Annotated[tuple[Network, ...], Field(min_length=1, strict=False)]
    """Networks that may reach port 8200: applications, and whoever runs `pulumi up`."""
    ssh: Ssh | None = None
    network_cidr: Network = "10.80.0.0/16"
    subnet_cidr: Network = "10.80.1.0/24"
    destinations: dict[Host, Annotated[tuple[Network, ...], Field(min_length=1, strict=False)]] = {}
    """Networks behind a host name. To a host that isn't listed, its port is open to anywhere."""
    dns: Dns | None = None
    domain: Host | None = None
    """The node's name where its record is kept elsewhere than in Hetzner DNS."""
    labels: dict[Name, Label] = {}
    logs: Logs | None = None
    """None: they stay on the node."""
    tls: Tls
    seal: Seal
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
            msg = f"subnet_cidr is {self.subnet_cidr!r}; expected a part of network_cidr, which is {self.network_cidr}"
            raise ValueError(msg)
        if not ipaddress.IPv4Network(self.network_cidr).is_private:
            msg = f"network_cidr is {self.network_cidr!r}; expected a private network such as 10.80.0.0/16"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _names(self) -> Self:
        if self.dns and self.domain:
            msg = f"domain is {self.domain!r} and dns names {self.name!r}; expected one of the two"
            raise ValueError(msg)
        if len(self.name or "") > _LONGEST_NAME:
            msg = f"dns names a host of {len(self.name or '')} characters; expected at most {_LONGEST_NAME}"
            raise ValueError(msg)
        if self.name is None and self.tls.kind != "internal":
            msg = f"tls.kind is {self.tls.kind!r}; expected dns or domain beside it, the name that is certified"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _sold(self) -> Self:
        if self.server_type.startswith(_EUROPEAN_TYPES) and self.location not in _EUROPE:
            msg = (
                f"server_type is {self.server_type!r} in {self.location!r}; expected a cpx or ccx there, "
                f"since cx and cax are sold in {', '.join(_EUROPE)} only"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _hands(self) -> Self:
        if self.architecture not in self.download.checksums:
            msg = (
                f"download.checksums has no {self.architecture!r}; expected one for it, "
                f"which server_type {self.server_type!r} runs"
            )
            raise ValueError(msg)
        needed = [
            f"{part} is {kind!r}"
            for part, kind, by_hand in (
                ("tls.kind", self.tls.kind, {"provided"}),
                ("seal.kind", self.seal.kind, {"awskms", "transit", "shamir"}),
            )
            if kind in by_hand
        ]
        if needed and self.ssh is None:
            msg = f"{needed[0]}; expected a section ssh beside it, since an operator has to reach the node"
            raise ValueError(msg)
        return self
