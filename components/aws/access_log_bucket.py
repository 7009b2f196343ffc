"""The bucket in which S3 itself records who asked another bucket for what: of that bucket alone, for a fixed time.

Owns all that is set on it. Refuses what S3 delivers no records into: a lock, and encryption by a key of the account's
own (AWS S3, Enabling server access logging; Object Lock considerations).
"""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from ..model import SettingError
from ..render.aws import role_policies
from ..render.aws.account import AwsAccount
from . import bucket_access


@dataclass(frozen=True, kw_only=True)
class AccessLogBucketArgs:
    """Which bucket, and whose records."""

    bucket_name: str
    """Of the bucket itself, unique among all customers of AWS."""
    recorded_name: str
    """Of the bucket that is asked. Raises SettingError where it is the same: each record would be one more request."""
    account: AwsAccount
    """Where both are."""
    log_days: int
    """How long a record is kept."""
    protect: bool
    """Keeps the bucket."""

    def __post_init__(self) -> None:
        if self.bucket_name == self.recorded_name:
            raise SettingError("bucket_name", repr(self.bucket_name), "another bucket than the one that is recorded")


class AccessLogBucket(pulumi.ComponentResource):
    """A private bucket that S3 writes records of access into."""

    bucket_name: pulumi.Output[str]
    """Its name, once S3 may write into it."""

    def __init__(self, name: str, args: AccessLogBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:AccessLogBucket", name, {}, opts)
        # It is of a bucket that outlives the stack.
        child = pulumi.ResourceOptions(parent=self, retain_on_delete=True)
        bucket = aws.s3.Bucket(
            f"{name}-bucket",
            bucket=args.bucket_name,
            force_destroy=False,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect, retain_on_delete=True),
        ).bucket
        versioning = aws.s3.BucketVersioning(
            f"{name}-versioning",
            bucket=bucket,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=child,
        )
        by_s3 = aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
            sse_algorithm="AES256"
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(apply_server_side_encryption_by_default=by_s3)
            ],
            opts=child,
        )
        self._ending(name, bucket, args.log_days, versioning)
        policy = role_policies.access_logs(args.account, args.bucket_name, args.recorded_name)
        self.bucket_name = bucket_access.close(name, bucket, policy, self).bucket
        self.register_outputs({"bucket_name": self.bucket_name})

    def _ending(self, name: str, bucket: pulumi.Output[str], days: int, versioning: pulumi.Resource) -> None:
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=bucket,
            rules=[
                aws.s3.BucketLifecycleConfigurationRuleArgs(
                    id="ended",
                    status="Enabled",
                    filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                    expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=days),
                    # What somebody hid stays as long as what nobody did.
                    noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                        noncurrent_days=days
                    ),
                    abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                        days_after_initiation=1
                    ),
                )
            ],
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True, depends_on=[versioning]),
        )
