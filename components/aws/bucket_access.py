"""Who reaches a bucket: whom its policy names, and nobody from the internet.

Owns what is the same for every bucket of the account's own. Refuses access lists: its owner has all that is in it.
"""

import pulumi
import pulumi_aws as aws


def close(
    name: str, bucket: pulumi.Input[str], policy: pulumi.Input[str], parent: pulumi.Resource
) -> aws.s3.BucketPolicy:
    """Have a bucket reached as its policy says, which is set last. All of it stays with the bucket."""
    child = pulumi.ResourceOptions(parent=parent, retain_on_delete=True)
    aws.s3.BucketOwnershipControls(
        f"{name}-ownership",
        bucket=bucket,
        rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
        opts=child,
    )
    closed = aws.s3.BucketPublicAccessBlock(
        f"{name}-closed",
        bucket=bucket,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=child,
    )
    # AWS refuses two changes of a bucket's access at once.
    after = pulumi.ResourceOptions(parent=parent, retain_on_delete=True, depends_on=[closed])
    return aws.s3.BucketPolicy(f"{name}-policy", bucket=bucket, policy=policy, opts=after)
