"""What a sandbox's account holds that judges requests: declared roles, boundaries, policies of buckets and keys.

Reads the file of its objects (`fake_providers.memory`), where `pulumi up` puts them, and moto for what is made by
requests: secrets with their policies, and the states of keys. A declared key is made there by its own id. Refuses to
know anything of an account that isn't declared. Whoever never starts a sandbox has no moto, so it is imported late.
"""

# ruff: noqa: PLC0415 - moto is imported where it is asked

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fake_providers.iam.policies import Document, Granted

_MANAGED = "arn:aws:iam::aws:policy/"
_TYPES = {
    "role": "iam/role:Role",
    "policy": "iam/policy:Policy",
    "inline": "iam/rolePolicy:RolePolicy",
    "attached": "iam/rolePolicyAttachment:RolePolicyAttachment",
    "bucket policy": "s3/bucketPolicy:BucketPolicy",
    "encryption": "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "key": "kms/key:Key",
    "cluster": "eks/cluster:Cluster",
    "entry": "eks/accessEntry:AccessEntry",
    "access": "eks/accessPolicyAssociation:AccessPolicyAssociation",
    "endpoint": "ec2/vpcEndpoint:VpcEndpoint",
}
_MATERIAL_BYTES = 32
"""Of a key, as moto has it."""


@dataclass(frozen=True, kw_only=True)
class StoredSecret:
    """A secret that is there."""

    arn: str
    policy: Document | None
    tags: Mapping[str, str]
    key: str | None
    """The key of the account's own that it is encrypted by."""


@dataclass(frozen=True, kw_only=True)
class NetworkEndpoint:
    """By which a service is reached from inside of the network."""

    identity: str
    policy: Document | None
    """None: it lets everything through."""


@dataclass(frozen=True, kw_only=True)
class DeclaredAccount:
    """One account of a sandbox."""

    world: Path
    """The file of its objects."""
    number: str

    def role(self, arn: str) -> Mapping[str, Any] | None:
        """A role's inputs, by its ARN."""
        return next((one["inputs"] for one in self._objects("role") if one["outputs"]["arn"] == arn), None)

    def trust(self, arn: str) -> Document | None:
        """Who may take on a role; None: there is no such role."""
        role = self.role(arn)
        return _document(role["assumeRolePolicy"]) if role else None

    def granted(self, arn: str) -> Granted:
        """What counts for a role; nothing is allowed to one that isn't there."""
        role = self.role(arn)
        if role is None:
            return Granted(identity=())
        name = role["name"]
        own = [_document(one["inputs"]["policy"]) for one in self._objects("inline") if one["inputs"]["role"] == name]
        attached = [
            self._policy(str(one["inputs"]["policyArn"]))
            for one in self._objects("attached")
            if one["inputs"]["role"] == name
        ]
        boundary = role.get("permissionsBoundary")
        return Granted(identity=[*own, *attached], boundary=self._policy(str(boundary)) if boundary else None)

    def bucket_policy(self, name: str) -> Document | None:
        """Of a bucket, by its name."""
        found = [one["inputs"] for one in self._objects("bucket policy") if one["inputs"]["bucket"] == name]
        return _document(found[0]["policy"]) if found else None

    def bucket_key(self, name: str) -> str | None:
        """ARN of the key that a bucket encrypts by unless another one is named."""
        for one in self._objects("encryption"):
            if one["inputs"]["bucket"] == name:
                (rule,) = one["inputs"]["rules"]
                found: str | None = rule["applyServerSideEncryptionByDefault"].get("kmsMasterKeyId")
                return found
        return None

    def key_arn(self, named: str) -> str:
        """ARN of a key that is named by its id or ARN."""
        return next(
            (arn for one in self._objects("key") if (arn := str(one["outputs"]["arn"])).endswith(f"/{named}")), named
        )

    def key_policy(self, arn: str) -> Document | None:
        """Of a key, as it was declared; None: there is no such key."""
        found = next((one for one in self._objects("key") if one["outputs"]["arn"] == arn), None)
        return _document(found["inputs"]["policy"]) if found else None

    def key_state(self, arn: str) -> str:
        """Enabled, Disabled or PendingDeletion."""
        from moto.kms.models import kms_backends

        self.have_keys()
        region, identity = arn.split(":")[3], arn.rpartition("/")[2]
        key = kms_backends[self.number][region].keys.get(identity)
        return str(key.key_state) if key else "Missing"

    def have_keys(self) -> None:
        """Have moto know each declared key."""
        from moto.kms.models import kms_backends

        for one in self._objects("key"):
            arn, inputs = str(one["outputs"]["arn"]), one["inputs"]
            region, identity = arn.split(":")[3], arn.rpartition("/")[2]
            there = kms_backends[self.number][region].keys
            if identity not in there:
                text = json.dumps(_document(inputs["policy"]))
                made = kms_backends[self.number][region].create_key(
                    text, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", inputs.get("description", ""), None
                )
                del there[made.id]
                made.id, made.arn, made.key_material = identity, arn, self._material(identity)
                there[identity] = made

    def _material(self, identity: str) -> bytes:
        """What a key encrypts by, kept beside the objects: it outlives this process, as what it encrypted does."""
        file = self.world.with_name("kms") / identity
        file.parent.mkdir(mode=0o700, exist_ok=True)
        if not file.exists():
            fresh = file.with_name(os.urandom(8).hex())
            fresh.touch(mode=0o600)
            fresh.write_bytes(os.urandom(_MATERIAL_BYTES))
            # Of two at once one is first, and both have its.
            with suppress(FileExistsError):
                file.hardlink_to(fresh)
            fresh.unlink()
        return file.read_bytes()

    def endpoint(self, service: str) -> NetworkEndpoint | None:
        """That of a service, if the network has one."""
        for key, one in self._named("endpoint"):
            if str(one["inputs"]["serviceName"]).endswith(f".{service}"):
                written = one["inputs"].get("policy")
                return NetworkEndpoint(identity=key, policy=_document(written) if written else None)
        return None

    def secret(self, named: str, region: str) -> StoredSecret | None:
        """A secret by its name or ARN."""
        from moto.secretsmanager.models import FakeSecret, secretsmanager_backends

        found = secretsmanager_backends[self.number][region].secrets.get(named)
        if not isinstance(found, FakeSecret):
            return None
        return StoredSecret(
            arn=str(found.arn),
            policy=json.loads(found.policy) if found.policy else None,
            tags={one["Key"]: one["Value"] for one in found.tags or ()},
            key=found.kms_key_id,
        )

    @property
    def cluster(self) -> str:
        """ARN of the cluster whose pods have roles; empty where none is declared."""
        return next((str(one["outputs"]["arn"]) for one in self._objects("cluster")), "")

    def entry(self, cluster: str, role: str) -> Mapping[str, Any] | None:
        """What lets a role use a cluster's API, by the cluster's name and the name of the role in its ARN."""
        return next(iter(self._of_principal("entry", cluster, role)), None)

    def access(self, cluster: str, role: str) -> list[Mapping[str, Any]]:
        """Which policies of EKS' own a role has there, and where in it."""
        return self._of_principal("access", cluster, role)

    def _of_principal(self, kind: str, cluster: str, role: str) -> list[Mapping[str, Any]]:
        found = [one["inputs"] for one in self._objects(kind)]
        return [
            one
            for one in found
            if one["clusterName"] == cluster and str(one["principalArn"]).rpartition("/")[2] == role
        ]

    def _policy(self, arn: str) -> Document:
        if arn.startswith(_MANAGED):
            return _managed(arn.rpartition("/")[2])
        found = next((one["inputs"] for one in self._objects("policy") if one["outputs"]["arn"] == arn), None)
        # One that isn't there allows nothing.
        return _document(found["policy"]) if found else {"Statement": []}

    def _objects(self, kind: str) -> Iterator[Mapping[str, Any]]:
        for _, one in self._named(kind):
            yield one

    def _named(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Each with its identity."""
        begins = f"aws:{_TYPES[kind]} "
        for key, one in _read(self.world, self.world.stat().st_mtime_ns if self.world.exists() else 0).items():
            if key.startswith(begins):
                yield key.removeprefix(begins), one


@cache
def _managed(name: str) -> Document:
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    found = json.loads(aws_managed_policies_data).get(name)
    return found["Document"] if found else {"Statement": []}


_last: dict[Path, tuple[int, dict[str, Any]]] = {}


def _read(file: Path, changed: int) -> dict[str, Any]:
    """The file as it is; read once for each of its states."""
    if _last.get(file, (None,))[0] != changed:
        _last[file] = (changed, json.loads(file.read_text(encoding="utf-8")) if changed else {})
    return _last[file][1]


def _document(written: Any) -> Document:
    found: Document = json.loads(written) if isinstance(written, str) else written
    return found
