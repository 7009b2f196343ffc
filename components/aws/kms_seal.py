"""The key in AWS KMS that a node unseals itself with, and who may use it.

Owns the key, its alias and an IAM user with three rights on that one key, from the node's own address. Refuses to make
an access key: its secret would be in the state. An operator makes it and brings it to the node (docs/hetzner.md).
"""

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

DELETION_WINDOW_DAYS = 30
"""The longest AWS gives to take a deletion back (AWS KMS API, ScheduleKeyDeletion). Data are gone with the key."""
_SEAL_ACTIONS = ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt")
"""All that the awskms seal does (OpenBao's and Vault's documentation of it, Authentication)."""


@dataclass(frozen=True, kw_only=True)
class KmsSealArgs:
    """Whose seal it is."""

    physical_name: str
    """Of the node; the key's alias and the user are named after it."""
    node_address: pulumi.Input[str]
    """The only public IPv4 address the credential is good from."""
    protect: bool
    """Keeps the key."""


def alias(physical_name: str) -> str:
    """What the server calls the key. Known before the key is, so that user-data doesn't wait for it."""
    return f"alias/{physical_name}-seal"


class KmsSeal(pulumi.ComponentResource):
    """A KMS key with yearly rotation, and a user who may encrypt, decrypt and describe with it. No access key."""

    key_arn: pulumi.Output[str]
    """The key's own name."""
    user_name: pulumi.Output[str]
    """The user an operator makes an access key for."""

    def __init__(self, name: str, args: KmsSealArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:KmsSeal", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags = {"estate": args.physical_name, "role": "seal"}
        key = aws.kms.Key(
            f"{name}-key",
            description=f"Auto-unseal of {args.physical_name}",
            deletion_window_in_days=DELETION_WINDOW_DAYS,
            enable_key_rotation=True,
            tags=tags,
            # Lost with it: everything in this Vault, and every snapshot of it.
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        aws.kms.Alias(f"{name}-alias", name=alias(args.physical_name), target_key_id=key.key_id, opts=child)
        user = aws.iam.User(f"{name}-user", name=f"{args.physical_name}-seal", tags=tags, opts=child)
        aws.iam.UserPolicy(
            f"{name}-policy",
            name="seal",
            user=user.name,
            policy=pulumi.Output.all(key.arn, args.node_address).apply(lambda known: seal_policy(known[0], known[1])),
            opts=child,
        )
        self.key_arn, self.user_name = key.arn, user.name
        self.register_outputs({"key_arn": self.key_arn, "user_name": self.user_name})


def seal_policy(key_arn: str, node_address: str) -> str:
    """What the node's credential may do: three things, with one key, from one address."""
    statement = {
        "Sid": "Seal",
        "Effect": "Allow",
        "Action": _SEAL_ACTIONS,
        "Resource": [key_arn],
        "Condition": {"IpAddress": {"aws:SourceIp": [f"{node_address}/32"]}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, sort_keys=True)
