"""The most that any role of a cluster may do: a permissions boundary that all of them have.

Owns one policy of the account's own. Refuses to give anything: what a role may do, its own policies say.
"""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from ..render.aws import role_policies
from ..render.aws.account import AwsAccount


@dataclass(frozen=True, kw_only=True)
class RoleBoundaryArgs:
    """Whose roles."""

    physical_name: str
    """The cluster's name, with which the policy's begins."""
    account: AwsAccount
    """Where they are."""
    environment: str
    """In the names of the key shares, which no role may read or end."""


class RoleBoundary(pulumi.ComponentResource):
    """A policy that roles are bounded by, so that one whose own policy is widened gains nothing new."""

    arn: pulumi.Output[str]
    """What a role's `permissions_boundary` is."""

    def __init__(self, name: str, args: RoleBoundaryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:RoleBoundary", name, {}, opts)
        policy = aws.iam.Policy(
            f"{name}-policy",
            name=f"{args.physical_name}-boundary",
            description=f"The most that a role of {args.physical_name} may do",
            policy=role_policies.boundary(args.account, args.environment),
            tags={"estate": args.physical_name},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = policy.arn
        self.register_outputs({"arn": self.arn})
