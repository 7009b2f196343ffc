"""The bucket a node's snapshots go to, at an S3 service that knows less than AWS, such as Hetzner Object Storage.

Owns the bucket, its versions, its lock and who may do what. Refuses what such a service doesn't have: tags, SSE with
KMS, notifications, replication; snapshots are encrypted before they come here. Credentials are the environment's
(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or a profile's, and never pass through here.
"""

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from ..render.snapshots import Bucket

_UPLOAD_DAYS = 1
"""After this an upload that was cut off is taken away; the next one starts anew."""
_WRITER_MAY = (
    "s3:PutObject",
    "s3:AbortMultipartUpload",
    # To look at what it sent. What is there it can't read: it is encrypted for others.
    "s3:GetObject",
    "s3:ListBucket",
    # Hides an object. Its versions stay: to destroy one is `s3:DeleteObjectVersion`.
    "s3:DeleteObject",
)


def provider(name: str, bucket: Bucket) -> aws.Provider:
    """The S3 service as an explicit provider: none of AWS' other services is asked for anything.

    The credentials of the bucket's profile come before the environment's.
    """
    return aws.Provider(
        name,
        region=bucket.region,
        profile=bucket.profile,
        endpoints=[aws.ProviderEndpointArgs(s3=bucket.endpoint)],
        s3_use_path_style=True,
        skip_credentials_validation=True,
        skip_metadata_api_check=True,
        skip_region_validation=True,
        skip_requesting_account_id=True,
    )


@dataclass(frozen=True, kw_only=True)
class SnapshotBucketArgs:
    """Which bucket, and how long nothing in it can be destroyed."""

    bucket: Bucket
    """The bucket, at its service."""
    protect: bool
    """Keeps the bucket."""


class SnapshotBucket(pulumi.ComponentResource):
    """A private bucket in which a snapshot, once there, stays for a while whoever wants it gone."""

    bucket_name: pulumi.Output[str]
    """Its name, once it is there."""

    def __init__(self, name: str, args: SnapshotBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:SnapshotBucket", name, {}, opts)
        wanted = args.bucket
        # What is set on the bucket stays with it.
        child = pulumi.ResourceOptions(parent=self, retain_on_delete=True)
        bucket = aws.s3.Bucket(
            f"{name}-bucket",
            bucket=wanted.name,
            object_lock_enabled=True,  # can't be turned on later
            force_destroy=False,
            # Snapshots outlive what they are of: a person deletes the bucket (docs/snapshots.md, off-boarding).
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect, retain_on_delete=True),
        )
        versioning = aws.s3.BucketVersioning(
            f"{name}-versioning",
            bucket=bucket.id,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=child,
        )
        after = pulumi.ResourceOptions(parent=self, retain_on_delete=True, depends_on=[versioning])
        aws.s3.BucketObjectLockConfiguration(
            f"{name}-lock",
            bucket=bucket.id,
            rule=aws.s3.BucketObjectLockConfigurationRuleArgs(
                default_retention=aws.s3.BucketObjectLockConfigurationRuleDefaultRetentionArgs(
                    mode="GOVERNANCE", days=wanted.lock_days
                )
            ),
            opts=after,
        )
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=bucket.id,
            rules=[
                aws.s3.BucketLifecycleConfigurationRuleArgs(
                    id="hidden",
                    status="Enabled",
                    filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                    # The only field of it that Hetzner knows. What is not hidden is never taken away by age: where no
                    # new snapshot comes, the old ones stay.
                    noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                        noncurrent_days=wanted.lock_days
                    ),
                    abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                        days_after_initiation=_UPLOAD_DAYS
                    ),
                )
            ],
            opts=after,
        )
        if wanted.writer:
            policy = writer_policy(wanted.name, wanted.writer)
            aws.s3.BucketPolicy(f"{name}-policy", bucket=bucket.id, policy=policy, opts=child)
        self.bucket_name = bucket.bucket
        self.register_outputs({"bucket_name": self.bucket_name})


def writer_policy(bucket_name: str, writer: str) -> str:
    """Takes from one credential all but adding, looking and hiding.

    A credential of Hetzner's may do everything in its project, so this denies instead of allowing.
    """
    bucket = f"arn:aws:s3:::{bucket_name}"
    statement = {
        "Sid": "NodeAddsOnly",
        "Effect": "Deny",
        "Principal": {"AWS": [writer]},
        "NotAction": list(_WRITER_MAY),
        "Resource": [bucket, f"{bucket}/*"],
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, sort_keys=True)
