"""What a node is made from, as plain frozen values. Owns no text; refuses what only an installed node would notice."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from components.render.bootstrap import Administrator, Operator
from components.render.server_hcl import AwsKmsSeal, Flavor, Seal, ShamirSeal, StaticSeal, TransitSeal
from components.render.traffic import Flow


@dataclass(frozen=True, kw_only=True)
class AcmeTls:
    """certbot fetches the certificate over HTTP-01 and renews it by its own timer."""

    email: str
    directory: str
    """URL of the authority's ACME directory."""
    ca_certificate: str | None = None
    """PEM of a private authority, which the node then trusts; None: the system's store knows it."""


@dataclass(frozen=True, kw_only=True)
class ProvidedTls:
    """An operator brings certificate and key to the volume; the server waits for them."""

    ca_certificate: str | None = None
    """PEM of the authority, for the node's own requests; None: the system's store."""


@dataclass(frozen=True, kw_only=True)
class InternalTls:
    """The node makes a certificate that signs itself."""


Tls = AcmeTls | ProvidedTls | InternalTls


@dataclass(frozen=True, kw_only=True)
class Release:
    """The server's release: where it is and what it has to be."""

    version: str
    architecture: str
    """`amd64` or `arm64`."""
    archive_sha256: str
    source: str | None = None
    """Folder of the files on a mirror; None: the flavour's own."""
    signing_key: str | None = None
    signing_key_fingerprint: str | None = None


@dataclass(frozen=True, kw_only=True)
class Snapshots:
    """Where a node's snapshots go, how often, for whom."""

    bucket: str
    endpoint: str
    region: str
    schedule: str
    """A calendar event of systemd."""
    recipients: tuple[str, ...]
    """age public keys."""
    hourly: int
    daily: int
    weekly: int
    stale_after_seconds: int
    role: str
    """Of the `cert` auth method."""
    canary: str
    """API path of the KV v2 secret that tells how far a snapshot reaches."""
    escrow: bool = False
    """Whether the key of the static seal, encrypted for the recipients, and custody go with them."""


@dataclass(frozen=True, kw_only=True)
class Collector:
    """Who takes the node's journal, by syslog over TLS."""

    host: str
    port: int


@dataclass(frozen=True, kw_only=True)
class Node:
    """Everything a node's user-data is rendered from. None of it is secret."""

    address: str
    """Name or IPv4 address the node is known by, and its certificate is for."""
    flavor: Flavor
    release: Release
    volume_device: str
    """Path of the volume below /dev/disk/by-id, which doesn't depend on the order of disks."""
    tls: Tls
    seal: Seal
    flows: Sequence[Flow]
    operators: tuple[Operator, ...]
    threshold: int
    administrator: Administrator
    ssh_public_keys: tuple[str, ...] = ()
    """Who may log in as `estate`; none: no SSH."""
    snapshots: Snapshots | None = None
    logs: Collector | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9.-]+", self.address):
            raise ValueError(f"address: {self.address!r} is neither a host name nor an IPv4 address")
        if self.logs and not re.fullmatch(r"[A-Za-z0-9.-]+", self.logs.host):
            raise ValueError(f"logs.host: {self.logs.host!r} is no host name")
        if not re.fullmatch(r"/dev/disk/by-id/[A-Za-z0-9_-]+", self.volume_device):
            raise ValueError(f"volume_device: {self.volume_device!r} is not below /dev/disk/by-id")
        if self.snapshots and self.snapshots.escrow and not isinstance(self.seal, StaticSeal):
            raise ValueError(f"escrow: {type(self.seal).__name__} has no key on the node; expected the static seal")
        if not re.fullmatch(r"[0-9a-f]{64}", self.release.archive_sha256):
            raise ValueError(f"archive_sha256: {self.release.archive_sha256!r} is no SHA-256 checksum")
        for key in self.ssh_public_keys:
            if not re.match(r"(?:ssh-|ecdsa-|sk-)\S+ \S+", key) or "\n" in key.strip():
                raise ValueError("ssh_public_keys: expected one line of an OpenSSH public key each")

    @property
    def host_name(self) -> str:
        """The node's name; empty when it is known by its address only."""
        try:
            ipaddress.IPv4Address(self.address)
        except ValueError:
            return self.address
        return ""

    @property
    def auto_unseal(self) -> bool:
        """Whether the server opens its seal without a person."""
        return not isinstance(self.seal, ShamirSeal)

    @property
    def credentials(self) -> tuple[str, ...]:
        """What `systemd-creds` unwraps for the server, by name."""
        match self.seal:
            case StaticSeal():
                return ("seal-key",)
            case AwsKmsSeal():
                return ("aws",)
            case TransitSeal():
                return ("transit-token",)
            case ShamirSeal():
                return ()

    @property
    def waits_for_operator(self) -> bool:
        """Whether the server can start only after an operator brought something to the node."""
        return isinstance(self.tls, ProvidedTls) or isinstance(self.seal, (AwsKmsSeal, TransitSeal))
