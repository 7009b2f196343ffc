"""Who may take on each role of a cluster, and what the roles may do beside what AWS' own managed policies say.

Owns every grant that isn't on a KMS key. Refuses what a pod doesn't do: first boot can't read the key shares it wrote.
"""

from collections.abc import Iterable

from .account import AwsAccount
from .iam import (
    BY_THE_CALLER,
    BY_THE_ROLE,
    THIS_SECRET,
    Anybody,
    Federated,
    Pattern,
    Service,
    Statement,
    document,
    objects,
    secret,
)
from .key_policies import DISKS, SEALS
from .managed_policies import ALLOWED

CLUSTER_POLICIES = ("AmazonEKSClusterPolicy",)
"""AWS' managed policies of the control plane (AWS EKS, cluster IAM role)."""
NODE_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly")
"""Of nodes (AWS EKS, node IAM role). The minimal one isn't enough: a node of AL2023 asks EC2 for its own name before it
joins (https://github.com/awslabs/amazon-eks-ami/issues/2436). Addresses and disks are given by pods that have roles of
their own."""
RECORD, _RANDOM = "record", 12
"""Of key shares in Secrets Manager: the record's name, and how many characters a run's own name has."""
CNI_POLICIES = ("AmazonEKS_CNI_Policy",)
DISK_POLICIES = ("service-role/AmazonEBSCSIDriverPolicy",)
DATABASE_POLICIES = ("service-role/AmazonRDSEnhancedMonitoringRole",)
"""Of what writes what a database's machine does (AWS RDS, Enhanced Monitoring)."""


def managed(name: str) -> str:
    """ARN of one of AWS' managed policies."""
    return f"arn:aws:iam::aws:policy/{name}"


def trusts_service(service: str, account: AwsAccount) -> str:
    """A role that a service takes on, for this account only."""
    taken = Statement(
        sid="Service",
        actions=("sts:AssumeRole",),
        principal=Service(name=f"{service}.amazonaws.com"),
        conditions={"StringEquals": {"aws:SourceAccount": [account.account_id]}},
    )
    return document(taken)


def trusts_machines() -> str:
    """A node's role. EC2 says no account when it takes one on (AWS, confused deputy: services that support it)."""
    taken = Statement(sid="Nodes", actions=("sts:AssumeRole",), principal=Service(name="ec2.amazonaws.com"))
    return document(taken)


def trusts_pods(account: AwsAccount, cluster_arn: str) -> str:
    """A role of pods by Pod Identity, of one cluster, which needn't be there yet."""
    taken = Statement(
        sid="Pods",
        actions=("sts:AssumeRole", "sts:TagSession"),
        principal=Service(name="pods.eks.amazonaws.com"),
        conditions={
            "StringEquals": {"aws:SourceAccount": [account.account_id]},
            "ArnEquals": {"aws:SourceArn": [cluster_arn]},
        },
    )
    return document(taken)


TOKENS_FOR = "sts.amazonaws.com"
"""Whom the token of a pod is for that takes on a role by it (AWS EKS, IAM roles for service accounts)."""


def trusts_service_account(provider_arn: str, namespace: str, service_account: str) -> str:
    """A role of pods by the token of one service account, for which the cluster's identity provider vouches."""
    issuer = provider_arn.partition(":oidc-provider/")[2]
    taken = Statement(
        sid="ServiceAccount",
        actions=("sts:AssumeRoleWithWebIdentity",),
        principal=Federated(arn=provider_arn),
        conditions={
            "StringEquals": {
                f"{issuer}:aud": [TOKENS_FOR],
                f"{issuer}:sub": [f"system:serviceaccount:{namespace}:{service_account}"],
            }
        },
    )
    return document(taken)


def hands_out_identities(cluster_arn: str) -> str:
    """A node's agent, which gives each pod the credentials of the pod's own role, of its own cluster only."""
    given = Statement(sid="PodIdentity", actions=("eks-auth:AssumeRoleForPodIdentity",), resources=(cluster_arn,))
    return document(given)


def key_shares(environment: str) -> str:
    """What the names of an environment's secrets of key shares begin with."""
    return f"vault/{environment}/key-shares"


def first_boot(account: AwsAccount, name: str) -> str:
    """Makes secrets of key shares, each once and with its value, and notes in the tags of one of them, the record, how
    far it has got. It gives each the policy that keeps it. It reads the value of none, and changes none."""
    record = secret(region=account.region, account=account.account_id, name=f"{name}/{RECORD}")
    shares = Pattern(
        text=secret(region=account.region, account=account.account_id, name=f"{name}/{'?' * _RANDOM}").text,
        stands_for="the random name of a run's key shares, and the characters that AWS adds to it",
    )
    made = Statement(sid="KeySharesOnce", actions=("secretsmanager:CreateSecret",), resources=(record, shares))
    noted = Statement(
        sid="Record", actions=("secretsmanager:DescribeSecret", "secretsmanager:TagResource"), resources=(record,)
    )
    kept = Statement(sid="Kept", actions=("secretsmanager:PutResourcePolicy",), resources=(record, shares))
    return document(made, noted, kept)


def kept_secret(account: AwsAccount) -> str:
    """Of a secret of key shares itself: one role alone ends it or gives it another value, whatever others' own policies
    allow. Without a role for emergencies it is whoever runs `up`."""
    kept = Statement(
        sid="Kept",
        effect="Deny",
        actions=("secretsmanager:DeleteSecret", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecret"),
        resources=(THIS_SECRET,),
        principal=Anybody(),
        conditions={"ArnNotEquals": {"aws:PrincipalArn": [account.keeper_role_arn]}},
    )
    return document(kept)


_FIRST_BOOT = (
    "secretsmanager:CreateSecret",
    "secretsmanager:DescribeSecret",
    "secretsmanager:PutResourcePolicy",
    "secretsmanager:TagResource",
)
_SNAPSHOTS = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:ListBucket",
    "s3:PutObject",
)
_FLOW_LOGS = ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
_OF_KEY_SHARES = (
    "secretsmanager:DeleteSecret",
    "secretsmanager:GetSecretValue",
    "secretsmanager:PutSecretValue",
    "secretsmanager:RestoreSecret",
    "secretsmanager:UpdateSecret",
)
"""What would read, replace or end key shares."""


def boundary(account: AwsAccount, environment: str) -> str:
    """The most that any role of a cluster may do, whatever its own policies say one day: what all of them do now, and
    never to read, replace or end key shares. It gives nothing by itself."""
    managed_ones = (*CLUSTER_POLICIES, *NODE_POLICIES, *CNI_POLICIES, *DISK_POLICIES, *DATABASE_POLICIES)
    done = {action for name in managed_ones for action in ALLOWED[name]}
    own = {*SEALS, "kms:GenerateDataKey", *_FIRST_BOOT, *_SNAPSHOTS, *_FLOW_LOGS}
    most = Statement(sid="Most", actions=tuple(done | own), resources=(BY_THE_ROLE,))
    shares = Pattern(
        text=f"arn:aws:secretsmanager:{account.region}:{account.account_id}:secret:{key_shares(environment)}/*",
        stands_for="the record and the key shares of each run",
    )
    kept = Statement(sid="KeySharesAreKept", effect="Deny", actions=_OF_KEY_SHARES, resources=(shares,))
    return document(most, kept)


def snapshots(bucket_name: str, prefix: str) -> str:
    """Adds snapshots, looks at them and hides old ones. To destroy one is `s3:DeleteObjectVersion`."""
    written = Statement(
        sid="Snapshots",
        actions=("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"),
        resources=(objects(bucket_name, prefix),),
    )
    listed = Statement(
        sid="List",
        actions=("s3:ListBucket",),
        resources=(f"arn:aws:s3:::{bucket_name}",),
        conditions={"StringLike": {"s3:prefix": [f"{prefix}*"]}},
    )
    return document(written, listed)


_OBJECTS = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:GetObject",
    "s3:GetObjectRetention",
    "s3:GetObjectVersion",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
    "s3:PutObjectRetention",
)
_LISTS = ("s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions")
_KEY_OF_UPLOAD = "s3:x-amz-server-side-encryption-aws-kms-key-id"


def bucket(name: str, key_arn: str) -> str:
    """Of the snapshots' bucket, whoever asks: nothing without TLS, and no object by another key. An upload that names
    no key has the bucket's own."""
    own_key = Statement(
        sid="OwnKeyOnly",
        effect="Deny",
        actions=("s3:PutObject",),
        resources=(objects(name, ""),),
        principal=Anybody(),
        conditions={"StringNotEquals": {_KEY_OF_UPLOAD: [key_arn]}, "Null": {_KEY_OF_UPLOAD: ["false"]}},
    )
    return document(_tls_only(name), own_key)


def access_logs(account: AwsAccount, name: str, recorded: str) -> str:
    """Of a bucket of records: S3 itself adds those of the recorded bucket (AWS S3, Permissions for log delivery)."""
    added = Statement(
        sid="Records",
        actions=("s3:PutObject",),
        resources=(objects(name, records_prefix(recorded)),),
        principal=Service(name="logging.s3.amazonaws.com"),
        conditions={
            "StringEquals": {"aws:SourceAccount": [account.account_id]},
            "ArnEquals": {"aws:SourceArn": [f"arn:aws:s3:::{recorded}"]},
        },
    )
    return document(_tls_only(name), added)


def records_prefix(recorded: str) -> str:
    """What the names of a bucket's records begin with."""
    return f"{recorded}/"


def _tls_only(name: str) -> Statement:
    return Statement(
        sid="TlsOnly",
        effect="Deny",
        actions=(*_OBJECTS, *_LISTS),
        resources=(f"arn:aws:s3:::{name}", objects(name, "")),
        principal=Anybody(),
        conditions={"Bool": {"aws:SecureTransport": ["false"]}},
    )


def flow_logs(log_group_arn: str) -> str:
    """Writes into one log group."""
    written = Statement(
        sid="FlowLogs",
        actions=_FLOW_LOGS,
        resources=(log_group_arn, Pattern(text=f"{log_group_arn}:*", stands_for="the log group's own streams")),
    )
    return document(written)


_IMAGES = ("ecr:BatchCheckLayerAvailability", *ALLOWED["AmazonEC2ContainerRegistryPullOnly"])
ENDPOINTS = {
    "ec2": tuple(
        sorted(
            {
                action
                for name in (*CNI_POLICIES, *DISK_POLICIES, *NODE_POLICIES)
                for action in ALLOWED[name]
                if action.startswith("ec2:")
            }
        )
    ),
    "ecr.api": _IMAGES,
    "ecr.dkr": _IMAGES,
    "eks-auth": ("eks-auth:AssumeRoleForPodIdentity",),
    "kms": DISKS,  # the seal and the bucket need some of these
    "logs": ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"),
    "secretsmanager": _FIRST_BOOT,
    "sts": ("sts:AssumeRole", "sts:GetCallerIdentity", "sts:TagSession"),
}
"""Services with an endpoint in the network, and what is asked of each from there: by pods of the estate, and by those
that AWS' managed policies above are for."""


def token_endpoint(account: AwsAccount) -> str:
    """Of STS' endpoint where pods take on roles by tokens: what `endpoint` says, and that, for this account's roles.
    Whoever asks for it has no credentials yet."""
    taken = Statement(
        sid="ByToken",
        actions=("sts:AssumeRoleWithWebIdentity",),
        resources=(BY_THE_CALLER,),
        principal=Anybody(),
        conditions={"StringEquals": {"aws:ResourceAccount": [account.account_id]}},
    )
    return document(_of_this_account(account, "sts"), taken)


def endpoint(account: AwsAccount, service: str) -> str:
    """Of an interface endpoint: this account's own principals, and what a cluster asks of the service."""
    return document(_of_this_account(account, service))


def _of_this_account(account: AwsAccount, service: str) -> Statement:
    return Statement(
        sid="ThisAccount",
        actions=ENDPOINTS[service],
        resources=(BY_THE_CALLER,),
        principal=Anybody(),
        conditions={"StringEquals": {"aws:PrincipalAccount": [account.account_id]}},
    )


def storage_endpoint(account: AwsAccount, buckets: Iterable[str]) -> str:
    """Of the gateway endpoint of S3: the estate's own buckets, and the layers of images in this region, which are
    fetched by addresses that AWS itself signed."""
    own = tuple(buckets)
    layers = Statement(
        sid="ImageLayers",
        actions=("s3:GetObject",),
        resources=(objects(f"prod-{account.region}-starport-layer-bucket", ""),),
        principal=Anybody(),
        conditions={"Bool": {"aws:SecureTransport": ["true"]}},
    )
    if not own:
        return document(layers)
    snapshots_of = Statement(
        sid="OwnBuckets",
        actions=_SNAPSHOTS,
        resources=(*(f"arn:aws:s3:::{one}" for one in own), *(objects(one, "") for one in own)),
        principal=Anybody(),
        conditions={"StringEquals": {"aws:PrincipalAccount": [account.account_id]}},
    )
    return document(layers, snapshots_of)
