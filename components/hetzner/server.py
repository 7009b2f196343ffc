"""One Vault node on Hetzner Cloud: an address and a volume that stay, and a server that may be replaced at any time.

Owns the order in which these are taken apart and put together. Refuses to protect the server itself: what must not be
lost is on the volume, and a server that can't be deleted can't be rebuilt.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import pulumi
import pulumi_hcloud as hcloud

from ..platform.endpoint import Endpoint
from ..platform.readiness import VaultReady, VaultReadyArgs
from ..render import cloud_init
from ..render.login import CertificateLogin
from ..render.node.model import Node, Place
from .site import HetznerSite

_Value = TypeVar("_Value")
_RECORD_SECONDS = 300
"""How long a resolver may keep the node's record. The address stays over rebuilds, so nothing waits for it."""


@dataclass(frozen=True, kw_only=True)
class HetznerServerArgs:
    """What the node is, who administers it, and what its first boot does."""

    physical_name: str
    """Name at Hetzner, and the server's host name."""
    site: HetznerSite
    """Where it is, and how large."""
    node: Node
    """What is on it."""
    subnet_id: pulumi.Input[str]
    """Of the private network."""
    firewall_id: pulumi.Input[int]
    """Of the public side."""
    labels: Mapping[str, str]
    """Of every resource."""
    protect: bool
    """Keeps volume and address, in Pulumi and at Hetzner."""
    login: CertificateLogin
    """Who administers it, and logs in to see whether it is ready."""


class HetznerServer(pulumi.ComponentResource):
    """A Vault on a server of its own. The contents of Vault are on a volume that outlives the server."""

    endpoint: Endpoint
    """What the contents may know of it."""
    cluster_id: pulumi.Output[str]
    """The server's own name for its cluster."""
    address: pulumi.Output[str]
    """The public IPv4 address."""
    certificate_sha256: pulumi.Output[str] | None
    """Fingerprint of the pinned certificate; None where an authority vouches for it."""

    def __init__(self, name: str, args: HetznerServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:HetznerServer", name, {}, opts)
        site, tls = args.site, args.node.tls
        child = pulumi.ResourceOptions(parent=self)
        primary = hcloud.PrimaryIp(
            f"{name}-ip",
            name=args.physical_name,
            type="ipv4",
            location=site.location,
            auto_delete=False,  # or a rebuild would come back with another address
            delete_protection=args.protect,
            labels=args.labels,
            # Which server has it is said by the server; the address would be taken off it again otherwise. An assignee
            # type without an id is a warning of the provider's (pulumi-hcloud 1.43.3: "Unused Attribute").
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect, ignore_changes=["assigneeId"]),
        )
        volume = hcloud.Volume(
            f"{name}-volume",
            name=args.physical_name,
            size=site.volume_size_gb,
            location=site.location,
            delete_protection=args.protect,
            labels=args.labels,
            # No format: the node makes a filesystem, and only where there is none. A format would be a new volume.
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect, ignore_changes=["format", "serverId"]),
        )
        placement = hcloud.PlacementGroup(
            f"{name}-placement", name=args.physical_name, type="spread", labels=args.labels, opts=child
        )
        host = site.name or primary.ip_address
        user_data = pulumi.Output.all(host, volume.linux_device).apply(
            lambda known: cloud_init.render(args.node, Place(address=known[0], volume_device=known[1]))
        )
        server = hcloud.Server(
            f"{name}-server",
            name=args.physical_name,
            server_type=site.server_type,
            image=site.image,
            location=site.location,
            user_data=user_data,
            firewall_ids=[args.firewall_id],
            placement_group_id=placement.id.apply(int),
            public_nets=[hcloud.ServerPublicNetArgs(ipv4_enabled=True, ipv4=primary.id.apply(int), ipv6_enabled=False)],
            backups=False,  # they would copy the system disk only; snapshots of Vault are taken by Vault
            keep_disk=True,  # so that a smaller server type stays possible
            # An orderly end: Vault is stopped and its filesystem unmounted before the server is gone.
            shutdown_before_deletion=True,
            labels=args.labels,
            # Address, name and volume can belong to one server at a time.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        server_id = _untraced(server.id.apply(int))
        # One server at a time, for all that follows: the new one couldn't have what the old one still has.
        one_at_a_time = pulumi.ResourceOptions(parent=self, delete_before_replace=True, depends_on=[server])
        private = hcloud.ServerNetwork(
            f"{name}-private",
            server_id=server_id,
            subnet_id=args.subnet_id,
            # The first address is the gateway's.
            ip=str(ipaddress.IPv4Network(site.subnet_cidr)[2]),
            opts=one_at_a_time,
        )
        attachment = hcloud.VolumeAttachment(
            f"{name}-attachment",
            server_id=server_id,
            volume_id=volume.id.apply(int),
            automount=False,  # the node mounts it by its id, after looking at it
            # A server that is deleted lets go of its volumes by itself (docs.hetzner.cloud: Delete a Server), and until
            # then it needs them. Its network it must leave, or the subnet couldn't be deleted.
            opts=pulumi.ResourceOptions.merge(one_at_a_time, pulumi.ResourceOptions(deleted_with=server)),
        )
        needed: list[pulumi.Resource] = [server, private, attachment]
        if site.dns:
            record = hcloud.ZoneRrset(
                f"{name}-record",
                zone=site.dns.zone,
                name=site.dns.record,
                type="A",
                ttl=_RECORD_SECONDS,
                records=[hcloud.ZoneRrsetRecordArgs(value=primary.ip_address)],
                opts=child,
            )
            needed.append(record)
        address = pulumi.Output.from_input(host).apply(args.node.api_address)
        ready = VaultReady(
            f"{name}-ready",
            VaultReadyArgs(
                address=address,
                login=args.login,
                ca_certificate_file=tls.authority_file,
                timeout_seconds=site.boot_timeout,
                server=server.id,
                pins_certificate=tls.is_pinned,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=needed),
        )
        self.cluster_id = ready.cluster_id
        self.certificate_sha256 = ready.certificate_sha256 if tls.is_pinned else None
        self.address = primary.ip_address
        self.endpoint = Endpoint(
            address=address,
            ca_certificate_file=tls.authority_file,
            login=args.login,
            ready=ready,
            administrator_networks=args.node.administrator_networks,
            holds_data=self,
        )
        self.register_outputs({"address": address, "ip_address": self.address, "cluster_id": self.cluster_id})


def _untraced(value: pulumi.Output[int]) -> pulumi.Output[int]:
    """The same value, without the resource it comes from; who takes it must depend on that one in another way.

    Before the engine deletes a server that it replaces it deletes whatever has an input of that server's which calls
    for a replacement, and there it doesn't look at `deleted_with` (pulumi 3.259, step generator). The volume would be
    taken from a running Vault. This way the old server is gone, shut down in order, when its followers' turn comes.
    """
    content = _Later(lambda: cast("Awaitable[int]", value.future(with_unknowns=True)))
    return pulumi.Output(set(), content, _Later(value.is_known), _Later(value.is_secret))


@dataclass(frozen=True)
class _Later(Awaitable[_Value]):
    """What is begun only when it is awaited: where a server fails some never are, of which Python would complain."""

    begin: Callable[[], Awaitable[_Value]]

    def __await__(self) -> Generator[Any, None, _Value]:
        return self.begin().__await__()
