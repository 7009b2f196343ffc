"""The bucket of snapshots: its whole graph, what stays of it, and what the node's credential may still do.

Doesn't prove that a service honours it: `tests/engine/fake_providers/test_aws.py` sends it to moto, and Hetzner's was
never asked.
"""

import json
from typing import Any

import pulumi
import pytest

from components.aws import snapshot_bucket
from components.aws.snapshot_bucket import SnapshotBucket, SnapshotBucketArgs, writer_policy
from components.render.snapshots import Bucket
from tests.support.declare import Declared, declare

WRITER = "arn:aws:iam:::user/p1:KEY"


def built(*, preview: bool = False, protect: bool = True, **parts: Any) -> Declared:
    """The bucket, as the estate declares it."""

    def program() -> None:
        where = {"name": "snapshots", "endpoint": "https://fsn1.example.com", "region": "fsn1"}
        bucket = Bucket(**{**where, "writer": WRITER, **parts})
        provider = snapshot_bucket.provider("object-storage", bucket)
        args = SnapshotBucketArgs(bucket=bucket, protect=protect)
        SnapshotBucket("snapshots", args, pulumi.ResourceOptions(providers=[provider]))

    return declare(program, preview=preview)


@pytest.mark.parametrize("preview", [False, True])
def test_exactly_these_resources(preview: bool) -> None:
    expected = [
        ("aws:s3/bucket:Bucket", "snapshots-bucket"),
        ("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", "snapshots-lifecycle"),
        ("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration", "snapshots-lock"),
        ("aws:s3/bucketPolicy:BucketPolicy", "snapshots-policy"),
        ("aws:s3/bucketVersioning:BucketVersioning", "snapshots-versioning"),
        ("pulumi:providers:aws", "object-storage"),
        ("vault-estate:index:SnapshotBucket", "snapshots"),
    ]
    assert list(built(preview=preview).names()) == expected
    without = built(preview=preview, writer=None).names()
    assert list(without) == [one for one in expected if one[1] != "snapshots-policy"]


def test_nothing_in_it_can_be_destroyed_before_its_time() -> None:
    declared = built()

    bucket = declared.named("snapshots-bucket").inputs
    assert (bucket["bucket"], bucket["objectLockEnabled"], bucket["forceDestroy"]) == ("snapshots", True, False)
    assert "tags" not in bucket
    versioning = declared.named("snapshots-versioning").inputs["versioningConfiguration"]
    assert versioning == {"status": "Enabled"}
    lock = declared.named("snapshots-lock").inputs["rule"]
    assert lock == {"defaultRetention": {"mode": "GOVERNANCE", "days": 14}}
    (rule,) = declared.named("snapshots-lifecycle").inputs["rules"]
    assert rule == {
        "id": "hidden",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "noncurrentVersionExpiration": {"noncurrentDays": 14},
        "abortIncompleteMultipartUpload": {"daysAfterInitiation": 1},
    }, "what is not hidden, the seal's key above all, has no age"


def test_it_outlives_the_stack() -> None:
    kept = [one for one in built().records if one.type.startswith("aws:")]

    assert {one.options.retain_on_delete for one in kept} == {True}
    assert [one.name for one in kept if one.options.protect] == ["snapshots-bucket"]
    assert not built(protect=False).named("snapshots-bucket").options.protect
    versioning = built().named("snapshots-versioning").urn
    for after in ("snapshots-lock", "snapshots-lifecycle"):
        assert versioning in built().named(after).options.depends_on


def test_the_nodes_credential_may_add_look_and_hide() -> None:
    policy = built().named("snapshots-policy").inputs["policy"]

    assert policy == writer_policy("snapshots", WRITER)
    assert json.loads(policy) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "NodeAddsOnly",
                "Effect": "Deny",
                "Principal": {"AWS": [WRITER]},
                "NotAction": [
                    "s3:PutObject",
                    "s3:AbortMultipartUpload",
                    "s3:GetObject",
                    "s3:ListBucket",
                    "s3:DeleteObject",
                ],
                "Resource": ["arn:aws:s3:::snapshots", "arn:aws:s3:::snapshots/*"],
            }
        ],
    }


def test_the_service_is_asked_for_buckets_and_nothing_else() -> None:
    provider = built().named("object-storage").inputs

    assert json.loads(provider["endpoints"]) == [{"s3": "https://fsn1.example.com"}]
    assert "profile" not in provider
    for skipped in ("skipCredentialsValidation", "skipMetadataApiCheck", "skipRequestingAccountId"):
        assert provider[skipped] == "true", skipped
