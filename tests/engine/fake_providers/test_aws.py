"""Buckets of the fake provider against moto: what is declared is there, and refused as a service refuses it.

Doesn't prove that Hetzner takes them; what that service doesn't know (tags, KMS, replication) is looked for in
what is sent.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from components.aws.snapshot_bucket import writer_policy
from fake_providers.attach import attach
from ops.keys.certificates import ensure_authority
from tests.engine.fake_providers.wire import Wire
from tests.support.snapshotting import BUCKET, REGION, ObjectStorage, object_storage

NAME = "declared-snapshots"
WRITER = "arn:aws:iam:::user/p1:KEY"


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStorage]:
    """moto over TLS, found by the environment's own credential."""
    authority = ensure_authority(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.ca_file))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "-".join(("made", "up")))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "-".join(("made", "up", "too")))
    with object_storage(authority.certificate_file, authority.key_file, authority.ca_file) as one:
        yield one


@pytest.fixture
def wire(storage: ObjectStorage) -> Iterator[Wire]:
    """A provider that names the service."""
    settings = {"region": REGION, "endpoints": json.dumps([{"s3": storage.endpoint}])}
    with attach(["aws"]) as environment, Wire(environment, "aws", settings) as one:
        yield one


def test_a_bucket_with_versions_lock_lifecycle_and_policy(wire: Wire, storage: ObjectStorage) -> None:
    bucket = wire.create("aws:s3/bucket:Bucket", {"bucket": NAME, "objectLockEnabled": True})
    versioning = {"bucket": NAME, "versioningConfiguration": {"status": "Enabled"}}
    wire.create("aws:s3/bucketVersioning:BucketVersioning", versioning)
    rule = {"defaultRetention": {"mode": "GOVERNANCE", "days": 14}}
    lock_token = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
    lock = wire.create(lock_token, {"bucket": NAME, "rule": rule})
    lifecycle = {
        "id": "hidden",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "noncurrentVersionExpiration": {"noncurrentDays": 14},
        "abortIncompleteMultipartUpload": {"daysAfterInitiation": 1},
    }
    token = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    wire.create(token, {"bucket": NAME, "rules": [lifecycle]})
    wire.create("aws:s3/bucketPolicy:BucketPolicy", {"bucket": NAME, "policy": writer_policy(NAME, WRITER)})

    client = storage.client()
    assert client.get_bucket_versioning(Bucket=NAME)["Status"] == "Enabled"
    found = client.get_object_lock_configuration(Bucket=NAME)["ObjectLockConfiguration"]
    retention = found["Rule"]["DefaultRetention"]
    assert (retention["Mode"], retention["Days"]) == ("GOVERNANCE", 14)
    (written,) = client.get_bucket_lifecycle_configuration(Bucket=NAME)["Rules"]
    assert written["NoncurrentVersionExpiration"] == {"NoncurrentDays": 14}
    (statement,) = json.loads(client.get_bucket_policy(Bucket=NAME)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", {"AWS": [WRITER]})
    assert "s3:DeleteObjectVersion" not in statement["NotAction"]
    assert not [one for one in storage.requests if "tagging" in one["QUERY_STRING"]]

    longer = {"defaultRetention": {"mode": "GOVERNANCE", "days": 30}}
    wire.update(lock, {"bucket": NAME, "rule": longer})
    found = client.get_object_lock_configuration(Bucket=NAME)["ObjectLockConfiguration"]
    assert found["Rule"]["DefaultRetention"]["Days"] == 30
    wire.delete(bucket)
    assert [one["Name"] for one in client.list_buckets()["Buckets"]] == [BUCKET]


def test_a_credential_that_may_add_look_and_hide_does_just_that(wire: Wire, storage: ObjectStorage) -> None:
    """moto takes a policy's denial for everybody's, whoever it names."""
    wire.create("aws:s3/bucket:Bucket", {"bucket": NAME, "objectLockEnabled": True})
    wire.create("aws:s3/bucketPolicy:BucketPolicy", {"bucket": NAME, "policy": writer_policy(NAME, WRITER)})
    client = storage.client()
    client.put_object(Bucket=NAME, Key="raft/x", Body=b"x")
    upload = client.create_multipart_upload(Bucket=NAME, Key="raft/y")["UploadId"]
    client.abort_multipart_upload(Bucket=NAME, Key="raft/y", UploadId=upload)

    assert client.head_object(Bucket=NAME, Key="raft/x")["ContentLength"] == 1
    client.delete_object(Bucket=NAME, Key="raft/x")
    versions = client.list_object_versions(Bucket=NAME)
    assert (len(versions["Versions"]), len(versions["DeleteMarkers"])) == (1, 1)


def test_a_seals_key_and_a_bucket_are_two_providers_each_with_its_profile(storage: ObjectStorage) -> None:
    """A profile is for the official plugin; the fake one knows no account and takes any."""
    bucket = {"region": REGION, "profile": "hetzner", "endpoints": json.dumps([{"s3": storage.endpoint}])}
    seal = {"region": "eu-central-1", "profile": "aws"}
    with (
        attach(["aws"]) as environment,
        Wire(environment, "aws", bucket) as one,
        Wire(environment, "aws", seal) as other,
    ):
        one.create("aws:s3/bucket:Bucket", {"bucket": NAME, "objectLockEnabled": True})
        key = other.create("aws:kms/key:Key", {"enableKeyRotation": True})

    assert NAME in [found["Name"] for found in storage.client().list_buckets()["Buckets"]]
    assert str(key.outputs.values["arn"]).startswith("arn:aws:kms:")


def test_a_bucket_with_snapshots_is_not_destroyed(wire: Wire, storage: ObjectStorage) -> None:
    bucket = wire.create("aws:s3/bucket:Bucket", {"bucket": NAME, "objectLockEnabled": True})
    storage.client().put_object(Bucket=NAME, Key="raft/x", Body=b"x")

    with pytest.raises(grpc.RpcError, match="BucketNotEmpty"):
        wire.delete(bucket)


def test_a_preview_asks_the_service_nothing(wire: Wire, storage: ObjectStorage) -> None:
    wire.create("aws:s3/bucket:Bucket", {"bucket": NAME, "objectLockEnabled": True}, preview=True)

    assert not storage.requests


def test_without_a_service_a_bucket_stays_in_memory() -> None:
    with attach(["aws"]) as environment, Wire(environment, "aws", {}) as wire:
        made = wire.create("aws:s3/bucket:Bucket", {"bucket": NAME})

        assert wire.read(made) is not None


def test_records_of_access_go_into_a_bucket_that_is_there_and_locks_nothing_by_default() -> None:
    logging = {"bucket": NAME, "targetBucket": "records", "targetPrefix": f"{NAME}/"}
    token = "aws:s3/bucketLogging:BucketLogging"
    with attach(["aws"]) as environment, Wire(environment, "aws", {}) as wire:
        with pytest.raises(grpc.RpcError, match=r"targetBucket is records, which doesn't exist .*InvalidTargetBucket"):
            wire.create(token, logging)
        wire.create("aws:s3/bucket:Bucket", {"bucket": "records"})
        made = wire.create(token, logging)
        assert wire.read(made) is not None
        rule = {"defaultRetention": {"mode": "GOVERNANCE", "days": 14}}
        lock = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
        wire.create(lock, {"bucket": "records", "rule": rule})
        with pytest.raises(grpc.RpcError, match="which has a default retention"):
            wire.create(token, {**logging, "bucket": "another"})


def test_a_bucket_of_records_has_an_end_and_the_services_own_encryption(wire: Wire, storage: ObjectStorage) -> None:
    wire.create("aws:s3/bucket:Bucket", {"bucket": NAME})
    ended = {"id": "ended", "status": "Enabled", "filter": {"prefix": ""}, "expiration": {"days": 30}}
    token = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    wire.create(token, {"bucket": NAME, "rules": [ended]})
    by_s3 = [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]
    encryption = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    wire.create(encryption, {"bucket": NAME, "rules": by_s3})

    client = storage.client()
    (rule,) = client.get_bucket_lifecycle_configuration(Bucket=NAME)["Rules"]
    assert rule["Expiration"] == {"Days": 30}
    (found,) = client.get_bucket_encryption(Bucket=NAME)["ServerSideEncryptionConfiguration"]["Rules"]
    assert found["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
