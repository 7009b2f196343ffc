"""The role by which first boot keeps key shares in Secrets Manager.

Owns what it may do there and whose it is. Refuses to read: operators open key shares with rights of their own.
"""

from dataclasses import dataclass

import pulumi

from ..model import NAME, hold
from ..render.aws import role_policies
from ..render.aws.account import AwsAccount
from ..render.chart.jobs import FIRST_BOOT
from ..render.chart.names import JOBS_NAMESPACE
from .pod_identity import PodIdentity, PodIdentityArgs


@dataclass(frozen=True, kw_only=True)
class FirstBootRoleArgs:
    """Whose first boot."""

    physical_name: str
    """The cluster's name, with which the role's begins."""
    account: AwsAccount
    """Where the cluster is."""
    boundary_arn: pulumi.Input[str]
    """The most that the role may do, of `RoleBoundary`."""
    environment: str
    """In the names of the secrets: `vault/ENVIRONMENT/key-shares/…`."""
    provider_arn: pulumi.Input[str] | None = None
    """Identity provider of the cluster in IAM, as for `PodIdentity`."""
    cluster_name: pulumi.Input[str]
    """The cluster, once it is there. The Job has to be made after this component: a pod that is there before never gets
    its role."""

    def __post_init__(self) -> None:
        hold("environment", self.environment, NAME.check)


class FirstBootRole(pulumi.ComponentResource):
    """A role that makes secrets of key shares, each once, and reads none. It stays after the first boot: a server that
    is built anew needs it, and it can replace nothing."""

    role_arn: pulumi.Output[str]
    """The role, with what it may do; the key of key shares has to allow it, too."""
    annotated_arn: pulumi.Output[str] | None
    """As of `PodIdentity`."""

    def __init__(self, name: str, args: FirstBootRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:FirstBootRole", name, {}, opts)
        identity = PodIdentityArgs(
            role_name=f"{args.physical_name}-{FIRST_BOOT}",
            account=args.account,
            cluster_name=args.physical_name,
            boundary_arn=args.boundary_arn,
            namespace=JOBS_NAMESPACE,
            service_account=FIRST_BOOT,
            policy=role_policies.first_boot(args.account, role_policies.key_shares(args.environment)),
            provider_arn=args.provider_arn,
            associated_with=args.cluster_name,
        )
        made = PodIdentity(f"{name}-identity", identity, pulumi.ResourceOptions(parent=self))
        self.role_arn, self.annotated_arn = made.role_arn, made.annotated_arn
        self.register_outputs({"role_arn": self.role_arn})
