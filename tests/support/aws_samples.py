"""A cluster in AWS, declared whole: what tests of its components and of the policy pack look at."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from components.aws.access_log_bucket import AccessLogBucket, AccessLogBucketArgs
from components.aws.cluster_bucket import ClusterBucket, ClusterBucketArgs
from components.aws.cluster_keys import ClusterKey, ClusterKeyArgs, ServerKeys, ServerKeysArgs
from components.aws.cluster_network import ClusterNetwork, ClusterNetworkArgs, PrivateSubnets
from components.aws.cluster_postgres import ClusterDatabase, ClusterDatabaseArgs
from components.aws.cluster_site import EksSite
from components.aws.eks_cluster import EksCluster, EksClusterArgs
from components.aws.eks_nodes import EksNodes, EksNodesArgs
from components.aws.first_boot_role import FirstBootRole, FirstBootRoleArgs
from components.aws.pod_identity import PodIdentity, PodIdentityArgs
from components.aws.role_boundary import RoleBoundary, RoleBoundaryArgs
from components.render.aws import key_policies, role_policies
from components.render.aws.postgres import ClusterPostgres
from components.render.snapshots import Bucket

NAME = "vault-staging"
BUCKET = "snapshots-of-vault-staging"
ACCOUNT = "123456789012"
BREAK_GLASS = f"arn:aws:iam::{ACCOUNT}:role/break-glass"
SITE: Mapping[str, Any] = {
    "account_id": ACCOUNT,
    "region": "eu-central-1",
    "deployer_role_arn": f"arn:aws:iam::{ACCOUNT}:role/up",
    "break_glass_role_arn": BREAK_GLASS,
    "zone_ids": ["euc1-az1", "euc1-az2", "euc1-az3"],
    "nat_gateways": "one",
    "endpoints": "none",
    "system_nodes": 2,
    "log_days": 30,
    "api_cidrs": ["203.0.113.0/24"],
    "addons": {
        name: f"v1.{number}.0-eksbuild.1"
        for number, name in enumerate(
            (
                "vpc_cni",
                "kube_proxy",
                "pod_identity_agent",
                "coredns",
                "ebs_csi_driver",
                "cert_manager",
                "metrics_server",
            )
        )
    },
}


def site(**parts: Any) -> EksSite:
    """Staging's, with parts of it otherwise."""
    return EksSite(**{**SITE, **parts})


def by_tokens(**parts: Any) -> EksSite:
    """The same, where pods take on roles by their tokens."""
    addons = {name: version for name, version in SITE["addons"].items() if name != "pod_identity_agent"}
    return site(pod_roles="irsa", addons=addons, **parts)


def cluster(where: EksSite, *, replicas: int = 3, protect: bool = True) -> None:
    """Everything in AWS."""
    provider = aws.Provider("aws", region=where.region)
    options = pulumi.ResourceOptions(providers=[provider])
    most = RoleBoundaryArgs(physical_name=NAME, account=where, environment="staging")
    boundary = RoleBoundary("boundary", most, options).arn
    of_network = ClusterNetworkArgs(physical_name=NAME, site=where, boundary_arn=boundary, buckets=(BUCKET,))
    network = ClusterNetwork("network", of_network, options).subnets
    own = ClusterKeyArgs(
        physical_name=f"{NAME}-disks",
        description="Volumes and secrets",
        account=where,
        policy=key_policies.disks_key(where),
        protect=protect,
    )
    disks = ClusterKey("disks", own, options).key_arn
    control_plane = EksCluster(
        "eks",
        EksClusterArgs(
            physical_name=NAME,
            site=where,
            subnet_ids=network.ids,
            boundary_arn=boundary,
            kms_key_arn=disks,
            protect=protect,
        ),
        options,
    )
    _keys(where, boundary, control_plane, network, protect=protect, options=options)
    ClusterDatabase(
        "postgres",
        ClusterDatabaseArgs(
            physical_name=NAME,
            site=where,
            postgres=ClusterPostgres(),
            password="first",
            vpc_id=network.vpc_id,
            subnet_ids=network.ids,
            boundary_arn=boundary,
            protect=protect,
        ),
        options,
    )
    EksNodes(
        "nodes",
        EksNodesArgs(
            physical_name=NAME,
            cluster_name=control_plane.cluster_name,
            site=where,
            replicas=replicas,
            subnet_ids=network.ids,
            provider_arn=control_plane.provider_arn,
            boundary_arn=boundary,
            kms_key_arn=disks,
        ),
        options,
    )


def _keys(
    where: EksSite,
    boundary: pulumi.Output[str],
    control_plane: EksCluster,
    network: PrivateSubnets,
    *,
    protect: bool,
    options: pulumi.ResourceOptions,
) -> None:
    policies = {
        "servers": None,
        "snapshots": role_policies.snapshots(BUCKET, "raft/"),
    }
    roles = {
        name: PodIdentity(
            name,
            PodIdentityArgs(
                role_name=f"{NAME}-{name}",
                account=where,
                cluster_name=NAME,
                boundary_arn=boundary,
                provider_arn=control_plane.provider_arn,
                namespace="vault" if name == "servers" else "vault-jobs",
                service_account="vault" if name == "servers" else name,
                policy=policy,
                associated_with=control_plane.cluster_name,
            ),
            options,
        ).role_arn
        for name, policy in policies.items()
    }
    first_boot = FirstBootRoleArgs(
        physical_name=NAME,
        account=where,
        boundary_arn=boundary,
        environment="staging",
        provider_arn=control_plane.provider_arn,
        cluster_name=control_plane.cluster_name,
    )
    args = ServerKeysArgs(
        physical_name=NAME,
        account=where,
        namespace="vault",
        service_account="vault",
        servers_role_arn=roles["servers"],
        provider_arn=control_plane.provider_arn,
        first_boot_role_arn=FirstBootRole("bootstrap", first_boot, options).role_arn,
        snapshots_role_arn=roles["snapshots"],
        kms_endpoint_id=network.kms_endpoint_id,
        protect=protect,
    )
    keys = ServerKeys("keys", args, options)
    assert keys.snapshots_key_arn is not None
    bucket = Bucket(name=BUCKET, endpoint=f"https://s3.{where.region}.amazonaws.com", region=where.region)
    of_records = AccessLogBucketArgs(
        bucket_name=f"{BUCKET}-logs", recorded_name=BUCKET, account=where, log_days=where.log_days, protect=protect
    )
    records = AccessLogBucket("access-logs", of_records, options).bucket_name
    ClusterBucket(
        "snapshot",
        ClusterBucketArgs(bucket=bucket, kms_key_arn=keys.snapshots_key_arn, access_logs=records, protect=protect),
        options,
    )


def computed(kind: str, name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """What AWS would say of what it made."""
    if kind == "aws:eks/cluster:Cluster":
        return {
            "arn": f"arn:aws:eks:eu-central-1:{ACCOUNT}:cluster/{inputs['name']}",
            "endpoint": "https://eks.example.com",
            "certificateAuthority": {"data": "QUE="},
            "identities": [{"oidcs": [{"issuer": "https://oidc.example.com"}]}],
        }
    if kind == "aws:kms/key:Key":
        return {"arn": f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/{name}", "keyId": name}
    if kind in ("aws:iam/role:Role", "aws:iam/policy:Policy"):
        return {"arn": f"arn:aws:iam::{ACCOUNT}:{kind.rpartition(':')[2].lower()}/{inputs['name']}"}
    if kind == "aws:cloudwatch/logGroup:LogGroup":
        return {"arn": f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:{inputs['name']}"}
    if kind == "aws:ec2/launchTemplate:LaunchTemplate":
        return {"latestVersion": 1}
    return {}
