"""AWS in memory, and buckets of an S3 service really made where the program's provider names one: moto, in a sandbox.

Owns a bucket, its versions, lock, lifecycle and policy, through boto3. Refuses a bucket with objects its deletion, as
the service does. Other types of AWS, and buckets of a provider that names no service, stay in memory; a cluster's are
in `fake_providers.aws_cluster`.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]  # the wheel ships no types
from botocore import exceptions  # type: ignore[import-untyped]  # as above
from botocore.config import Config  # type: ignore[import-untyped]  # as above

from fake_providers import aws_cluster
from fake_providers.memory import MemoryProvider, MemoryType
from fake_providers.servicer import Found, RefusedError, Values

Client = Any

_BUCKET = "aws:s3/bucket:Bucket"


def _make(client: Client, inputs: Values) -> None:
    client.create_bucket(
        Bucket=inputs["bucket"],
        ObjectLockEnabledForBucket=bool(inputs.get("objectLockEnabled")),
        CreateBucketConfiguration={"LocationConstraint": client.meta.region_name},
    )


def _version(client: Client, inputs: Values) -> None:
    status = inputs["versioningConfiguration"]["status"]
    client.put_bucket_versioning(Bucket=inputs["bucket"], VersioningConfiguration={"Status": status})


def _lock(client: Client, inputs: Values) -> None:
    retention = inputs["rule"]["defaultRetention"]
    rule = {"DefaultRetention": {"Mode": retention["mode"], "Days": int(retention["days"])}}
    lock = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    client.put_object_lock_configuration(Bucket=inputs["bucket"], ObjectLockConfiguration=lock)


def _live(client: Client, inputs: Values) -> None:
    rules = []
    for rule in inputs["rules"]:
        written = {"ID": rule["id"], "Status": rule["status"], "Filter": {"Prefix": rule["filter"].get("prefix", "")}}
        if "noncurrentVersionExpiration" in rule:
            # The one field that Hetzner knows; another one is an error here already.
            (name,) = rule["noncurrentVersionExpiration"]
            days = int(rule["noncurrentVersionExpiration"][name])
            written["NoncurrentVersionExpiration"] = {name[0].upper() + name[1:]: days}
        if "abortIncompleteMultipartUpload" in rule:
            days = int(rule["abortIncompleteMultipartUpload"]["daysAfterInitiation"])
            written["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": days}
        rules.append(written)
    client.put_bucket_lifecycle_configuration(Bucket=inputs["bucket"], LifecycleConfiguration={"Rules": rules})


_METHODS = {"s3:GetObject": "s3:HeadObject", "s3:PutObject": "s3:PostObject"}
"""moto makes an action of each HTTP method (s3/responses.py, `_key_response`); a service knows the first of each pair
only, for both."""


def _allow(client: Client, inputs: Values) -> None:
    policy = inputs["policy"]
    document = json.loads(policy) if isinstance(policy, str) else policy
    for statement in document["Statement"]:
        for kind in {"Action", "NotAction"} & statement.keys():
            named = statement[kind] if isinstance(statement[kind], list) else [statement[kind]]
            statement[kind] = named + [_METHODS[one] for one in named if one in _METHODS]
    client.put_bucket_policy(Bucket=inputs["bucket"], Policy=json.dumps(document))


def _remove(client: Client, inputs: Values) -> None:
    client.delete_bucket(Bucket=inputs["bucket"])


Action = Callable[[Client, Values], None]
_WRITES: Mapping[str, Action] = {
    _BUCKET: _make,
    "aws:s3/bucketVersioning:BucketVersioning": _version,
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": _lock,
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _live,
    "aws:s3/bucketPolicy:BucketPolicy": _allow,
}
TYPES: Mapping[str, MemoryType] = {
    **{token.removeprefix("aws:"): MemoryType("bucket", "bucket") for token in _WRITES},
    _BUCKET.removeprefix("aws:"): MemoryType(
        "bucket",
        arn=lambda identity, _: f"arn:aws:s3:::{identity}",
        bucketDomainName=lambda identity, _: f"{identity}.s3.amazonaws.com",
    ),
    "kms/key:Key": MemoryType(
        "customerMasterKeySpec keyUsage",
        foretold={"arn": "arn:aws:kms:us-east-1:123456789012:key/foretold"},
        arn=lambda identity, _: f"arn:aws:kms:us-east-1:123456789012:key/{identity}",
        keyId=lambda identity, _: identity,
    ),
    "kms/alias:Alias": MemoryType(
        "name", "name targetKeyId", arn=lambda _, inputs: f"arn:aws:kms:us-east-1:123456789012:{inputs['name']}"
    ),
    "iam/user:User": MemoryType(
        "name", "name", arn=lambda _, inputs: f"arn:aws:iam::123456789012:user/{inputs['name']}"
    ),
    "iam/userPolicy:UserPolicy": MemoryType("name user", "policy user"),
    **{
        f"s3/bucket{part}:Bucket{part}": MemoryType("bucket", "bucket")
        for part in ("OwnershipControls", "PublicAccessBlock", "ServerSideEncryptionConfiguration")
    },
    **aws_cluster.CLUSTER_TYPES,
}


def _kind(token: str) -> str:
    return token.removeprefix("aws:")


class AwsProvider(MemoryProvider):
    """The package `aws`."""

    def __init__(self, world: Path | None) -> None:
        super().__init__("aws", TYPES, world)

    def identity(self, token: str, inputs: Values, count: int) -> str:
        """A bucket's is its name, and so it is of what AWS calls by one."""
        named = inputs.get("bucket") if token == _BUCKET else aws_cluster.name_of(_kind(token), inputs)
        return str(named or count)

    def configure(self, settings: Values) -> Client:
        """A client of the named service; it connects at its first call."""
        endpoints = settings.get("endpoints") or []
        endpoints = json.loads(endpoints) if isinstance(endpoints, str) else endpoints
        named = [one["s3"] for one in endpoints if "s3" in one]
        if not named:
            return None
        return boto3.client(
            "s3",
            endpoint_url=named[0],
            region_name=settings.get("region") or "us-east-1",
            config=Config(s3={"addressing_style": "path"}, connect_timeout=10, retries={"max_attempts": 3}),
        )

    def create(self, connection: Client, token: str, inputs: Values) -> Found:
        """At the service first: what it refuses is nowhere."""
        with self.world() as world:
            aws_cluster.hold(world, _kind(token), inputs)
        self._do(connection, _WRITES.get(token), inputs)
        return super().create(None, token, inputs)

    def update(self, connection: Client, token: str, found: Found, inputs: Values) -> Found:
        """As `create`; of a bucket itself nothing changes there."""
        self._do(connection, _WRITES.get(token) if token != _BUCKET else None, inputs)
        return super().update(None, token, found, inputs)

    def delete(self, connection: Client, token: str, found: Found) -> None:
        """A bucket; what is set on it goes with it. What others need stays."""
        with self.world() as world:
            aws_cluster.let_go(world, _kind(token), found.identity)
        self._do(connection, _remove if token == _BUCKET else None, found.inputs)
        super().delete(None, token, found)

    def _do(self, connection: Client, action: Action | None, inputs: Values) -> None:
        if connection is None or action is None:
            return
        try:
            action(connection, inputs)
        except (exceptions.ClientError, exceptions.BotoCoreError) as error:
            raise RefusedError(f"bucket {inputs.get('bucket')}: {error}") from None
