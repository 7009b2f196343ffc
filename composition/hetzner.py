"""Composition of a node on Hetzner Cloud. Owns the clouds' explicit providers, and no other resource."""

from collections.abc import Iterator

import pulumi
import pulumi_aws as aws
import pulumi_hcloud as hcloud

from components.aws import snapshot_bucket
from components.aws.kms_seal import KmsSeal, KmsSealArgs, alias
from components.aws.snapshot_bucket import SnapshotBucket, SnapshotBucketArgs
from components.hetzner.network import HetznerNetwork, HetznerNetworkArgs
from components.hetzner.server import HetznerServer, HetznerServerArgs
from components.model import Form
from components.platform.endpoint import Platform
from components.render import acl
from components.render.administrator import administrator_policy
from components.render.node.model import Node
from components.render.seals import AwsKmsSeal
from components.render.snapshots import AGE_KEY
from components.render.traffic import Flow, Need, plan
from composition import first_boot, needs
from settings import Settings
from settings.hetzner import HetznerPlatform
from settings.named_files import CERTIFICATE, SSH_KEY


def build(settings: Settings, platform: HetznerPlatform) -> Platform:
    """Declare the node, its network and its snapshots' bucket. Raises ValueError where a named file can't be read."""
    # Without a token here the plugin takes HCLOUD_TOKEN, so that it never gets into the state.
    provider = hcloud.Provider("hcloud")
    options = pulumi.ResourceOptions(providers=[provider])
    physical_name = f"vault-{settings.environment}"
    labels = {"estate": settings.environment, "role": "vault", **platform.labels}
    placed = node(settings, platform, physical_name)
    network = HetznerNetwork(
        "network",
        HetznerNetworkArgs(physical_name=physical_name, site=platform, flows=placed.flows, labels=labels),
        options,
    )
    server = HetznerServer(
        "platform",
        HetznerServerArgs(
            physical_name=physical_name,
            site=platform,
            node=placed,
            subnet_id=network.subnet_id,
            firewall_id=network.firewall_id,
            labels=labels,
            protect=settings.protect,
            login=settings.bootstrap.administrator.login(pulumi.get_stack()),
        ),
        options,
    )
    if isinstance(platform.seal, AwsKmsSeal) and platform.seal.providers:
        # As for Hetzner: credentials come from the environment of whoever runs the program.
        seal = aws.Provider("seal-key", region=platform.seal.region, profile=platform.seal.profile)
        seal_args = KmsSealArgs(physical_name=physical_name, node_address=server.address, protect=settings.protect)
        KmsSeal("seal", seal_args, pulumi.ResourceOptions(providers=[seal]))
    if settings.snapshots:
        # Not a part of the platform: it outlives it.
        bucket = settings.snapshots.bucket
        storage = snapshot_bucket.provider("object-storage", bucket)
        bucket_args = SnapshotBucketArgs(bucket=bucket, protect=settings.protect)
        SnapshotBucket("snapshots", bucket_args, pulumi.ResourceOptions(providers=[storage]))
    exports: dict[str, pulumi.Input[str]] = {
        "address": server.endpoint.address,
        "cluster_id": server.cluster_id,
        "ip_address": server.address,
    }
    if server.certificate_sha256 is not None:
        exports["certificate_sha256"] = server.certificate_sha256
    return Platform(endpoint=server.endpoint, exports=exports)


def node(settings: Settings, platform: HetznerPlatform, physical_name: str) -> Node:
    """Everything about the node that is known before it is there. Raises ValueError where a file can't be read."""
    return Node(
        server=settings.server,
        architecture=platform.architecture,
        download=platform.download,
        tls=platform.tls,
        seal=platform.seal,
        kms_key=alias(physical_name),
        flows=traffic(settings, platform),
        bootstrap=settings.bootstrap,
        policy=acl.render(administrator_policy()),
        administrator_networks=platform.api_cidrs,
        texts=first_boot.texts(_named_files(settings, platform)),
        ssh=platform.ssh,
        snapshots=settings.snapshots,
        logs=platform.logs,
        audit_retention=settings.audit_retention,
        api_port=platform.api_port,
    )


def _named_files(settings: Settings, platform: HetznerPlatform) -> Iterator[tuple[str, str | None, Form]]:
    """The public files that a node gets: by which setting each is named, and what it has to hold."""
    yield from first_boot.named_files(settings.bootstrap)
    yield "platform.tls.ca_certificate_file", platform.tls.trusted_file, CERTIFICATE
    for file in platform.ssh.public_keys if platform.ssh else ():
        yield "platform.ssh.public_keys", file, SSH_KEY
    for file in settings.snapshots.recipients if settings.snapshots else ():
        yield "snapshots.recipients", file, AGE_KEY


def traffic(settings: Settings, platform: HetznerPlatform) -> tuple[Flow, ...]:
    """Every connection the node may take or make, from what is configured."""
    return plan(
        api_networks=platform.api_cidrs,
        api_port=platform.api_port,
        ssh_networks=platform.ssh.cidrs if platform.ssh else (),
        challenges=platform.tls.takes_challenges,
        needs=_needs(settings, platform),
        destinations=platform.destinations,
    )


def _needs(settings: Settings, platform: HetznerPlatform) -> Iterator[Need]:
    """What the node itself reaches, then what Vault does."""
    yield from platform.download.needs()
    yield from platform.tls.needs()
    if settings.snapshots:
        yield from settings.snapshots.bucket.needs()
    if platform.logs:
        yield from platform.logs.needs()
    yield from platform.seal.needs()
    yield from needs.of_contents(settings)
