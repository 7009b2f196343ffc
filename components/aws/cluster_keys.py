"""The KMS keys of a cluster, one for each thing that is encrypted, so that none opens another's.

Owns the keys, their aliases and who may use them. Refuses the seal's key to nodes: what reaches the metadata service
would open Vault.
"""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from ..render.aws import key_policies
from ..render.aws.account import AwsAccount
from .kms_seal import DELETION_WINDOW_DAYS

_ROTATION_DAYS = 365


@dataclass(frozen=True, kw_only=True)
class ClusterKeyArgs:
    """One key."""

    physical_name: str
    """Its alias."""
    description: str
    """What it is for, in words."""
    account: AwsAccount
    """Where it is, and who may lose it."""
    policy: pulumi.Input[str]
    """Who may do what with it, of `render.aws.key_policies`."""
    multi_region: bool = False
    """Whether it can be brought into another region. Another answer is another key."""
    protect: bool
    """Keeps the key."""


class ClusterKey(pulumi.ComponentResource):
    """A KMS key with yearly rotation and an alias. Taking its deletion back is possible for thirty days."""

    key_arn: pulumi.Output[str]
    """The key, by its own name; an alias could be of another key tomorrow."""

    def __init__(self, name: str, args: ClusterKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:ClusterKey", name, {}, opts)
        key = aws.kms.Key(
            f"{name}-key",
            description=args.description,
            policy=args.policy,
            deletion_window_in_days=DELETION_WINDOW_DAYS,
            enable_key_rotation=True,
            multi_region=args.multi_region,
            rotation_period_in_days=_ROTATION_DAYS,
            # Where one role alone may change the policy, AWS refuses the key to everybody else who makes it.
            bypass_policy_lockout_safety_check=args.account.break_glass_role_arn is not None,
            tags={"estate": args.physical_name},
            # Lost with it: everything that it encrypts.
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        aws.kms.Alias(
            f"{name}-alias",
            name=f"alias/{args.physical_name}",
            target_key_id=key.key_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.key_arn = key.arn
        self.register_outputs({"key_arn": self.key_arn})


@dataclass(frozen=True, kw_only=True)
class ServerKeysArgs:
    """Whose keys."""

    physical_name: str
    """The cluster's name, with which aliases begin."""
    account: AwsAccount
    """Where they are."""
    namespace: str
    """Namespace of the servers."""
    service_account: str
    """Service account of the servers."""
    provider_arn: pulumi.Input[str] | None = None
    """Identity provider of the cluster in IAM, as for `PodIdentity`."""
    first_boot_role_arn: pulumi.Input[str]
    """Role of first boot, which writes key shares."""
    servers_role_arn: pulumi.Input[str] | None = None
    """Role of the servers' pods; none: the seal has no key here."""
    snapshots_role_arn: pulumi.Input[str] | None = None
    """Role of the job that takes snapshots; none: they have no key."""
    kms_endpoint_id: pulumi.Input[str] | None = None
    """Endpoint of KMS in the network; the seal's key answers there only."""
    seal_multi_region: bool = False
    """Whether the seal's key can be brought into another region, where snapshots are restored if this one is lost."""
    protect: bool
    """Keeps the keys."""


class ServerKeys(pulumi.ComponentResource):
    """Keys that pods use: that of the key shares, and the seal's and the snapshots' where there is a role for each. The
    cluster's own is a `ClusterKey` that is there before it."""

    key_shares_key_arn: pulumi.Output[str]
    """Of the key shares in Secrets Manager."""
    seal_key_arn: pulumi.Output[str] | None = None
    """What Vault unseals itself with."""
    snapshots_key_arn: pulumi.Output[str] | None = None
    """Of the bucket."""

    def __init__(self, name: str, args: ServerKeysArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:ServerKeys", name, {}, opts)
        self._name, self._args = name, args
        if args.servers_role_arn is not None:
            policy = self._seal(args.servers_role_arn)
            self.seal_key_arn = self._made("seal", "Auto-unseal of Vault", policy, multi_region=args.seal_multi_region)
        if args.snapshots_role_arn is not None:
            policy = pulumi.Output.from_input(args.snapshots_role_arn).apply(
                lambda arn: key_policies.snapshots_key(args.account, role_arn=arn)
            )
            self.snapshots_key_arn = self._made("snapshots", "Snapshots of Vault", policy)
        policy = pulumi.Output.from_input(args.first_boot_role_arn).apply(
            lambda arn: key_policies.key_shares_key(args.account, role_arn=arn)
        )
        self.key_shares_key_arn = self._made("key-shares", "Encrypted key shares of Vault", policy)
        self.register_outputs(
            {
                "seal_key_arn": self.seal_key_arn,
                "snapshots_key_arn": self.snapshots_key_arn,
                "key_shares_key_arn": self.key_shares_key_arn,
            }
        )

    def _seal(self, role_arn: pulumi.Input[str]) -> pulumi.Output[str]:
        args = self._args
        return pulumi.Output.all(role_arn, args.kms_endpoint_id, args.provider_arn).apply(
            lambda found: key_policies.seal_key(
                args.account,
                role_arn=found[0],
                cluster_arn=args.account.cluster_arn(args.physical_name),
                namespace=args.namespace,
                service_account=args.service_account,
                vpc_endpoint_id=found[1],
                provider_arn=found[2],
                multi_region=args.seal_multi_region,
            )
        )

    def _made(
        self, suffix: str, description: str, policy: pulumi.Input[str], *, multi_region: bool = False
    ) -> pulumi.Output[str]:
        args = self._args
        key = ClusterKeyArgs(
            physical_name=f"{args.physical_name}-{suffix}",
            description=f"{description}, {args.physical_name}",
            account=args.account,
            policy=policy,
            multi_region=multi_region,
            protect=args.protect,
        )
        return ClusterKey(f"{self._name}-{suffix}", key, pulumi.ResourceOptions(parent=self)).key_arn
