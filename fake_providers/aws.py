"""AWS in memory, and buckets of an S3 service really made where one is named: moto, in a sandbox.

Owns a bucket, its versions, lock, encryption, lifecycle and policy, through boto3; the program's provider names the
service, or the variable AWS_ENDPOINT_URL, as for AWS' own tools. What is found by that variable is in the provider's
own account and region, and `fake_providers.iam` in front of it judges by a bucket's policy. Refuses a bucket with
objects its deletion, as the service does. Other types of AWS, and buckets without a service, stay in memory; a
cluster's are in `fake_providers.aws_cluster`, and what stands behind it in a sandbox in `fake_providers.eks_machines`.
"""

import json
import os
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3  # type: ignore[import-untyped]  # the wheel ships no types
from botocore import exceptions  # type: ignore[import-untyped]  # as above
from botocore.config import Config  # type: ignore[import-untyped]  # as above

from fake_providers import aws_cluster
from fake_providers.memory import MemoryProvider, MemoryType
from fake_providers.servicer import Found, RefusedError, Values
from fake_providers.token_service import TokenService

if TYPE_CHECKING:
    from fake_providers.eks_machines import EksMachines

Client = Any

_LOGGING = "aws:s3/bucketLogging:BucketLogging"
_LOCK = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
_BUCKET, _BUCKET_POLICY = "aws:s3/bucket:Bucket", "aws:s3/bucketPolicy:BucketPolicy"
_KEY = "aws:kms/key:Key"


@dataclass(frozen=True, kw_only=True)
class NamedService:
    """The S3 service that a provider names, and whose it is."""

    storage: Client
    account: str
    region: str
    judged: bool
    """Whether a gate in front of it judges by the policies that are declared."""


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
        if "expiration" in rule:
            written["Expiration"] = {"Days": int(rule["expiration"]["days"])}
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


def _encrypt(client: Client, inputs: Values) -> None:
    (rule,) = inputs["rules"]
    wanted = rule["applyServerSideEncryptionByDefault"]
    by = {"SSEAlgorithm": wanted["sseAlgorithm"]}
    if "kmsMasterKeyId" in wanted:
        by["KMSMasterKeyID"] = wanted["kmsMasterKeyId"]
    written = {"ApplyServerSideEncryptionByDefault": by, "BucketKeyEnabled": bool(rule.get("bucketKeyEnabled"))}
    client.put_bucket_encryption(Bucket=inputs["bucket"], ServerSideEncryptionConfiguration={"Rules": [written]})


def _own(client: Client, inputs: Values) -> None:
    rule = {"ObjectOwnership": inputs["rule"]["objectOwnership"]}
    client.put_bucket_ownership_controls(Bucket=inputs["bucket"], OwnershipControls={"Rules": [rule]})


def _close(client: Client, inputs: Values) -> None:
    wanted = ("blockPublicAcls", "ignorePublicAcls", "blockPublicPolicy", "restrictPublicBuckets")
    closed = {name[0].upper() + name[1:]: bool(inputs.get(name)) for name in wanted}
    client.put_public_access_block(Bucket=inputs["bucket"], PublicAccessBlockConfiguration=closed)


def _remove(client: Client, inputs: Values) -> None:
    client.delete_bucket(Bucket=inputs["bucket"])


Action = Callable[[Client, Values], None]
_WRITES: Mapping[str, Action] = {
    _BUCKET: _make,
    "aws:s3/bucketVersioning:BucketVersioning": _version,
    _LOCK: _lock,
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _live,
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _encrypt,
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _own,
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _close,
    _BUCKET_POLICY: _allow,
}
TYPES: Mapping[str, MemoryType] = {
    **{token.removeprefix("aws:"): MemoryType("bucket", "bucket") for token in _WRITES},
    _BUCKET.removeprefix("aws:"): MemoryType(
        "bucket",
        arn=lambda identity, _: f"arn:aws:s3:::{identity}",
        bucketDomainName=lambda identity, _: f"{identity}.s3.amazonaws.com",
    ),
    # moto asks for a bucket's policy, and has none here: `fake_providers.iam` judges by it.
    _LOGGING.removeprefix("aws:"): MemoryType("bucket", "bucket targetBucket targetPrefix"),
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
    **aws_cluster.CLUSTER_TYPES,
}


def _listed(given: Any) -> list[Any]:
    """A list, which a provider's settings have as JSON."""
    return list(json.loads(given) if isinstance(given, str) else given or [])


def _kind(token: str) -> str:
    return token.removeprefix("aws:")


def _hold_logging(world: Values, target: str) -> None:
    """Raises RefusedError for a bucket that S3 delivers no records into."""
    if f"{_BUCKET} {target}" not in world:
        raise RefusedError(f"targetBucket is {target}, which doesn't exist in memory (InvalidTargetBucketForLogging)")
    for key, one in world.items():
        if key.startswith(f"{_LOCK} ") and one["inputs"]["bucket"] == target:
            raise RefusedError(
                f"targetBucket is {target}, which has a default retention (InvalidTargetBucketForLogging)"
            )


def _group(identity: str, inputs: Values) -> str:
    """A node group's name, which AWS makes of the prefix."""
    return f"{inputs.get('nodeGroupNamePrefix') or ''}{identity}"


class AwsProvider(MemoryProvider):
    """The package `aws`; `machines` is the folder of the sandbox's machines, None: clusters stay in memory."""

    def __init__(self, world: Path | None, machines: Path | None = None) -> None:
        super().__init__("aws", TYPES, world)
        self._machines = machines

    def identity(self, token: str, inputs: Values, count: int) -> str:
        """A bucket's is its name, and so it is of what AWS calls by one. A key's has the form of AWS' own."""
        if token == _KEY:
            return f"00000000-0000-4000-8000-{count:012d}"
        named = inputs.get("bucket") if token == _BUCKET else aws_cluster.name_of(_kind(token), inputs)
        return str(named or count)

    def configure(self, settings: Values) -> NamedService | None:
        """The named service; its client connects at its first call."""
        named = [one["s3"] for one in _listed(settings.get("endpoints")) if "s3" in one]
        endpoint = named[0] if named else os.environ.get("AWS_ENDPOINT_URL")
        if not endpoint:
            return None
        region = settings.get("region") or aws_cluster.REGION
        accounts = _listed(settings.get("allowedAccountIds"))
        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=region,
            config=Config(s3={"addressing_style": "path"}, connect_timeout=10, retries={"max_attempts": 3}),
        )
        account = str(accounts[0]) if accounts else aws_cluster.ACCOUNT
        return NamedService(storage=client, account=account, region=region, judged=not named)

    def told(self, connection: NamedService | None, computed: Any) -> Any:
        """An ARN is of the account and the region that the provider is for."""
        if connection is None or not connection.judged or not isinstance(computed, str):
            return computed
        return computed.replace(f":{aws_cluster.REGION}:", f":{connection.region}:").replace(
            f":{aws_cluster.ACCOUNT}:", f":{connection.account}:"
        )

    def create(self, connection: NamedService | None, token: str, inputs: Values) -> Found:
        """At the service first: what it refuses is nowhere."""
        with self.world() as world:
            aws_cluster.hold(world, _kind(token), inputs)
            if token == _LOGGING:
                _hold_logging(world, str(inputs["targetBucket"]))
        self._do(connection, token, inputs)
        return super().create(connection, token, inputs)

    def begin(self, connection: NamedService | None, token: str, identity: str, inputs: Values) -> Values:
        """Start a cluster, plug its nodes in, install what an add-on brings, tell pods who they are."""
        kind = _kind(token)
        behind = self._behind(kind)
        if behind is None:
            return {}
        if kind == aws_cluster.CLUSTER:
            outputs = behind.start()
            if aws := self._anywhere(connection, str(inputs["name"])):
                behind.let_in(self._file, aws)
            return outputs
        if kind == aws_cluster.NODES:
            behind.scale(_group(identity, inputs), inputs, self._zones(inputs))
        elif kind == aws_cluster.ADDON:
            behind.install(str(inputs["addonName"]))
        elif kind == aws_cluster.IDENTITY:
            behind.associate(identity, inputs, self._anywhere(connection, str(inputs["clusterName"])))
        return {}

    def update(self, connection: NamedService | None, token: str, found: Found, inputs: Values) -> Found:
        """As `create`; of a bucket itself nothing changes there."""
        kind = _kind(token)
        behind = self._behind(kind)
        if behind and kind == aws_cluster.NODES:
            behind.scale(_group(found.identity, inputs), inputs, self._zones(inputs))
        elif behind and kind == aws_cluster.IDENTITY:
            behind.associate(found.identity, inputs, self._anywhere(connection, str(inputs["clusterName"])))
        if token != _BUCKET:
            self._do(connection, token, inputs)
        return super().update(None, token, found, inputs)

    def delete(self, connection: NamedService | None, token: str, found: Found) -> None:
        """A bucket; what is set on it goes with it. What others need stays."""
        with self.world() as world:
            aws_cluster.let_go(world, _kind(token), found.identity)
        if token == _BUCKET:
            self._do(connection, token, found.inputs, _remove)
        self._end(_kind(token), found)
        super().delete(None, token, found)

    def drop_unknown(self, connection: NamedService | None, known: Container[tuple[str, str]]) -> list[str]:
        """With nodes that a killed run had plugged in."""
        dropped = super().drop_unknown(connection, known)
        if behind := self._behind(aws_cluster.NODES):
            with self.world() as world:
                groups = {
                    _group(key.partition(" ")[2], one["inputs"])
                    for key, one in world.items()
                    if key.startswith(f"aws:{aws_cluster.NODES} ")
                }
            behind.keep_groups(groups)
        return dropped

    def taken_away(self, token: str) -> int:
        """Who needs others goes before them."""
        return -aws_cluster.depth(_kind(token))

    def _end(self, kind: str, found: Found) -> None:
        behind = self._behind(kind)
        with self.world() as world:
            there = f"aws:{kind} {found.identity}" in world
        if behind is None or not there:
            return
        if kind == aws_cluster.CLUSTER:
            behind.remove()
        elif kind == aws_cluster.NODES:
            behind.remove_group(_group(found.identity, found.inputs))
        elif kind == aws_cluster.IDENTITY:
            behind.dissociate(found.identity, found.inputs)

    def _behind(self, kind: str) -> "EksMachines | None":
        """What stands behind a thing of this kind, if anything does."""
        if self._machines is None or kind not in aws_cluster.BEHIND:
            return None
        from fake_providers.eks_machines import EksMachines  # noqa: PLC0415 - what it needs is for clusters only

        return EksMachines(self._machines)

    def _zones(self, inputs: Values) -> set[str]:
        """Of a group's subnets."""
        with self.world() as world:
            held = [world[f"aws:{aws_cluster.SUBNET} {one}"] for one in inputs["subnetIds"]]
        return {str(one["inputs"]["availabilityZoneId"]) for one in held}

    def _anywhere(self, connection: NamedService | None, cluster: str) -> TokenService | None:
        url, authority = os.environ.get("AWS_ENDPOINT_URL"), os.environ.get("AWS_CA_BUNDLE")
        if not url:
            return None
        arn = self.told(connection, aws_cluster.cluster_arn(cluster))
        return TokenService(
            url=url,
            region=connection.region if connection else aws_cluster.REGION,
            cluster=arn,
            authority=Path(authority).read_bytes() if authority else None,
        )

    def _do(self, connection: NamedService | None, token: str, inputs: Values, action: Action | None = None) -> None:
        action = action or _WRITES.get(token)
        if connection is None or action is None or (token == _BUCKET_POLICY and connection.judged):
            return
        try:
            action(connection.storage, inputs)
        except (exceptions.ClientError, exceptions.BotoCoreError) as error:
            raise RefusedError(f"bucket {inputs.get('bucket')}: {error}") from None
