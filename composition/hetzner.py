"""Composition of a node on Hetzner Cloud. Owns the clouds' explicit providers, and no other resource."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_hcloud as hcloud

from components.aws import snapshot_bucket
from components.aws.kms_seal import KmsSeal, KmsSealArgs, alias
from components.aws.snapshot_bucket import SnapshotBucket, SnapshotBucketArgs
from components.hetzner.network import HetznerNetwork, HetznerNetworkArgs
from components.hetzner.server import DnsRecord, HetznerServer, HetznerServerArgs
from components.platform.endpoint import Platform
from components.render import acl, bootstrap, cloud_init, server_hcl
from components.render.administrator import administrator_policy
from components.render.node.model import AcmeTls, Collector, InternalTls, Node, ProvidedTls, Release, Snapshots, Tls
from components.render.node.snapshots import recipient
from components.render.traffic import HTTPS_PORT, Flow, Need, need_of_url, plan
from settings import Settings, engines, hetzner, snapshots
from settings.hetzner import HetznerPlatform
from settings.named_files import CERTIFICATE, PGP_KEY, SSH_KEY, public, text


def build(settings: Settings, platform: HetznerPlatform) -> Platform:
    """Declare the node, its network and the bucket of its snapshots.

    Raises:
        ValueError: a file that the settings name can't be read.
    """
    # Without a token here the plugin takes HCLOUD_TOKEN, so that it never gets into the state.
    provider = hcloud.Provider("hcloud")
    options = pulumi.ResourceOptions(providers=[provider])
    physical_name = f"vault-{settings.environment}"
    labels = {"estate": settings.environment, "role": "vault", **platform.labels}
    administrator = settings.bootstrap.administrator.files(pulumi.get_stack())
    flows = traffic(settings, platform)
    first_boot = node(settings, platform, flows)
    network = HetznerNetwork(
        "network",
        HetznerNetworkArgs(
            physical_name=physical_name,
            location=platform.location,
            network_cidr=platform.network_cidr,
            subnet_cidr=platform.subnet_cidr,
            flows=flows,
            labels=labels,
        ),
        options,
    )
    server = HetznerServer(
        "platform",
        HetznerServerArgs(
            physical_name=physical_name,
            location=platform.location,
            server_type=platform.server_type,
            image=platform.image,
            volume_size_gb=platform.volume_size_gb,
            subnet_id=network.subnet_id,
            subnet_cidr=platform.subnet_cidr,
            firewall_id=network.firewall_id,
            labels=labels,
            user_data=lambda address, device: cloud_init.render(first_boot.placed(address, device)),
            host_name=platform.name,
            dns=DnsRecord(zone=platform.dns.zone, record=platform.dns.record) if platform.dns else None,
            protect=settings.protect,
            ca_certificate_file=_ca_certificate_file(platform.tls),
            pins_certificate=isinstance(platform.tls, hetzner.Internal),
            administrator_certificate_file=administrator.certificate,
            administrator_private_key_file=administrator.private_key,
        ),
        options,
    )
    if isinstance(platform.seal, hetzner.AwsKms) and platform.seal.key_arn is None:
        # As for Hetzner: credentials come from the environment of whoever runs the program.
        seal = aws.Provider("seal-key", region=platform.seal.region, profile=platform.seal.profile)
        seal_args = KmsSealArgs(physical_name=physical_name, node_address=server.address, protect=settings.protect)
        KmsSeal("seal", seal_args, pulumi.ResourceOptions(providers=[seal]))
    if settings.snapshots:
        _bucket(settings, settings.snapshots.store)
    exports: dict[str, pulumi.Input[str]] = {
        "address": server.endpoint.address,
        "cluster_id": server.cluster_id,
        "ip_address": server.address,
    }
    if server.certificate_sha256 is not None:
        exports["certificate_sha256"] = server.certificate_sha256
    return Platform(endpoint=server.endpoint, exports=exports)


def _bucket(settings: Settings, store: snapshots.Bucket | snapshots.Folder) -> None:
    """Where a node's snapshots go. Not a part of the platform: it outlives it."""
    if isinstance(store, snapshots.Folder):
        return
    args = SnapshotBucketArgs(
        bucket_name=store.name, lock_days=store.lock_days, writer=store.writer, protect=settings.protect
    )
    storage = snapshot_bucket.provider("object-storage", store.endpoint, store.region, store.profile)
    SnapshotBucket("snapshots", args, pulumi.ResourceOptions(providers=[storage]))


def traffic(settings: Settings, platform: HetznerPlatform) -> tuple[Flow, ...]:
    """Every connection the node may take or make, from what is configured."""
    return plan(
        api_networks=platform.api_cidrs,
        ssh_networks=platform.ssh.cidrs if platform.ssh else (),
        acme=isinstance(platform.tls, hetzner.Acme),
        needs=_needs(settings, platform),
        destinations=platform.destinations,
    )


def _needs(settings: Settings, platform: HetznerPlatform) -> list[Need]:
    """What the node itself reaches, then what Vault does."""
    needs = _host_needs(settings, platform)
    if isinstance(platform.seal, hetzner.AwsKms):
        needs.append(need_of_url(f"https://kms.{platform.seal.region}.amazonaws.com", "seal by AWS KMS"))
    if isinstance(platform.seal, hetzner.TransitSeal):
        needs.append(need_of_url(platform.seal.address, "seal by another Vault"))
    if settings.database:
        needs += [
            Need(host=connection.host, port=connection.port, reason=f"database {name}")
            for name, connection in settings.database.connections.items()
        ]
    if settings.kubernetes:
        needs.append(need_of_url(settings.kubernetes.host, "Kubernetes logins"))
    if settings.jwt and not settings.jwt.jwt_validation_pubkeys:
        needs.append(need_of_url(settings.jwt.oidc_discovery_url or settings.jwt.jwks_url or "", "JWT logins"))
    for name, device in settings.audit.items():
        if isinstance(device, engines.SocketAudit):
            host, _, port = device.address.rpartition(":")
            needs.append(Need(host=host, port=int(port), reason=f"audit device {name}"))
    return needs


def _host_needs(settings: Settings, platform: HetznerPlatform) -> list[Need]:
    needs = _mirrors(platform)
    if isinstance(platform.tls, hetzner.Acme):
        needs.append(need_of_url(platform.tls.directory, "ACME"))
    if settings.snapshots and isinstance(settings.snapshots.store, snapshots.Bucket):
        needs.append(need_of_url(settings.snapshots.store.endpoint, "snapshots"))
    if platform.logs:
        needs.append(Need(host=platform.logs.host, port=platform.logs.port, reason="logs"))
    return needs


def _mirrors(platform: HetznerPlatform) -> list[Need]:
    """Servers of the release that the settings name. The usual port is open to anywhere already, for packages."""
    named = filter(None, (platform.download.source, platform.download.signing_key))
    needs = [need_of_url(mirror, "the server's release") for mirror in named]
    return [need for need in needs if need.port != HTTPS_PORT]


@dataclass(frozen=True, kw_only=True)
class _FirstBoot:
    """A node of which only its place isn't known yet."""

    flavor: server_hcl.Flavor
    release: Release
    tls: Tls
    seal: server_hcl.Seal
    flows: tuple[Flow, ...]
    operators: tuple[bootstrap.Operator, ...]
    threshold: int
    administrator: bootstrap.Administrator
    ssh_public_keys: tuple[str, ...]
    snapshots: Snapshots | None
    logs: Collector | None

    def placed(self, address: str, volume_device: str) -> Node:
        """The node at an address, with a volume."""
        return Node(
            address=address,
            volume_device=volume_device,
            flavor=self.flavor,
            release=self.release,
            tls=self.tls,
            seal=self.seal,
            flows=self.flows,
            operators=self.operators,
            threshold=self.threshold,
            administrator=self.administrator,
            ssh_public_keys=self.ssh_public_keys,
            snapshots=self.snapshots,
            logs=self.logs,
        )


def node(settings: Settings, platform: HetznerPlatform, flows: tuple[Flow, ...]) -> _FirstBoot:
    """What the settings say about the node's first boot."""
    first = settings.bootstrap
    return _FirstBoot(
        flavor=server_hcl.Flavor(settings.server.flavor),
        release=Release(
            version=settings.server.version,
            architecture=platform.architecture,
            archive_sha256=platform.download.checksums[platform.architecture],
            source=platform.download.source,
            signing_key=platform.download.signing_key,
            signing_key_fingerprint=platform.download.signing_key_fingerprint,
        ),
        tls=_tls(platform.tls),
        seal=_seal(platform.seal, f"vault-{settings.environment}"),
        flows=flows,
        operators=tuple(
            bootstrap.Operator(
                name=operator.name,
                public_key=public(f"bootstrap.operators {operator.name}.pgp_key", operator.pgp_key, PGP_KEY),
            )
            for operator in first.operators
        ),
        threshold=first.threshold,
        administrator=bootstrap.Administrator(
            certificate=first.administrator.certificate_pem
            or public("bootstrap.administrator.certificate", first.administrator.certificate or "", CERTIFICATE),
            policy=acl.render(administrator_policy()),
            token_ttl_seconds=first.administrator.token_ttl,
            token_bound_cidrs=platform.api_cidrs,
        ),
        logs=Collector(host=platform.logs.host, port=platform.logs.port) if platform.logs else None,
        ssh_public_keys=tuple(public("platform.ssh.public_keys", file, SSH_KEY) for file in platform.ssh.public_keys)
        if platform.ssh
        else (),
        snapshots=_snapshots(settings.snapshots, platform, settings.canary) if settings.snapshots else None,
    )


def _snapshots(wanted: snapshots.Snapshots, platform: HetznerPlatform, canary: str) -> Snapshots | None:
    store = wanted.store
    if isinstance(store, snapshots.Folder):
        return None
    return Snapshots(
        bucket=store.name,
        endpoint=store.endpoint,
        region=store.region,
        schedule=wanted.schedule,
        recipients=tuple(_recipient(file) for file in wanted.recipients),
        hourly=wanted.keep.hourly,
        daily=wanted.keep.daily,
        weekly=wanted.keep.weekly,
        stale_after_seconds=wanted.stale_after,
        role=snapshots.NODE_LOGIN,
        canary=canary,
        escrow=isinstance(platform.seal, hetzner.Static) and platform.seal.escrow,
    )


def _recipient(file: str) -> str:
    content = text("snapshots.recipients", file)
    try:
        return recipient(content)
    except ValueError as error:
        msg = f"vault-estate:estate.snapshots.recipients {file!r} {error}"
        raise ValueError(msg) from None


def _tls(tls: hetzner.Tls) -> Tls:
    if isinstance(tls, hetzner.Internal):
        return InternalTls()
    file = tls.ca_certificate_file
    authority = public("platform.tls.ca_certificate_file", file, CERTIFICATE) if file else None
    if isinstance(tls, hetzner.Acme):
        return AcmeTls(email=tls.email, directory=tls.directory, ca_certificate=authority)
    return ProvidedTls(ca_certificate=authority)


def _ca_certificate_file(tls: hetzner.Tls) -> str | None:
    return tls.certificate_file if isinstance(tls, hetzner.Internal) else tls.ca_certificate_file


def _seal(seal: hetzner.Seal, physical_name: str) -> server_hcl.Seal:
    if isinstance(seal, hetzner.AwsKms):
        return server_hcl.AwsKmsSeal(region=seal.region, key_id=seal.key_arn or alias(physical_name))
    if isinstance(seal, hetzner.TransitSeal):
        return server_hcl.TransitSeal(address=seal.address, key_name=seal.key, mount_path=seal.mount)
    if isinstance(seal, hetzner.Static):
        return server_hcl.StaticSeal(key_file=cloud_init.SEAL_KEY_FILE)
    return server_hcl.ShamirSeal()
