"""Where a cluster is in AWS and how large it is: account, zones, networks, nodes, versions.

Owns which of these fit together, and how the network is divided. Refuses a cluster that the loss of one zone ends, and
an API that the whole internet reaches.
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from ..model import PRIVATE_NETWORKS, Form, Ipv4Cidr, Section, SettingError, by_profile, twins
from ..render.aws.account import AwsAccount, zone_prefix
from ..render.aws.load_balancer import LoadBalancer

_PRIVATE_PREFIX, _PUBLIC_PREFIX = 20, 24
"""Of each zone's two subnets: 4,091 addresses for nodes and pods, and 251 for a NAT gateway (AWS keeps five)."""
_NETWORK_PREFIX = 16
SERVICE_CIDR = "172.20.0.0/16"
"""Addresses of the cluster's services, which exist inside of it only. Fixed when a cluster is made; EKS would choose
between two by the network's (AWS EKS, CreateCluster: serviceIpv4Cidr)."""
API_SERVICE = "172.20.0.1/32"
"""The first of them, which the cluster's own API has (Kubernetes, ServiceIPAllocation)."""
_FIRST_PUBLIC = 240
"""Public subnets are at the end of the network, where no private one reaches."""
_FIRST_BALANCER = 248
"""After those, of the same size: subnets of a load balancer."""

AddonVersion = Annotated[
    str, Form(r"v[0-9]+\.[0-9]+\.[0-9]+-eksbuild\.[0-9]+", "an add-on's version such as v1.20.1-eksbuild.1")
]
ZoneId = Annotated[str, Form(r"[a-z]{3,4}[0-9]-az[0-9]+", "a zone's id such as euc1-az1")]
InstanceType = Annotated[
    str,
    Form(
        r"(?:[a-z]+[0-9]+g[a-z]*|is4gen)\.(?:small|medium|large|(?:[1-9][0-9]*)?xlarge|metal(?:-[0-9]+xl)?)",
        "an instance type of Graviton, which the nodes' image is for, of 2 GiB or more, such as m7g.large",
    ),
]
"""A smaller one has no address for the pods that each node runs (AWS EKS, pods by instance type: 4 of a t4g.micro)."""
TagKey = Annotated[
    str,
    Form(
        r"(?!(?i:aws:))(?!(?:estate|Name)\Z)[\w .:/=+@-]{1,128}",
        "a tag's key: up to 128 letters, digits, spaces or any of _.:/=+-@, not beginning with aws:, and neither "
        "estate nor Name, which are the estate's own",
    ),
]
TagValue = Annotated[
    str, Form(r"[\w .:/=+@-]{0,256}", "a tag's value: up to 256 letters, digits, spaces or any of _.:/=+-@")
]
_LOG_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1_096, 1_827, 2_192, 2_557, 2_922, 3_288, 3_653),
)
"""What CloudWatch Logs takes (PutRetentionPolicy)."""
_NOBODYS = tuple(
    map(
        ipaddress.IPv4Network,
        ("0.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"),
    )
)
"""What no packet from the internet comes from (RFC 6890)."""
_SMALLEST_PREFIX = 28
"""Of a network in AWS."""


def _log_days(value: int) -> int:
    if value not in _LOG_DAYS:
        raise ValueError(f"expected one of those that CloudWatch has: {', '.join(map(str, _LOG_DAYS))}")
    return value


def _public(values: tuple[str, ...]) -> tuple[str, ...]:
    for number, value in enumerate(values):
        network = ipaddress.IPv4Network(value)
        if any(network.overlaps(other) for other in (*PRIVATE_NETWORKS, *_NOBODYS)):
            raise SettingError(f"[{number}]", repr(value), "a network of the internet: no other one comes from there")
    return values


@dataclass(frozen=True, kw_only=True)
class ZoneSubnets:
    """One zone's part of the network."""

    zone_id: str
    """The zone by its id, which means the same zone in every account."""
    private_cidr: str
    """For nodes and pods."""
    public_cidr: str
    """For a NAT gateway and nothing else."""
    balancer_cidr: str
    """For a load balancer and nothing else, where there is one."""


class AddonVersions(Section):
    """EKS' add-ons, each at a version that `aws eks describe-addon-versions` shows for the cluster's."""

    vpc_cni: AddonVersion
    """Addresses of pods, and network policies."""
    kube_proxy: AddonVersion
    """Services."""
    pod_identity_agent: AddonVersion | None = None
    """Credentials of pods. None, and only then, where they take on roles by tokens (`pod_roles`)."""
    coredns: AddonVersion
    """Names."""
    ebs_csi_driver: AddonVersion
    """Volumes."""
    cert_manager: AddonVersion
    """Certificates."""
    metrics_server: AddonVersion
    """What pods use."""


class ExistingNetwork(Section):
    """A network that is there, in place of one that is made. Its ways out, its endpoints and its record of traffic are
    its owner's."""

    vpc_id: Annotated[str, Form(r"vpc-[0-9a-f]{8,17}", "a network's id such as vpc-0123456789abcdef0")]
    """The network."""
    subnet_ids: dict[ZoneId, Annotated[str, Form(r"subnet-[0-9a-f]{8,17}", "a subnet's id such as subnet-01234567")]]
    """A private subnet of each zone, by the zone's id."""
    kms_endpoint_id: Annotated[str, Form(r"vpce-[0-9a-f]{8,17}", "an endpoint's id such as vpce-01234567")] | None = (
        None
    )
    """An endpoint of KMS in it, outside of which the seal's key answers nobody. None: there is none."""


class EksSite(AwsAccount):
    """A cluster of EKS in three zones, with nodes for servers only and nodes for all else."""

    zone_ids: Annotated[tuple[ZoneId, ...], Field(min_length=3, max_length=6, strict=False)]
    """Availability zones by their ids; three at least, of which one may be lost."""
    network_cidr: Ipv4Cidr = "10.0.0.0/16"
    """The network, of /16; of an existing one, whatever it has."""
    existing_network: ExistingNetwork | None = None
    nat_gateways: Literal["one", "each_zone"] = by_profile(
        development="one", staging="one", production="each_zone", unless="existing_network"
    )
    """Ways to the internet: `one` for all zones, which is lost with its zone, or one in `each_zone`. Of a network that
    is made."""
    endpoints: Literal["none", "all"] = by_profile(
        development="none", staging="none", production="all", unless="existing_network"
    )
    """AWS' services inside of the network: `all` that a cluster asks, or `none` but S3. Of a network that is made."""
    load_balancer: LoadBalancer | None = None
    """None: the servers are reached from the cluster's pods, and by a forwarded port. In a network that is made."""
    api_cidrs: Annotated[tuple[Ipv4Cidr, ...], Field(max_length=40, strict=False), AfterValidator(_public)] = ()
    """Networks that may reach the cluster's API from the internet. None: it is reached from its own network only. At
    most 40 (AWS EKS, quotas)."""
    kubernetes_version: Annotated[
        str,
        Form(
            r"1\.(?:3[4-9]|[4-9][0-9])",
            "a minor version of Kubernetes from 1.34 on, such as 1.35: AWS ended the standard support of earlier ones",
        ),
    ] = "1.35"
    """Minor version. 1.35 has standard support until 2027-03-27 (AWS EKS, Kubernetes release calendar)."""
    node_type: InstanceType = "m7g.large"
    """Of the nodes for servers."""
    system_node_type: InstanceType = "t4g.medium"
    """Of the other nodes."""
    system_nodes: Annotated[int, Field(ge=2, le=12)] = by_profile(development=2, staging=2, production=3)
    """How many other nodes: what the cluster itself needs is spread over them."""
    log_days: Annotated[int, AfterValidator(_log_days)] = by_profile(development=30, staging=30, production=365)
    """How long logs of the control plane, of the network and of access to the snapshots' bucket are kept: one of the
    terms that CloudWatch has."""
    pod_roles: Literal["pod_identity", "irsa"] = "pod_identity"
    """How pods take on roles of IAM: by an agent on each node, or by tokens that an identity provider of IAM vouches
    for (IRSA), which nodes of Fargate and roles of other accounts need."""
    addons: AddonVersions
    tags: Annotated[dict[TagKey, TagValue], Field(max_length=40)] = {}
    """On everything in AWS that takes tags, beside the estate's own, `estate` and `Name`; such as who pays. At most 40:
    AWS has room for 50, and adds some itself."""

    @property
    def subnets(self) -> tuple[ZoneSubnets, ...]:
        """The network divided, zone by zone."""
        network = ipaddress.IPv4Network(self.network_cidr)
        private = network.subnets(new_prefix=_PRIVATE_PREFIX)
        small = list(network.subnets(new_prefix=_PUBLIC_PREFIX))
        parts = zip(self.zone_ids, private, small[_FIRST_PUBLIC:], small[_FIRST_BALANCER:], strict=False)
        return tuple(
            ZoneSubnets(zone_id=zone, private_cidr=str(inner), public_cidr=str(outer), balancer_cidr=str(balancer))
            for zone, inner, outer, balancer in parts
        )

    def servers_by_zone(self, replicas: int) -> Iterator[tuple[str, int]]:
        """How many servers are in each zone that has any; where it doesn't come out even, the first have one more."""
        zones = len(self.zone_ids)
        for number, zone in enumerate(self.zone_ids):
            if count := replicas // zones + (number < replicas % zones):
                yield zone, count

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        network = ipaddress.IPv4Network(self.network_cidr)
        made = self.existing_network is None
        private = any(network.subnet_of(other) for other in PRIVATE_NETWORKS)
        if not private or (made and network.prefixlen != _NETWORK_PREFIX):
            raise SettingError("network_cidr", repr(self.network_cidr), "a private network of /16 such as 10.0.0.0/16")
        if not _NETWORK_PREFIX <= network.prefixlen <= _SMALLEST_PREFIX:
            expected = f"a network of AWS, from /{_NETWORK_PREFIX} to /{_SMALLEST_PREFIX}"
            raise SettingError("network_cidr", repr(self.network_cidr), expected)
        if network.overlaps(ipaddress.IPv4Network(SERVICE_CIDR)):
            raise SettingError("network_cidr", repr(self.network_cidr), "another one: the cluster's services are there")
        return self

    @model_validator(mode="after")
    def _zones_of_the_region(self) -> Self:
        begins = zone_prefix(self.region)
        for number, zone in enumerate(self.zone_ids):
            if not zone.startswith(f"{begins}-"):
                expected = f"a zone of region, which is {self.region!r}, such as {begins}-az1"
                raise SettingError(f"zone_ids[{number}]", repr(zone), expected)
        return self

    @model_validator(mode="after")
    def _nothing_of_a_network_that_is_made(self) -> Self:
        for name in ("nat_gateways", "endpoints") if self.existing_network else ():
            if name in self.model_fields_set:
                raise SettingError(name, repr(getattr(self, name)), "none, since existing_network is given")
        return self

    @model_validator(mode="after")
    def _an_agent_where_it_is_asked(self) -> Self:
        asked, there = self.pod_roles == "pod_identity", self.addons.pod_identity_agent
        if asked and there is None:
            expected = f"an add-on's version, since pod_roles is {self.pod_roles!r}"
            raise SettingError("addons.pod_identity_agent", "missing", expected)
        if there and not asked:
            raise SettingError("addons.pod_identity_agent", repr(there), f"none, since pod_roles is {self.pod_roles!r}")
        return self

    @model_validator(mode="after")
    def _clients_are_outside(self) -> Self:
        """In the network there are pods only, which are let in by their namespace."""
        if self.load_balancer is None:
            return self
        if self.existing_network:
            raise SettingError("load_balancer", "given", "none, since existing_network is given, where nothing is made")
        own = ipaddress.IPv4Network(self.network_cidr)
        for number, client in enumerate(self.load_balancer.client_cidrs):
            if ipaddress.IPv4Network(client).subnet_of(own):
                expected = f"a network outside of network_cidr, which is {self.network_cidr!r}, or one around it"
                raise SettingError(f"load_balancer.client_cidrs[{number}]", repr(client), expected)
        return self

    @model_validator(mode="after")
    def _a_subnet_in_each_zone(self) -> Self:
        if self.existing_network and self.existing_network.subnet_ids.keys() != set(self.zone_ids):
            told = repr(", ".join(self.existing_network.subnet_ids)) if self.existing_network.subnet_ids else "empty"
            expected = f"one for each of zone_ids: {', '.join(self.zone_ids)}"
            raise SettingError("existing_network.subnet_ids", told, expected)
        for zone, other, subnet in twins(self.existing_network.subnet_ids if self.existing_network else {}):
            where = f"existing_network.subnet_ids.{zone}"
            raise SettingError(where, repr(subnet), f"another subnet than {other} has")
        return self
