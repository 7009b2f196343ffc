"""What a node is made from: the sections of settings that tell of it, and what only its place knows.

Owns no text; refuses a place that no node could have. Nothing here is secret.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ...model import Host, Ipv4Cidr, RelativeFile, Section, SettingError
from ..bootstrap import Bootstrap
from ..release import Architecture, Download, Server
from ..seals import Seal
from ..snapshots import Snapshots
from ..tls import Tls
from ..traffic import API_PORT, Flow, Need


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

    def needs(self) -> tuple[Need, ...]:
        """The collector."""
        return (Need(host=self.host, port=self.port, reason="logs"),)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a node turns out to be, which only the cloud knows."""

    address: str
    """Name or IPv4 address the node is known by, and its certificate is for."""
    volume_device: str
    """Path of the volume below /dev/disk/by-id, which doesn't depend on the order of disks."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9.-]+", self.address):
            raise SettingError("address", repr(self.address), "a host name or an IPv4 address")
        if not re.fullmatch(r"/dev/disk/by-id/[A-Za-z0-9_-]+", self.volume_device):
            raise SettingError("volume_device", repr(self.volume_device), "a path below /dev/disk/by-id")

    @property
    def host_name(self) -> str:
        """The node's name; empty when it is known by its address only."""
        try:
            ipaddress.IPv4Address(self.address)
        except ValueError:
            return self.address
        return ""


@dataclass(frozen=True, kw_only=True)
class Node:
    """Everything a node's user-data is rendered from, but its place."""

    server: Server
    architecture: Architecture
    """What its machine runs."""
    download: Download
    tls: Tls
    """Where the listener's certificate comes from."""
    seal: Seal
    """How the server is unsealed."""
    kms_key: str = ""
    """Alias of the seal's KMS key, where the estate makes it."""
    flows: tuple[Flow, ...]
    bootstrap: Bootstrap
    policy: str
    """Text of the administrator's ACL policy."""
    administrator_networks: tuple[str, ...] = ()
    """From where the administrator's token is good; none: from anywhere."""
    texts: Mapping[str, str]
    """What the files hold that the sections name, by their names."""
    ssh: Ssh | None = None
    """None: nobody logs in."""
    snapshots: Snapshots | None = None
    logs: Logs | None = None
    audit_retention: int
    """In seconds."""
    node_id: str = "node-1"
    """Stable name in the Raft cluster."""
    api_port: int = API_PORT
    """Where the server's API listens."""

    @property
    def waits_for_operator(self) -> bool:
        """Whether the server can start only after an operator brought something to the node."""
        return self.tls.waits_for_operator or self.seal.waits_for_operator

    def api_address(self, host: str) -> str:
        """URL of the API, where the node is known by this name or address."""
        return f"https://{host}:{self.api_port}"
