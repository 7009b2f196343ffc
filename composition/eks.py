"""Composition of servers in an EKS cluster: network, cluster, nodes, keys, and what stands in it. Owns the explicit
providers of AWS and of the cluster, and no other resource."""

from collections.abc import Iterator

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from components.aws.cluster_keys import ClusterKey, ClusterKeyArgs, ServerKeys, ServerKeysArgs
from components.aws.cluster_network import ClusterNetwork, ClusterNetworkArgs
from components.aws.cluster_site import API_SERVICE
from components.aws.eks_cluster import EksCluster, EksClusterArgs
from components.aws.eks_nodes import EksNodes, EksNodesArgs
from components.aws.pod_identity import PodIdentity, PodIdentityArgs
from components.kubernetes.certificates import ListenerCertificate, ListenerCertificateArgs
from components.kubernetes.namespaces import ServerNamespaces, ServerNamespacesArgs
from components.kubernetes.provider import cluster_provider
from components.kubernetes.server_chart import ServerChart, ServerChartArgs
from components.kubernetes.storage import ServerStorage, ServerStorageArgs
from components.platform.endpoint import Platform
from components.platform.forwarded import ForwardedServers, ForwardedServersArgs
from components.render.aws import key_policies
from components.render.chart.names import NAMESPACE, RELEASE
from components.render.chart.network_policies import PodTraffic
from components.render.chart.server_file import ClusterServer
from components.render.kubeconfig import kubeconfig
from components.render.traffic import Need
from composition import needs
from settings import Settings
from settings.eks import EksPlatform
from settings.named_files import verify


def build(settings: Settings, platform: EksPlatform) -> Platform:
    """Declare the cluster and the servers in it. Raises ValueError where the chart's archive is another file."""
    verify("platform.chart.checksum", platform.chart.file, platform.chart.checksum)
    made = _Cluster(settings, platform)
    servers = platform.servers(settings.server)
    chart = _inside(settings, platform, servers, made)
    forwarded = ForwardedServers(
        "platform",
        ForwardedServersArgs(
            port=platform.forwarded_port,
            ca_certificate_file=platform.authority_file(pulumi.get_stack()),
            login=settings.bootstrap.administrator.login(pulumi.get_stack()),
            cluster=made.control_plane.cluster_arn,
            replicas=platform.pods.replicas,
            timeout_seconds=platform.boot_timeout,
        ),
        pulumi.ResourceOptions(depends_on=[chart]),
    )
    return Platform(
        endpoint=forwarded.endpoint,
        exports={
            "address": forwarded.endpoint.address,
            "cluster_id": forwarded.cluster_id,
            "cluster_name": made.control_plane.cluster_name,
        },
    )


class _Cluster:
    """What there is in AWS, before anything stands in the cluster."""

    def __init__(self, settings: Settings, platform: EksPlatform) -> None:
        self.name, self._platform, self._protect = f"vault-{settings.environment}", platform, settings.protect
        # Credentials come from the environment of whoever runs the program, of this account or none.
        provider = aws.Provider(
            "aws", region=platform.region, profile=platform.profile, allowed_account_ids=[platform.account_id]
        )
        self._options = pulumi.ResourceOptions(providers=[provider])
        network = ClusterNetwork("network", ClusterNetworkArgs(physical_name=self.name, site=platform), self._options)
        self.disks_key = self._disks_key()
        self.control_plane, self.nodes = self._control_plane(network)
        self.seal_key = None if platform.seal else self._seal_key(network)
        self.provider = self._reached()

    def _disks_key(self) -> pulumi.Output[str]:
        args = ClusterKeyArgs(
            physical_name=f"{self.name}-disks",
            description=f"Volumes and secrets of the cluster, {self.name}",
            account=self._platform,
            policy=key_policies.disks_key(self._platform),
            protect=self._protect,
        )
        return ClusterKey("disks", args, self._options).key_arn

    def _control_plane(self, network: ClusterNetwork) -> tuple[EksCluster, EksNodes]:
        subnets: dict[str, pulumi.Input[str]] = {**network.private_subnet_ids}
        cluster = EksCluster(
            "cluster",
            EksClusterArgs(
                physical_name=self.name,
                site=self._platform,
                subnet_ids=subnets,
                kms_key_arn=self.disks_key,
                protect=self._protect,
            ),
            self._options,
        )
        nodes = EksNodes(
            "nodes",
            EksNodesArgs(
                physical_name=self.name,
                cluster_name=cluster.cluster_name,
                site=self._platform,
                replicas=self._platform.pods.replicas,
                subnet_ids=subnets,
                kms_key_arn=self.disks_key,
            ),
            self._options,
        )
        return cluster, nodes

    def _seal_key(self, network: ClusterNetwork) -> tuple[PodIdentity, pulumi.Output[str] | None]:
        """The key, and the identity that is given to pods as they are made, and never afterwards."""
        identity = PodIdentity(
            "servers",
            PodIdentityArgs(
                role_name=f"{self.name}-servers",
                account=self._platform,
                cluster_name=self.name,
                namespace=NAMESPACE,
                service_account=RELEASE,
                associated_with=self.control_plane.cluster_name,
            ),
            self._options,
        )
        args = ServerKeysArgs(
            physical_name=self.name,
            account=self._platform,
            namespace=NAMESPACE,
            service_account=RELEASE,
            servers_role_arn=identity.role_arn,
            kms_endpoint_id=network.kms_endpoint_id,
            protect=self._protect,
        )
        return identity, ServerKeys("keys", args, self._options).seal_key_arn

    def _reached(self) -> kubernetes.Provider:
        """Its API, for whoever may use it: access is given before."""
        told = pulumi.Output.all(self.control_plane.endpoint, self.control_plane.authority).apply(
            lambda found: kubeconfig(
                name=self.name,
                endpoint=found[0],
                authority=found[1],
                region=self._platform.region,
                profile=self._platform.profile,
            )
        )
        after = pulumi.ResourceOptions(depends_on=[self.control_plane])
        return cluster_provider("kubernetes", kubeconfig=told, cluster=self.control_plane.cluster_arn, opts=after)


def _inside(settings: Settings, platform: EksPlatform, servers: ClusterServer, made: _Cluster) -> ServerChart:
    """What stands in the cluster. Nothing of it is deleted for itself where the cluster goes."""
    identity, seal_key = made.seal_key or (None, None)

    def options(*after: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            providers=[made.provider], depends_on=[made.nodes, *after], deleted_with=made.control_plane
        )

    traffic = PodTraffic(
        flavor=servers.flavor,
        api_networks=(platform.network_cidr, API_SERVICE),
        needs=tuple(_needs(settings, servers)),
        destinations=platform.destinations,
    )
    namespaces = ServerNamespaces(
        "namespaces", ServerNamespacesArgs(traffic=traffic, protect=settings.protect), options()
    )
    certificate = ListenerCertificate("certificate", ListenerCertificateArgs(pods=platform.pods), options(namespaces))
    stored = ServerStorageArgs(server=servers, kms_key_arn=made.disks_key, protect=settings.protect)
    storage = ServerStorage("storage", stored, options(namespaces))
    # A pod that is made before its identity never gets it.
    before = [one for one in (namespaces, certificate, storage, identity) if one is not None]
    return ServerChart(
        "servers-chart",
        ServerChartArgs(server=servers, archive=platform.chart.file, seal_key_arn=seal_key),
        options(*before),
    )


def _needs(settings: Settings, servers: ClusterServer) -> Iterator[Need]:
    """What the pods reach beyond each other and the cluster's own API."""
    yield from servers.seal.needs()
    yield from needs.of_contents(settings)
