"""What a node on Hetzner Cloud is: its place, its size, its networks and its name.

Owns which of these fit together. Refuses what Hetzner doesn't sell, and networks inside which the node couldn't be.
"""

import ipaddress
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..model import LONGEST_HOST, PRIVATE_NETWORKS, Form, Host, Ipv4Cidr, PositiveSeconds, Section, SettingError
from ..render.release import Architecture

ZONES = {
    "fsn1": "eu-central",
    "nbg1": "eu-central",
    "hel1": "eu-central",
    "ash": "us-east",
    "hil": "us-west",
    "sin": "ap-southeast",
}
"""Network zone of each location (docs.hetzner.com, Cloud, Networks)."""
_SMALLEST_NETWORK, _SMALLEST_SUBNET = 24, 30
"""Prefixes of the smallest that Hetzner makes; the first address of a subnet is its gateway's."""
_EUROPEAN_TYPES = ("cx", "cax")
"""Sold in Europe only, as docs/hetzner.md tells."""


class Dns(Section):
    """A record in a zone that Hetzner DNS already serves. It becomes the node's address."""

    zone: Host
    """The zone, which is there already."""
    record: Host
    """Name inside the zone, such as `vault`."""


class HetznerSite(Section):
    """A server on Hetzner Cloud, its data on a volume of its own, in a private network."""

    location: Literal["fsn1", "nbg1", "hel1", "ash", "hil", "sin"]
    """Hetzner's name of the place: three in Germany and Finland, the others overseas."""
    server_type: Annotated[str, Form(r"(?:cx|cpx|cax|ccx)[0-9]{2}", "a server type such as cx23 or cax11")]
    """Its family decides the architecture: `cax` is arm64, the others are amd64."""
    image: Literal["debian-12", "ubuntu-24.04"] = "debian-12"
    """The system the node starts from. Tests boot both, with another kernel than Hetzner's."""
    volume_size_gb: Annotated[int, Field(ge=10, le=10_240)] = 20
    """20 GB, from the Hetzner research. A volume can grow, never shrink."""
    network_cidr: Ipv4Cidr = "10.80.0.0/16"
    """The private network."""
    subnet_cidr: Ipv4Cidr = "10.80.1.0/24"
    """The part of it that the node is in."""
    dns: Dns | None = None
    domain: Host | None = None
    """The node's name where its record is kept elsewhere than in Hetzner DNS."""
    boot_timeout: PositiveSeconds = 900
    """How long a first boot may take: it upgrades the image's packages, which takes minutes on a small server."""

    @property
    def architecture(self) -> Architecture:
        """What the server type runs."""
        return "arm64" if self.server_type.startswith("cax") else "amd64"

    @property
    def name(self) -> str | None:
        """The node's name in the DNS; None: it is known by its address."""
        return f"{self.dns.record}.{self.dns.zone}" if self.dns else self.domain

    @model_validator(mode="after")
    def _networks(self) -> Self:
        if not ipaddress.IPv4Network(self.subnet_cidr).subnet_of(ipaddress.IPv4Network(self.network_cidr)):
            raise SettingError(
                "subnet_cidr", repr(self.subnet_cidr), f"a part of network_cidr, which is {self.network_cidr!r}"
            )
        network, subnet = (ipaddress.IPv4Network(cidr) for cidr in (self.network_cidr, self.subnet_cidr))
        if network.prefixlen > _SMALLEST_NETWORK or not any(map(network.subnet_of, PRIVATE_NETWORKS)):
            blocks = ", ".join(map(str, PRIVATE_NETWORKS))
            raise SettingError(
                "network_cidr",
                repr(self.network_cidr),
                f"a network of at least 256 addresses in one of {blocks}, such as 10.80.0.0/16",
            )
        if subnet.prefixlen > _SMALLEST_SUBNET:
            raise SettingError(
                "subnet_cidr", repr(self.subnet_cidr), "at least 4 addresses, of which the node has the third"
            )
        return self

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if self.dns and self.domain:
            raise SettingError("domain", "given beside dns", "exactly one of the two")
        if len(self.name or "") > LONGEST_HOST:
            raise SettingError(
                "dns", f"a name of {len(self.name or '')} characters", f"at most {LONGEST_HOST} in record and zone"
            )
        return self

    @model_validator(mode="after")
    def _sold(self) -> Self:
        europe = [location for location, zone in ZONES.items() if zone == "eu-central"]
        if self.server_type.startswith(_EUROPEAN_TYPES) and self.location not in europe:
            raise SettingError(
                "server_type",
                repr(self.server_type),
                f"a cpx or ccx in {self.location!r}, since cx and cax are sold in {', '.join(europe)} only",
            )
        return self
