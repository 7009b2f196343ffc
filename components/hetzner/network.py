"""The network around a node on Hetzner Cloud: a private network, and a firewall that lets through what is planned.

Refuses to open anything of its own: the plan comes from `render.traffic`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_hcloud as hcloud

from ..render.traffic import Flow, described
from .site import ZONES, HetznerSite

_DESCRIPTION_LENGTH = 255
"""Of a firewall rule (docs.hetzner.cloud, Firewalls)."""


@dataclass(frozen=True, kw_only=True)
class HetznerNetworkArgs:
    """Which networks, and what may pass."""

    physical_name: str
    """Name at Hetzner."""
    site: HetznerSite
    """Where it is, and its networks."""
    flows: Sequence[Flow]
    """What the firewall lets through."""
    labels: Mapping[str, str]
    """Of every resource."""


class HetznerNetwork(pulumi.ComponentResource):
    """A private network with one subnet, and the firewall of the public side. Hetzner's firewall doesn't look at the
    private side; the node's own does."""

    subnet_id: pulumi.Output[str]
    """Of the private network."""
    firewall_id: pulumi.Output[int]
    """Of the public side."""

    def __init__(self, name: str, args: HetznerNetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:HetznerNetwork", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        network = hcloud.Network(
            f"{name}-network", name=args.physical_name, ip_range=args.site.network_cidr, labels=args.labels, opts=child
        )
        subnet = hcloud.NetworkSubnet(
            f"{name}-subnet",
            network_id=network.id.apply(int),
            type="cloud",
            network_zone=ZONES[args.site.location],
            ip_range=args.site.subnet_cidr,
            opts=child,
        )
        firewall = hcloud.Firewall(
            f"{name}-firewall",
            name=args.physical_name,
            rules=[_rule(flow) for flow in args.flows],
            labels=args.labels,
            opts=child,
        )
        self.subnet_id = subnet.id
        self.firewall_id = firewall.id.apply(int)
        self.register_outputs({"subnet_id": self.subnet_id, "firewall_id": self.firewall_id})


def _rule(flow: Flow) -> hcloud.FirewallRuleArgs:
    incoming = flow.direction == "in"
    return hcloud.FirewallRuleArgs(
        direction=flow.direction,
        protocol=flow.protocol,
        port=str(flow.port),
        source_ips=list(flow.networks) if incoming else None,
        destination_ips=None if incoming else list(flow.networks),
        description=described(flow, _DESCRIPTION_LENGTH),
    )
