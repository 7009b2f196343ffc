"""Rule: a bucket keeps versions and is nobody's but its owner's. Owns the types that decide it.

Versions are a resource of their own, so a bucket that has none declared isn't seen here: `tests/unit/components` pins
the graph.
"""

import json
from collections.abc import Iterator
from typing import Any

from .rule import Resource, Rule

_PUBLIC = frozenset({"public-read", "public-read-write", "authenticated-read"})
_GROUPS = ("http://acs.amazonaws.com/groups/global/",)
_BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


def _check(resource: Resource) -> Iterator[str]:
    if resource.known("acl") and resource.get("acl") in _PUBLIC:
        yield f"acl is {resource.get('acl')}"
    if resource.known("forceDestroy") and resource.get("forceDestroy"):
        yield "forceDestroy is set, so deleting the bucket deletes what is in it"
    if resource.type.endswith(":BucketVersioning"):
        with resource.remembering():
            if (resource.get("versioningConfiguration") or {}).get("status") != "Enabled":
                yield "its versions aren't kept"
    if resource.type.endswith(":BucketPublicAccessBlock"):
        for name in _BLOCKS:
            if resource.known(name) and resource.get(name) is not True:
                yield f"{name} is off"
    if resource.type.endswith(":BucketPolicy"):
        with resource.remembering():
            yield from _policy(resource.get("policy"))
    with resource.remembering():
        yield from _grants(resource.get("accessControlPolicy"))


def _policy(text: Any) -> Iterator[str]:
    try:
        statements = json.loads(text or "{}").get("Statement", [])
    except (ValueError, TypeError, AttributeError):
        yield "its policy can't be judged (it is no JSON)"
        return
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal")
        named = principal.get("AWS") if isinstance(principal, dict) else principal
        if statement.get("Effect") == "Allow" and "*" in (named if isinstance(named, list) else [named]):
            yield "its policy allows everybody something"


def _grants(policy: Any) -> Iterator[str]:
    for grant in (policy or {}).get("grants") or []:
        if str((grant.get("grantee") or {}).get("uri") or "").startswith(_GROUPS):
            yield "it is granted to a group of everybody's"


RULE = Rule(
    name="bucket-private-and-versioned",
    sentence="A bucket keeps its versions, is never public and isn't deleted with its contents.",
    remediation="Leave acl private and force_destroy off, block public access, and set versioning to Enabled.",
    source="CIS AWS Foundations Benchmark 3.0, 2.1.4; AWS, S3 versioning; Checkov CKV_AWS_20, CKV_AWS_21, CKV_AWS_53, "
    "CKV_AWS_54, CKV_AWS_55, CKV_AWS_56, CKV_AWS_57, CKV_AWS_70",
    types=(
        "aws:s3/bucket:Bucket",
        "aws:s3/bucketAcl:BucketAcl",
        "aws:s3/bucketPolicy:BucketPolicy",
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "aws:s3/bucketVersioning:BucketVersioning",
    ),
    check=_check,
)
