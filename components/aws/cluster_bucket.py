"""The bucket of a cluster's snapshots, at AWS itself: encrypted by a key of the account's own, reached by TLS only, and
who asks it for what is recorded.

Owns what an S3 service elsewhere doesn't have; the bucket, its versions and its lock are those of `snapshot_bucket`.
Refuses another key than the snapshots', which somebody else could take away.
"""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from ..model import SettingError
from ..render.aws import role_policies
from ..render.snapshots import Bucket
from . import bucket_access
from .snapshot_bucket import SnapshotBucket, SnapshotBucketArgs


@dataclass(frozen=True, kw_only=True)
class ClusterBucketArgs:
    """Which bucket, and by which key."""

    bucket: Bucket
    """The bucket; its `writer` is left out, since pods have roles that say what they may do."""
    kms_key_arn: pulumi.Input[str]
    """The snapshots' key."""
    access_logs: pulumi.Input[str]
    """Name of the bucket that S3 records requests in, which it may already write into."""
    protect: bool
    """Keeps the bucket."""

    def __post_init__(self) -> None:
        if self.bucket.writer:
            raise SettingError("bucket.writer", "given", "none: pods have roles that say what they may do")


class ClusterBucket(pulumi.ComponentResource):
    """A bucket of versions that are locked for a while and encrypted by a key of the account's own."""

    bucket_name: pulumi.Output[str]
    """Its name, once it is there."""

    def __init__(self, name: str, args: ClusterBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:ClusterBucket", name, {}, opts)
        itself = pulumi.ResourceOptions(parent=self)
        inner = SnapshotBucketArgs(bucket=args.bucket, protect=args.protect)
        bucket = SnapshotBucket(f"{name}-bucket", inner, itself).bucket_name
        # What is set on the bucket stays with it.
        child = pulumi.ResourceOptions(parent=self, retain_on_delete=True)
        by_key = aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
            sse_algorithm="aws:kms", kms_master_key_id=args.kms_key_arn
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=by_key,
                    # One request to KMS for many objects, where each would be one.
                    bucket_key_enabled=True,
                )
            ],
            opts=child,
        )
        policy = pulumi.Output.from_input(args.kms_key_arn).apply(
            lambda key: role_policies.bucket(args.bucket.name, key)
        )
        bucket_access.close(name, bucket, policy, self)
        aws.s3.BucketLogging(
            f"{name}-access-logs",
            bucket=bucket,
            target_bucket=args.access_logs,
            target_prefix=role_policies.records_prefix(args.bucket.name),
            opts=child,
        )
        self.bucket_name = bucket
        self.register_outputs({"bucket_name": self.bucket_name})
