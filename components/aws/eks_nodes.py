"""Nodes of a cluster: for servers, one group in each zone, where their volumes are; and for all else.

Owns machines and the add-ons that need some. Refuses the node's own identity to pods, by IMDSv2 that ends at the node,
and a login by SSH.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from ..render.aws import role_policies
from ..render.chart.names import NODE_LABEL, NODE_TAINT
from .cluster_site import EksSite
from .pod_identity import PodIdentity, PodIdentityArgs

_IMAGE = "AL2023_ARM_64_STANDARD"
_DISK_GIBIBYTES = 30
"""Of a node itself: images and logs. Vault's data are on volumes of their own."""
_TAINT_EFFECTS = {"NoSchedule": "NO_SCHEDULE"}
_DISK_ACCOUNT = ("kube-system", "ebs-csi-controller-sa")


@dataclass(frozen=True, kw_only=True)
class EksNodesArgs:
    """Which nodes, in which cluster."""

    physical_name: str
    """The cluster's name."""
    cluster_name: pulumi.Input[str]
    """The same, once nodes may join."""
    site: EksSite
    """Zones, types and versions."""
    replicas: int
    """How many servers there are; each has a node of its own."""
    subnet_ids: Mapping[str, pulumi.Input[str]]
    """Private subnets by the id of their zone."""
    provider_arn: pulumi.Input[str] | None = None
    """Identity provider of the cluster in IAM, as for `PodIdentity`."""
    boundary_arn: pulumi.Input[str]
    """The most that its roles may do, of `RoleBoundary`."""
    kms_key_arn: pulumi.Input[str]
    """Key of the nodes' disks."""


class EksNodes(pulumi.ComponentResource):
    """Managed node groups of Graviton machines, which are repaired by themselves and updated one by one."""

    role_arn: pulumi.Output[str]
    """The nodes' own role, which may do nothing for pods."""
    scaling_groups: Mapping[str, pulumi.Output[str]]
    """What makes the machines for servers, by the id of their zone: Auto Scaling groups' names."""

    def __init__(self, name: str, args: EksNodesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:EksNodes", name, {}, opts)
        self._name, self._args = name, args
        self._tags = {"estate": args.physical_name}
        self._child = pulumi.ResourceOptions(parent=self)
        self._role, granted = self._identity()
        self._template = self._launch_template()
        self._after = pulumi.ResourceOptions(parent=self, depends_on=granted)
        servers = {
            zone: self._group(f"servers-{zone}", count, [args.subnet_ids[zone]], args.site.node_type, servers=True)
            for zone, count in args.site.servers_by_zone(args.replicas)
        }
        system = [*args.subnet_ids.values()]
        others = self._group("system", args.site.system_nodes, system, args.site.system_node_type, servers=False)
        self._addons([*servers.values(), others])
        self.scaling_groups = {
            zone: group.resources[0].autoscaling_groups[0].name.apply(str) for zone, group in servers.items()
        }
        self.role_arn = self._role.arn
        self.register_outputs({"role_arn": self.role_arn})

    def _identity(self) -> tuple[aws.iam.Role, list[pulumi.Resource]]:
        name, args = self._name, self._args
        role = aws.iam.Role(
            f"{name}-role",
            name=f"{args.physical_name}-nodes",
            assume_role_policy=role_policies.trusts_machines(),
            permissions_boundary=args.boundary_arn,
            tags=self._tags,
            opts=self._child,
        )
        granted: list[pulumi.Resource] = [
            aws.iam.RolePolicyAttachment(
                f"{name}-{policy}", role=role.name, policy_arn=role_policies.managed(policy), opts=self._child
            )
            for policy in role_policies.NODE_POLICIES
        ]
        if args.provider_arn is None:
            granted.append(
                aws.iam.RolePolicy(
                    f"{name}-policy",
                    name="pod-identity",
                    role=role.name,
                    policy=role_policies.hands_out_identities(args.site.cluster_arn(args.physical_name)),
                    opts=self._child,
                )
            )
        return role, granted

    def _launch_template(self) -> aws.ec2.LaunchTemplate:
        """No key for SSH, no user-data, no image: EKS brings its own. A container is one hop further than its node, so
        the metadata service doesn't answer it."""
        disk = aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
            volume_size=_DISK_GIBIBYTES,
            volume_type="gp3",
            encrypted="true",
            kms_key_id=self._args.kms_key_arn,
            delete_on_termination="true",
        )
        return aws.ec2.LaunchTemplate(
            f"{self._name}-template",
            name=f"{self._args.physical_name}-nodes",
            metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
            ),
            monitoring=aws.ec2.LaunchTemplateMonitoringArgs(enabled=True),
            block_device_mappings=[
                aws.ec2.LaunchTemplateBlockDeviceMappingArgs(device_name="/dev/xvda", ebs=disk),
            ],
            # What a group makes isn't the provider's, and gets no tags from it.
            tag_specifications=[
                aws.ec2.LaunchTemplateTagSpecificationArgs(
                    resource_type=kind, tags={**self._args.site.tags, **self._tags}
                )
                for kind in ("instance", "volume")
            ],
            update_default_version=True,
            tags=self._tags,
            opts=self._child,
        )

    def _group(
        self, suffix: str, count: int, subnet_ids: list[pulumi.Input[str]], instance_type: str, *, servers: bool
    ) -> aws.eks.NodeGroup:
        taint = aws.eks.NodeGroupTaintArgs(
            key=NODE_TAINT["key"], value=NODE_TAINT["value"], effect=_TAINT_EFFECTS[NODE_TAINT["effect"]]
        )
        return aws.eks.NodeGroup(
            f"{self._name}-{suffix}",
            cluster_name=self._args.cluster_name,
            # Another type of machine is another group, which is there before the first one goes.
            node_group_name_prefix=f"{suffix}-",
            node_role_arn=self._role.arn,
            subnet_ids=subnet_ids,
            ami_type=_IMAGE,
            capacity_type="ON_DEMAND",
            instance_types=[instance_type],
            version=self._args.site.kubernetes_version,
            scaling_config=aws.eks.NodeGroupScalingConfigArgs(desired_size=count, min_size=count, max_size=count + 1),
            update_config=aws.eks.NodeGroupUpdateConfigArgs(max_unavailable=1),
            node_repair_config=aws.eks.NodeGroupNodeRepairConfigArgs(enabled=True),
            launch_template=aws.eks.NodeGroupLaunchTemplateArgs(
                id=self._template.id, version=self._template.latest_version.apply(str)
            ),
            labels=dict(NODE_LABEL) if servers else {"role": "system"},
            taints=[taint] if servers else None,
            tags=self._tags,
            opts=self._after,
        )

    def _addons(self, groups: list[aws.eks.NodeGroup]) -> None:
        """What runs as ordinary pods: EKS waits for it to, so there have to be nodes."""
        args, versions = self._args, self._args.site.addons
        namespace, account = _DISK_ACCOUNT
        identity = PodIdentityArgs(
            role_name=f"{args.physical_name}-disks",
            account=args.site,
            cluster_name=args.physical_name,
            boundary_arn=args.boundary_arn,
            namespace=namespace,
            service_account=account,
            provider_arn=args.provider_arn,
            managed_policies=role_policies.DISK_POLICIES,
        )
        disks = PodIdentity(f"{self._name}-disks", identity, self._child)
        wanted = {
            "aws-ebs-csi-driver": versions.ebs_csi_driver,
            "cert-manager": versions.cert_manager,
            "coredns": versions.coredns,
            "metrics-server": versions.metrics_server,
        }
        for addon, version in wanted.items():
            aws.eks.Addon(
                f"{self._name}-{addon}",
                cluster_name=args.cluster_name,
                addon_name=addon,
                addon_version=version,
                resolve_conflicts_on_update="OVERWRITE",
                tags=self._tags,
                opts=pulumi.ResourceOptions(parent=self, depends_on=groups),
                **(disks.of_addon(account) if addon == "aws-ebs-csi-driver" else {}),
            )
