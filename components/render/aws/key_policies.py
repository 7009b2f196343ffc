"""Who may do what with each KMS key of a cluster.

Owns the keys' policies. Refuses cryptography to the account itself: a key that an IAM policy could open would be
open to whoever may write IAM policies.
"""

from .account import AwsAccount
from .iam import THIS_KEY, Anybody, Roles, Statement, document

_ADMINISTRATION = (
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListAliases",
    "kms:ListKeyPolicies",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
)
"""What a provider does to a key that it looks after; nothing that encrypts."""
_LOSING = ("kms:DisableKey", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion")
SEALS = ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt")
"""All that the awskms seal does (Vault, awskms seal: authentication)."""
_WRAPS = ("kms:Decrypt", "kms:GenerateDataKey")
DISKS = (
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
"""What AWS' own key for disks allows through EC2 (AWS, EBS encryption: default key policy)."""


def pod_tags(cluster_arn: str, namespace: str, service_account: str) -> dict[str, list[str]]:
    """What Pod Identity writes on the session of a pod of one service account."""
    return {
        "aws:PrincipalTag/eks-cluster-arn": [cluster_arn],
        "aws:PrincipalTag/kubernetes-namespace": [namespace],
        "aws:PrincipalTag/kubernetes-service-account": [service_account],
    }


def seal_key(
    account: AwsAccount,
    *,
    role_arn: str,
    cluster_arn: str,
    namespace: str,
    service_account: str,
    provider_arn: str | None = None,
    vpc_endpoint_id: str | None = None,
    multi_region: bool = False,
) -> str:
    """Of the key that Vault unseals itself with: its pods of this cluster, and nobody else. Where KMS has an endpoint
    in the network, from there only. One of several regions may be brought into another one.

    Sessions by Pod Identity are told by their tags. Those by a token have none: of these it counts which provider
    vouched for them (AWS, global condition keys: aws:FederatedProvider), and the role's trust says for which account.
    """
    by_token = {"aws:FederatedProvider": [provider_arn]} if provider_arn else None
    matched = by_token or pod_tags(cluster_arn, namespace, service_account)
    if vpc_endpoint_id:
        matched["aws:SourceVpce"] = [vpc_endpoint_id]
    unseals = Statement(
        sid="Seal",
        actions=SEALS,
        resources=(THIS_KEY,),
        principal=Roles(arns=(role_arn,)),
        conditions={"StringEquals": matched},
    )
    more = ("kms:ReplicateKey",) if multi_region else ()
    return document(_administered(account, *more), unseals, *_kept(account))


def disks_key(account: AwsAccount) -> str:
    """Of the cluster's own key: disks through EC2, whoever asks for them; the deployer's grant to the control plane,
    which encrypts the cluster's secrets by it."""
    granted = Statement(
        sid="ClusterSecrets",
        actions=("kms:CreateGrant",),
        resources=(THIS_KEY,),
        principal=Roles(arns=(account.deployer_role_arn,)),
        conditions={"Bool": {"kms:GrantIsForAWSResource": ["true"]}},
    )
    return document(_administered(account), _through(account, "Disks", "ec2"), granted)


def database_key(account: AwsAccount) -> str:
    """Of a database's key: volumes, backups and what statements took, through RDS, whoever asks for them."""
    return document(_administered(account), _through(account, "Database", "rds"), *_kept(account))


def snapshots_key(account: AwsAccount, *, role_arn: str) -> str:
    """Of the key by which S3 encrypts snapshots: for the role that takes them, and for the people's, who put them back
    and take one by hand. What is in a snapshot is encrypted for its recipients besides."""
    people = dict.fromkeys((account.deployer_role_arn, account.keeper_role_arn))
    through = _asked_by(account, "s3")
    wraps = _used(sid="Wraps", actions=_WRAPS, arns=(role_arn,), through=through)
    restores = _used(sid="Restores", actions=_WRAPS, arns=tuple(people), through=through)
    return document(_administered(account), wraps, restores, *_kept(account))


def key_shares_key(account: AwsAccount, *, role_arn: str) -> str:
    """Of the key by which Secrets Manager encrypts key shares: for first boot, which brings them, and for the one role
    that hands them to the operators, to each of whom one is encrypted besides. Whether first boot may read a secret
    says its own policy; Secrets Manager decrypts as it encrypts."""
    through = _asked_by(account, "secretsmanager")
    wraps = _used(sid="Wraps", actions=_WRAPS, arns=(role_arn,), through=through)
    reads = _used(sid="Reads", actions=("kms:Decrypt",), arns=(account.keeper_role_arn,), through=through)
    return document(_administered(account), wraps, reads, *_kept(account))


def _asked_by(account: AwsAccount, service: str) -> dict[str, dict[str, list[str]]]:
    return {"StringEquals": {"kms:ViaService": [f"{service}.{account.region}.amazonaws.com"]}}


def _used(
    *, sid: str, actions: tuple[str, ...], arns: tuple[str, ...], through: dict[str, dict[str, list[str]]]
) -> Statement:
    return Statement(sid=sid, actions=actions, resources=(THIS_KEY,), principal=Roles(arns=arns), conditions=through)


def _through(account: AwsAccount, sid: str, service: str) -> Statement:
    """Whoever of the account asks the service."""
    return Statement(
        sid=sid,
        actions=DISKS,
        resources=(THIS_KEY,),
        principal=Anybody(),
        conditions={
            "StringEquals": {
                "kms:CallerAccount": [account.account_id],
                "kms:ViaService": [f"{service}.{account.region}.amazonaws.com"],
            }
        },
    )


def _administered(account: AwsAccount, *more: str) -> Statement:
    return Statement(
        sid="Administration",
        actions=(*_ADMINISTRATION, *more),
        resources=(THIS_KEY,),
        principal=Roles(arns=(account.root,)),
    )


def _kept(account: AwsAccount) -> tuple[Statement, ...]:
    """What is lost with the key is lost for good, so one role may lose it."""
    if account.break_glass_role_arn is None:
        return ()
    kept = Statement(
        sid="Kept",
        effect="Deny",
        actions=_LOSING,
        resources=(THIS_KEY,),
        principal=Anybody(),
        conditions={"ArnNotEquals": {"aws:PrincipalArn": [account.break_glass_role_arn]}},
    )
    return (kept,)
