"""Roles that pods have by themselves, and nothing that a node could use.

Owns a role and which service account gets it. Refuses several accounts per role: what one may do would be told of
another.
"""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from ..render.aws import role_policies
from ..render.aws.account import AwsAccount


@dataclass(frozen=True, kw_only=True)
class PodIdentityArgs:
    """Whose role, and what it may do."""

    role_name: str
    """The role's name in the account."""
    account: AwsAccount
    """Where the cluster is."""
    cluster_name: str
    """The cluster, which needn't be there yet for the role."""
    boundary_arn: pulumi.Input[str]
    """The most that the role may do, of `RoleBoundary`."""
    namespace: str
    """Namespace of the service account."""
    service_account: str
    """Whose pods have the role. A pod that is made before this never gets it."""
    policy: str | None = None
    """What the role may do, as IAM's JSON; none: only what keys' policies allow it."""
    managed_policies: tuple[str, ...] = ()
    """AWS' own policies for it, by name."""
    associated_with: pulumi.Input[str] | None = None
    """The cluster's name once it is there, where the role is given to the account; None: an add-on does so itself."""


class PodIdentity(pulumi.ComponentResource):
    """A role of one service account's pods, by EKS Pod Identity."""

    role_arn: pulumi.Output[str]
    """The role, with what it may do."""

    def __init__(self, name: str, args: PodIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:PodIdentity", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        cluster_arn = args.account.cluster_arn(args.cluster_name)
        role = aws.iam.Role(
            f"{name}-role",
            name=args.role_name,
            assume_role_policy=role_policies.trusts_pods(args.account, cluster_arn),
            permissions_boundary=args.boundary_arn,
            tags={"estate": args.cluster_name},
            opts=child,
        )
        granted: list[pulumi.Output[str]] = []
        if args.policy:
            granted.append(
                aws.iam.RolePolicy(f"{name}-policy", name="pods", role=role.name, policy=args.policy, opts=child).id
            )
        for policy in args.managed_policies:
            attached = aws.iam.RolePolicyAttachment(
                f"{name}-{policy.rpartition('/')[2]}",
                role=role.name,
                policy_arn=role_policies.managed(policy),
                opts=child,
            )
            granted.append(attached.id)
        if args.associated_with is not None:
            aws.eks.PodIdentityAssociation(
                f"{name}-association",
                cluster_name=args.associated_with,
                namespace=args.namespace,
                service_account=args.service_account,
                role_arn=role.arn,
                tags={"estate": args.cluster_name},
                opts=child,
            )
        self.role_arn = pulumi.Output.all(role.arn, *granted).apply(lambda known: str(known[0]))
        self.register_outputs({"role_arn": self.role_arn})
