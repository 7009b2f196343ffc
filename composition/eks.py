"""Composition of servers in an EKS cluster: network, cluster, nodes, keys, what stands in it, first boot. Owns the
explicit providers of AWS and of the cluster, and no other resource."""

from collections.abc import Iterator, Mapping

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from components.aws.access_log_bucket import AccessLogBucket, AccessLogBucketArgs
from components.aws.cluster_bucket import ClusterBucket, ClusterBucketArgs
from components.aws.cluster_keys import ClusterKey, ClusterKeyArgs, ServerKeys, ServerKeysArgs
from components.aws.cluster_network import ClusterNetwork, ClusterNetworkArgs, PrivateSubnets
from components.aws.cluster_postgres import ClusterDatabase, ClusterDatabaseArgs
from components.aws.cluster_site import API_SERVICE
from components.aws.eks_cluster import EksCluster, EksClusterArgs
from components.aws.eks_nodes import EksNodes, EksNodesArgs
from components.aws.first_boot_role import FirstBootRole, FirstBootRoleArgs
from components.aws.load_balancer import ClusterLoadBalancer, ClusterLoadBalancerArgs
from components.aws.pod_identity import PodIdentity, PodIdentityArgs
from components.aws.role_boundary import RoleBoundary, RoleBoundaryArgs
from components.kubernetes.authority import PublishedAuthority, PublishedAuthorityArgs
from components.kubernetes.bootstrap_job import BootstrapJob, BootstrapJobArgs
from components.kubernetes.certificates import ListenerCertificate, ListenerCertificateArgs
from components.kubernetes.namespaces import ServerNamespaces, ServerNamespacesArgs
from components.kubernetes.node_port import ServerNodePort, ServerNodePortArgs
from components.kubernetes.provider import cluster_provider
from components.kubernetes.rotation_cron_job import RotationCronJob, RotationCronJobArgs
from components.kubernetes.server_chart import ServerChart, ServerChartArgs
from components.kubernetes.snapshot_cron_job import SnapshotCronJob, SnapshotCronJobArgs
from components.kubernetes.storage import ServerStorage, ServerStorageArgs
from components.model import Form
from components.platform.endpoint import Platform
from components.platform.forwarded import ForwardedServers, ForwardedServersArgs
from components.render import acl
from components.render.administrator import administrator_policy
from components.render.aws import key_policies, role_policies
from components.render.chart import jobs
from components.render.chart.names import JOBS_NAMESPACE, NAMESPACE, RELEASE
from components.render.chart.network_policies import PodTraffic
from components.render.chart.node_port import NODE_PORT
from components.render.chart.server_file import ClusterServer
from components.render.kubeconfig import kubeconfig
from components.render.snapshots import AGE_KEY, PREFIX, Bucket
from components.render.traffic import API_PORT, Need, need_of_url
from composition import first_boot, needs
from composition.contents import SecretReader
from settings import Settings
from settings.client_manifest import client_manifest
from settings.eks import EksPlatform
from settings.named_files import CERTIFICATE, verify

_COPIES = 2
"""Of a snapshot, while it is taken: as Vault gives it, and encrypted."""


def build(settings: Settings, platform: EksPlatform, secret: SecretReader) -> Platform:
    """Declare the cluster and the servers in it. Raises ValueError where the chart's archive is another file, or a
    file that settings name can't be read."""
    made, booted = servers(settings, platform, secret)
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
        pulumi.ResourceOptions(depends_on=[booted]),
    )
    return Platform(
        endpoint=forwarded.endpoint,
        exports={
            "address": forwarded.endpoint.address,
            "cluster_id": forwarded.cluster_id,
            "cluster_name": made.control_plane.cluster_name,
            **({"load_balancer": made.balancer.host} if made.balancer else {}),
            **({"postgres_host": made.database.host} if made.database else {}),
        },
    )


def servers(settings: Settings, platform: EksPlatform, secret: SecretReader) -> "tuple[_Cluster, BootstrapJob]":
    """Declare everything that is there before anybody waits for Vault. Raises ValueError as `build` does."""
    verify("platform.chart.checksum", platform.chart.file, platform.chart.checksum)
    texts = first_boot.texts(_named_files(settings, platform))
    made = _Cluster(settings, platform, secret)
    return made, _inside(settings, platform, made, texts)


def _named_files(settings: Settings, platform: EksPlatform) -> Iterator[tuple[str, str | None, Form]]:
    """The public files that Jobs and servers get."""
    yield from first_boot.named_files(settings.bootstrap)
    for file in settings.snapshots.recipients if settings.snapshots else ():
        yield "snapshots.recipients", file, AGE_KEY
    for number, file in enumerate(platform.authorities):
        yield f"platform.authorities[{number}]", file, CERTIFICATE


class _Cluster:
    """What there is in AWS, before anything stands in the cluster."""

    def __init__(self, settings: Settings, platform: EksPlatform, secret: SecretReader) -> None:
        self.name = platform.cluster_name(settings.environment)
        self._platform, self._protect = platform, settings.protect
        # Credentials come from the environment of whoever runs the program, of this account or none.
        provider = aws.Provider(
            "aws",
            region=platform.region,
            profile=platform.profile,
            allowed_account_ids=[platform.account_id],
            default_tags=aws.ProviderDefaultTagsArgs(tags=platform.tags) if platform.tags else None,
        )
        self._options = pulumi.ResourceOptions(providers=[provider])
        store = settings.snapshots.bucket if settings.snapshots else None
        self._boundary = self._bounded(settings.environment)
        network = self._network((store.name,) if store else ())
        self.disks_key = self._disks_key()
        self.control_plane, self.nodes = self._control_plane(network)
        self.identity = None if platform.seal else self._identity("servers", NAMESPACE, RELEASE)
        self.snapshots = self._taking(store) if store else None
        self.first_boot = self._first_boot(settings.environment)
        self.keys = self._keys(network)
        key = self.keys.snapshots_key_arn
        self.bucket = self._bucket(store, key) if store and key is not None else None
        self.database = self._database(network, secret)
        self.balancer = self._balancer(network)
        self.provider = self._reached()

    def _bounded(self, environment: str) -> pulumi.Output[str]:
        args = RoleBoundaryArgs(physical_name=self.name, account=self._platform, environment=environment)
        return RoleBoundary("boundary", args, self._options).arn

    def _network(self, buckets: tuple[str, ...]) -> PrivateSubnets:
        """One that is made, or the one that is there."""
        if there := self._platform.existing_network:
            return PrivateSubnets(vpc_id=there.vpc_id, ids=there.subnet_ids, kms_endpoint_id=there.kms_endpoint_id)
        args = ClusterNetworkArgs(
            physical_name=self.name, site=self._platform, boundary_arn=self._boundary, buckets=buckets
        )
        return ClusterNetwork("network", args, self._options).subnets

    def _disks_key(self) -> pulumi.Output[str]:
        args = ClusterKeyArgs(
            physical_name=f"{self.name}-disks",
            description=f"Volumes and secrets of the cluster, {self.name}",
            account=self._platform,
            policy=key_policies.disks_key(self._platform),
            protect=self._protect,
        )
        return ClusterKey("disks", args, self._options).key_arn

    def _control_plane(self, network: PrivateSubnets) -> tuple[EksCluster, EksNodes]:
        cluster = EksCluster(
            "cluster",
            EksClusterArgs(
                physical_name=self.name,
                site=self._platform,
                subnet_ids=network.ids,
                boundary_arn=self._boundary,
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
                subnet_ids=network.ids,
                provider_arn=cluster.provider_arn,
                boundary_arn=self._boundary,
                kms_key_arn=self.disks_key,
            ),
            self._options,
        )
        return cluster, nodes

    def _identity(self, name: str, namespace: str, account: str, policy: str | None = None) -> PodIdentity:
        """By which pods of one account use a key, or do what the policy says."""
        return PodIdentity(
            name,
            PodIdentityArgs(
                role_name=f"{self.name}-{name}",
                account=self._platform,
                cluster_name=self.name,
                boundary_arn=self._boundary,
                namespace=namespace,
                service_account=account,
                policy=policy,
                provider_arn=self.control_plane.provider_arn,
                associated_with=self.control_plane.cluster_name,
            ),
            self._options,
        )

    def _taking(self, store: Bucket) -> PodIdentity:
        policy = role_policies.snapshots(store.name, PREFIX)
        return self._identity("snapshots", JOBS_NAMESPACE, jobs.SNAPSHOTS, policy)

    def _bucket(self, store: Bucket, key: pulumi.Output[str]) -> ClusterBucket:
        """It outlives the cluster, and so do the records of who asked it for what."""
        of_records = AccessLogBucketArgs(
            bucket_name=self._platform.access_logs(store),
            recorded_name=store.name,
            account=self._platform,
            log_days=self._platform.log_days,
            protect=self._protect,
        )
        records = AccessLogBucket("access-logs", of_records, self._options).bucket_name
        args = ClusterBucketArgs(bucket=store, kms_key_arn=key, access_logs=records, protect=self._protect)
        return ClusterBucket("snapshots-bucket", args, self._options)

    def _first_boot(self, environment: str) -> FirstBootRole:
        args = FirstBootRoleArgs(
            physical_name=self.name,
            account=self._platform,
            boundary_arn=self._boundary,
            environment=environment,
            provider_arn=self.control_plane.provider_arn,
            cluster_name=self.control_plane.cluster_name,
        )
        return FirstBootRole("first-boot-role", args, self._options)

    def _keys(self, network: PrivateSubnets) -> ServerKeys:
        args = ServerKeysArgs(
            physical_name=self.name,
            account=self._platform,
            namespace=NAMESPACE,
            service_account=RELEASE,
            servers_role_arn=self.identity.role_arn if self.identity else None,
            provider_arn=self.control_plane.provider_arn,
            first_boot_role_arn=self.first_boot.role_arn,
            snapshots_role_arn=self.snapshots.role_arn if self.snapshots else None,
            kms_endpoint_id=network.kms_endpoint_id,
            seal_multi_region=self._platform.seal_multi_region,
            protect=self._protect,
        )
        return ServerKeys("keys", args, self._options)

    def _database(self, network: PrivateSubnets, secret: SecretReader) -> ClusterDatabase | None:
        """For applications. It outlives no cluster: the network goes with that."""
        wanted = self._platform.postgres
        if wanted is None:
            return None
        args = ClusterDatabaseArgs(
            physical_name=self.name,
            site=self._platform,
            postgres=wanted,
            password=secret(wanted.password_secret),
            vpc_id=network.vpc_id,
            subnet_ids=network.ids,
            boundary_arn=self._boundary,
            protect=self._protect,
        )
        return ClusterDatabase("postgres", args, self._options)

    def _balancer(self, network: PrivateSubnets) -> ClusterLoadBalancer | None:
        """For applications outside of the cluster. Whoever administers comes by the forwarded port all the same."""
        wanted = self._platform.load_balancer
        if wanted is None:
            return None
        args = ClusterLoadBalancerArgs(
            physical_name=self.name,
            wanted=wanted,
            api_port=API_PORT,
            node_port=NODE_PORT,
            vpc_id=network.vpc_id,
            subnet_ids=network.balancer_ids,
            nodes_group_id=self.control_plane.security_group_id,
            scaling_groups=self.nodes.scaling_groups,
            protect=self._protect,
        )
        return ClusterLoadBalancer("load-balancer", args, self._options)

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


def _inside(settings: Settings, platform: EksPlatform, made: _Cluster, texts: Mapping[str, str]) -> BootstrapJob:
    """What stands in the cluster, to the end of first boot. Nothing of it is deleted for itself where the cluster
    goes."""
    wanted = platform.servers(settings.server)
    api_networks = (platform.network_cidr, API_SERVICE)

    def options(*after: pulumi.Resource | None) -> pulumi.ResourceOptions:
        before = [one for one in (made.nodes, *after) if one is not None]
        return pulumi.ResourceOptions(providers=[made.provider], depends_on=before, deleted_with=made.control_plane)

    traffic = PodTraffic(
        flavor=wanted.flavor,
        api_networks=api_networks,
        client_networks=tuple(_client_networks(platform)),
        pod_networks=tuple(zone.private_cidr for zone in platform.subnets),
        needs=tuple(_needs(settings, platform, wanted)),
        job_needs=tuple(_needs_of_jobs(settings, platform)),
        destinations=platform.destinations,
    )
    of_namespaces = ServerNamespacesArgs(traffic=traffic, protect=settings.protect)
    namespaces = ServerNamespaces("namespaces", of_namespaces, options())
    names = (platform.load_balancer.domain,) if platform.load_balancer else ()
    certified = ListenerCertificateArgs(pods=platform.pods, more_names=names)
    certificate = ListenerCertificate("certificate", certified, options(namespaces))
    stored = ServerStorageArgs(server=wanted, kms_key_arn=made.disks_key, protect=settings.protect)
    storage = ServerStorage("storage", stored, options(namespaces))
    charted = ServerChartArgs(
        server=wanted,
        archive=platform.chart.file,
        seal_key_arn=made.keys.seal_key_arn,
        role_arn=made.identity.annotated_arn if made.identity else None,
        authorities={f"{number}.crt": texts[file] for number, file in enumerate(platform.authorities)},
    )
    # A pod that is made before its identity never gets it.
    chart = ServerChart("servers-chart", charted, options(namespaces, certificate, storage, made.identity))
    published = PublishedAuthorityArgs(image=platform.tools_image, api_networks=api_networks)
    authority = PublishedAuthority("authority", published, options(namespaces, certificate))
    booted = BootstrapJobArgs(
        bootstrap=settings.bootstrap,
        texts=texts,
        # Ready is told by what only this policy lets the administrator see.
        policy=acl.render(administrator_policy(clustered=platform.pods.replicas > 1)),
        replicas=platform.pods.replicas,
        image=platform.tools_image,
        environment=settings.environment,
        region=platform.region,
        kms_key_arn=made.keys.key_shares_key_arn,
        role_arn=made.first_boot.annotated_arn,
        kept=role_policies.kept_secret(platform),
    )
    first = BootstrapJob("first-boot", booted, options(chart, authority, made.first_boot))
    if settings.snapshots and settings.kubernetes:
        taken = SnapshotCronJobArgs(
            snapshots=settings.snapshots,
            texts=texts,
            image=platform.tools_image,
            role_arn=made.snapshots.annotated_arn if made.snapshots else None,
            scratch_gibibytes=_COPIES * platform.pods.data_gibibytes,
            auth_path=settings.kubernetes.path,
        )
        SnapshotCronJob("snapshot-job", taken, options(first, made.snapshots, made.bucket))
    if platform.load_balancer:
        ServerNodePort("node-port", ServerNodePortArgs(flavor=wanted.flavor), options(first))
    for name, rotated in _rotated(settings, platform):
        RotationCronJob(f"rotation-of-{name}", rotated, options(first))
    return first


def _client_networks(platform: EksPlatform) -> Iterator[str]:
    """Clients by their own addresses, which a load balancer keeps, and itself, that asks who is healthy."""
    if platform.load_balancer:
        yield from platform.load_balancer.client_cidrs
        yield from (zone.balancer_cidr for zone in platform.subnets)


def _rotated(settings: Settings, platform: EksPlatform) -> Iterator[tuple[str, RotationCronJobArgs]]:
    """For each application whose rotator is a pod beside the servers, what that one is told."""
    for name, login in platform.rotators(settings.applications).items():
        told = client_manifest(settings, name, address=jobs.ACTIVE_SERVER, ca_certificate=None, rotator=True)
        yield (
            name,
            RotationCronJobArgs(
                account=login.service_account, document=told.render(), image=str(platform.rotation_image)
            ),
        )


def _needs(settings: Settings, platform: EksPlatform, wanted: ClusterServer) -> Iterator[Need]:
    """What the pods reach beyond each other and the cluster's own API."""
    yield from _needs_of_roles(platform)
    yield from wanted.seal.needs()
    yield from wanted.kms_plugin.needs() if wanted.kms_plugin else ()
    yield from needs.of_contents(settings)


def _needs_of_jobs(settings: Settings, platform: EksPlatform) -> Iterator[Need]:
    yield from _needs_of_roles(platform)
    yield jobs.first_boot_needs(platform.region)
    if settings.snapshots:
        yield from settings.snapshots.bucket.needs()


def _needs_of_roles(platform: EksPlatform) -> Iterator[Need]:
    """Who gives pods credentials for their tokens; an agent is on the node."""
    if platform.pod_roles == "irsa":
        yield need_of_url(f"https://sts.{platform.region}.amazonaws.com", "roles of pods")
