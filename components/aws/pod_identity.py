"""Roles that pods have by themselves, and nothing that a node could use.

Owns a role and which service account gets it. Refuses several accounts per role: what one may do would be told of
another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
    provider_arn: pulumi.Input[str] | None = None
    """Identity provider of the cluster in IAM, where pods take the role on by their tokens; None: by Pod Identity."""
    associated_with: pulumi.Input[str] | None = None
    """The cluster's name once it is there, where the role is given to the account; None: an add-on does so itself."""


class PodIdentity(pulumi.ComponentResource):
    """A role of one service account's pods, by EKS Pod Identity or by the account's tokens (IRSA)."""

    role_arn: pulumi.Output[str]
    """The role, with what it may do."""
    annotated_arn: pulumi.Output[str] | None
    """The same, where the service account has to name it; None: by Pod Identity it needn't."""

    def __init__(self, name: str, args: PodIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:PodIdentity", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            f"{name}-role",
            name=args.role_name,
            assume_role_policy=_trust(args),
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
        if args.associated_with is not None and args.provider_arn is None:
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
        self.annotated_arn = None if args.provider_arn is None else self.role_arn
        self.register_outputs({"role_arn": self.role_arn})

    def of_addon(self, service_account: str) -> Mapping[str, Any]:
        """How an add-on gives the role to its pods itself, as arguments of `aws.eks.Addon`."""
        if self.annotated_arn is not None:
            return {"service_account_role_arn": self.annotated_arn}
        given = aws.eks.AddonPodIdentityAssociationArgs(role_arn=self.role_arn, service_account=service_account)
        return {"pod_identity_associations": [given]}


def _trust(args: PodIdentityArgs) -> pulumi.Input[str]:
    if args.provider_arn is None:
        return role_policies.trusts_pods(args.account, args.account.cluster_arn(args.cluster_name))
    return pulumi.Output.from_input(args.provider_arn).apply(
        lambda arn: role_policies.trusts_service_account(arn, args.namespace, args.service_account)
    )
