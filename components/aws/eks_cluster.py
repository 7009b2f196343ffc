"""An EKS cluster's control plane, who may use its API, and the add-ons that nodes can't begin without.

Owns all that has to be there before the first node. Refuses AWS' older way of granting access, by a ConfigMap, and
administration to whoever happened to make it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from ..render.aws import role_policies
from .cluster_site import SERVICE_CIDR, EksSite
from .pod_identity import PodIdentity, PodIdentityArgs

_LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")
"""All that there are."""
_ADMINISTRATION = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
_CNI = ("kube-system", "aws-node")
"""Service account of the add-on that gives addresses."""


@dataclass(frozen=True, kw_only=True)
class EksClusterArgs:
    """Which cluster, and where."""

    physical_name: str
    """The cluster's name."""
    site: EksSite
    """Account, versions and networks."""
    subnet_ids: Mapping[str, pulumi.Input[str]]
    """Private subnets by the id of their zone."""
    boundary_arn: pulumi.Input[str]
    """The most that its roles may do, of `RoleBoundary`."""
    kms_key_arn: pulumi.Input[str]
    """Key by which the cluster's secrets are encrypted. It can't be taken away again."""
    protect: bool
    """Keeps the cluster, also for who works without Pulumi."""


class EksCluster(pulumi.ComponentResource):
    """A control plane with access by entries only, its secrets encrypted and its logs kept."""

    cluster_name: pulumi.Output[str]
    """Known once nodes may join: its first add-ons are there."""
    endpoint: pulumi.Output[str]
    """URL of its API."""
    authority: pulumi.Output[str]
    """Who vouches for the API, in base64."""
    cluster_arn: pulumi.Output[str]
    """What identifies it."""
    security_group_id: pulumi.Output[str]
    """Of its nodes, and of what they reach its API by."""
    issuer: pulumi.Output[str]
    """Who signs its service accounts' tokens."""
    provider_arn: pulumi.Output[str] | None
    """Who vouches for them in IAM, where pods take on roles by them."""

    def __init__(self, name: str, args: EksClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:EksCluster", name, {}, opts)
        self._name, self._args = name, args
        self._tags = {"estate": args.physical_name}
        self._child = pulumi.ResourceOptions(parent=self)
        cluster = self._control_plane()
        self._access(cluster)
        self.issuer = cluster.identities[0].oidcs[0].issuer.apply(str)
        self.provider_arn = self._vouching() if args.site.pod_roles == "irsa" else None
        first = self._first_addons(cluster)
        self.cluster_name = pulumi.Output.all(cluster.name, *first).apply(lambda known: str(known[0]))
        self.endpoint, self.cluster_arn = cluster.endpoint, cluster.arn
        self.authority = cluster.certificate_authority.data.apply(str)
        self.security_group_id = cluster.vpc_config.cluster_security_group_id.apply(str)
        self.register_outputs(
            {
                "cluster_name": self.cluster_name,
                "endpoint": self.endpoint,
                "authority": self.authority,
                "cluster_arn": self.cluster_arn,
                "issuer": self.issuer,
            }
        )

    def _vouching(self) -> pulumi.Output[str]:
        """AWS verifies the issuer's certificate by itself, so no fingerprint of it is given."""
        provider = aws.iam.OpenIdConnectProvider(
            f"{self._name}-provider",
            url=self.issuer,
            client_id_lists=[role_policies.TOKENS_FOR],
            tags=self._tags,
            opts=self._child,
        )
        # Known by the issuer; it has to be there before a pod asks.
        return pulumi.Output.all(self.issuer, provider.arn).apply(
            lambda known: self._args.site.identity_provider_arn(known[0])
        )

    def _control_plane(self) -> aws.eks.Cluster:
        name, args, site = self._name, self._args, self._args.site
        role = aws.iam.Role(
            f"{name}-role",
            name=f"{args.physical_name}-cluster",
            assume_role_policy=role_policies.trusts_service("eks", site),
            permissions_boundary=args.boundary_arn,
            tags=self._tags,
            opts=self._child,
        )
        attached = [
            aws.iam.RolePolicyAttachment(
                f"{name}-{policy}", role=role.name, policy_arn=role_policies.managed(policy), opts=self._child
            )
            for policy in role_policies.CLUSTER_POLICIES
        ]
        # EKS would make one that keeps logs for ever.
        logs = aws.cloudwatch.LogGroup(
            f"{name}-logs",
            name=f"/aws/eks/{args.physical_name}/cluster",
            retention_in_days=site.log_days,
            tags=self._tags,
            opts=self._child,
        )
        return aws.eks.Cluster(
            f"{name}-cluster",
            name=args.physical_name,
            role_arn=role.arn,
            version=site.kubernetes_version,
            # Both replace the cluster when they are changed.
            access_config=aws.eks.ClusterAccessConfigArgs(
                authentication_mode="API", bootstrap_cluster_creator_admin_permissions=False
            ),
            # Those below are pinned, and in an order.
            bootstrap_self_managed_addons=False,
            deletion_protection=args.protect,
            enabled_cluster_log_types=list(_LOGS),
            encryption_config=aws.eks.ClusterEncryptionConfigArgs(
                provider=aws.eks.ClusterEncryptionConfigProviderArgs(key_arn=args.kms_key_arn), resources=["secrets"]
            ),
            kubernetes_network_config=aws.eks.ClusterKubernetesNetworkConfigArgs(service_ipv4_cidr=SERVICE_CIDR),
            # Support that goes on for longer costs six times as much.
            upgrade_policy=aws.eks.ClusterUpgradePolicyArgs(support_type="STANDARD"),
            vpc_config=aws.eks.ClusterVpcConfigArgs(
                subnet_ids=list(args.subnet_ids.values()),
                endpoint_private_access=True,
                endpoint_public_access=bool(site.api_cidrs),
                public_access_cidrs=list(site.api_cidrs) or None,
            ),
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect, depends_on=[*attached, logs]),
        )

    def _access(self, cluster: aws.eks.Cluster) -> None:
        """Of roles, never of sessions."""
        site = self._args.site
        people = {"deployer": site.deployer_role_arn, "break-glass": site.break_glass_role_arn}
        for who, arn in people.items():
            if arn is None:
                continue
            entry = aws.eks.AccessEntry(
                f"{self._name}-access-{who}",
                cluster_name=cluster.name,
                principal_arn=arn,
                type="STANDARD",
                tags=self._tags,
                opts=self._child,
            )
            aws.eks.AccessPolicyAssociation(
                f"{self._name}-administers-{who}",
                cluster_name=cluster.name,
                principal_arn=entry.principal_arn,
                policy_arn=_ADMINISTRATION,
                access_scope=aws.eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
                opts=self._child,
            )

    def _first_addons(self, cluster: aws.eks.Cluster) -> list[pulumi.Output[str]]:
        """Without addresses no node is ever ready; without its agent no pod has credentials."""
        args, versions = self._args, self._args.site.addons
        namespace, account = _CNI
        identity = PodIdentityArgs(
            role_name=f"{args.physical_name}-cni",
            account=args.site,
            cluster_name=args.physical_name,
            boundary_arn=args.boundary_arn,
            namespace=namespace,
            service_account=account,
            provider_arn=self.provider_arn,
            managed_policies=role_policies.CNI_POLICIES,
        )
        cni = PodIdentity(f"{self._name}-cni", identity, self._child)
        wanted = {"kube-proxy": versions.kube_proxy, "vpc-cni": versions.vpc_cni}
        if versions.pod_identity_agent is not None:
            wanted["eks-pod-identity-agent"] = versions.pod_identity_agent
        return [
            aws.eks.Addon(
                f"{self._name}-{addon}",
                cluster_name=cluster.name,
                addon_name=addon,
                addon_version=version,
                configuration_values=json.dumps({"enableNetworkPolicy": "true"}) if addon == "vpc-cni" else None,
                resolve_conflicts_on_update="OVERWRITE",
                tags=self._tags,
                opts=self._child,
                **(cni.of_addon(account) if addon == "vpc-cni" else {}),
            ).id
            for addon, version in sorted(wanted.items())
        ]
