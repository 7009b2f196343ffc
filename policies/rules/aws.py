"""Rules about keys, buckets and users at AWS and at whoever speaks its language. Owns what a grant may not say."""

import json
from collections.abc import Iterator
from typing import Any

from .constraints import given, inputs, on, on_unless_left
from .rule import Resource, Rule

_SHORTEST_WINDOW_DAYS = 7
_OF_RECORDS = "vault-estate:index:AccessLogBucket"
"""The component that keeps records of access to a bucket: S3 adds to no other bucket than one without a lock and
without a key of the account's own (AWS S3, Enabling server access logging)."""


def _keeps_records(resource: Resource) -> bool:
    return _OF_RECORDS in resource.parents


def _lockable(resource: Resource) -> Iterator[str]:
    if not _keeps_records(resource):
        yield from inputs(objectLockEnabled=on)(resource)


def _locked(resource: Resource) -> Iterator[str]:
    if resource.has_inputs and resource.known("rule"):
        with resource.remembering():
            kept = (resource.get("rule") or {}).get("defaultRetention") or {}
            if not (kept.get("days") or kept.get("years")):
                yield "it keeps nothing from being deleted at once"


def _forgetful(resource: Resource) -> Iterator[str]:
    if resource.known("rules") and not _keeps_records(resource):
        with resource.remembering():
            for number, rule in enumerate(resource.get("rules") or []):
                if rule.get("expiration") and rule.get("status") == "Enabled":
                    yield f"rules[{number}] deletes the newest version of what nobody hid"


def _endless(resource: Resource) -> Iterator[str]:
    if resource.has_inputs and _keeps_records(resource) and resource.known("rules"):
        with resource.remembering():
            on = [rule for rule in resource.get("rules") or [] if rule.get("status") == "Enabled"]
            if not any((rule.get("expiration") or {}).get("days") for rule in on):
                yield "rules keep records of access for ever"


def _recorded(resource: Resource) -> Iterator[str]:
    if not resource.has_inputs:
        return
    yield from inputs(targetBucket=given, targetPrefix=given)(resource)
    if resource.known("targetBucket") and resource.known("bucket"):
        target = resource.get("targetBucket")
        if target and target == resource.get("bucket"):
            yield "targetBucket is the bucket itself, so that each record makes another one"


def _unfinished(resource: Resource) -> Iterator[str]:
    if resource.has_inputs and resource.known("rules"):
        with resource.remembering():
            on = [rule for rule in resource.get("rules") or [] if rule.get("status") == "Enabled"]
            if not any((rule.get("abortIncompleteMultipartUpload") or {}).get("daysAfterInitiation") for rule in on):
                yield "rules keep uploads that stopped half-way for ever"


def _shut(resource: Resource) -> Iterator[str]:
    if resource.known("policy"):
        try:
            statements = json.loads(str(resource.get("policy") or "{}")).get("Statement", [])
        except (ValueError, AttributeError):
            yield "its policy can't be judged (it is no JSON)"
            return
        for number, statement in enumerate(_entries(statements)):
            principal = statement.get("Principal")
            named = _entries(principal.get("AWS") if isinstance(principal, dict) else principal)
            if statement.get("Effect") == "Deny" and "*" in named and not statement.get("Condition"):
                yield f"statement {number} keeps everybody out, and the account's root with them"


def _starred(resource: Resource) -> Iterator[str]:
    if resource.known("policy"):
        try:
            statements = json.loads(str(resource.get("policy") or "{}")).get("Statement", [])
        except (ValueError, AttributeError):
            yield "its policy can't be judged (it is no JSON)"
            return
        for number, statement in enumerate(statements if isinstance(statements, list) else [statements]):
            if statement.get("Effect") == "Allow":
                for name in ("Action", "Resource"):
                    if any(entry == "*" or str(entry).endswith(":*") for entry in _entries(statement.get(name))):
                        yield f"statement {number} allows every {name.lower()}"


def _encrypted(resource: Resource) -> Iterator[str]:
    if resource.has_inputs and resource.known("rules"):
        with resource.remembering():
            rules = resource.get("rules") or []
            by_default = [rule.get("applyServerSideEncryptionByDefault") or {} for rule in rules]
            if _keeps_records(resource):
                if [one.get("sseAlgorithm") for one in by_default] != ["AES256"]:
                    yield "rules don't encrypt by S3's own keys, without which it adds no records"
            elif not by_default or any(
                one.get("sseAlgorithm") != "aws:kms" or not one.get("kmsMasterKeyId") for one in by_default
            ):
                yield "rules don't encrypt by a key of the account's own"


def _enforced(value: Any) -> str | None:
    owner = (value or {}).get("objectOwnership")
    return None if owner == "BucketOwnerEnforced" else "lets who uploads an object own it"


def _entries(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


RULES = (
    Rule(
        name="seal-key-waits",
        sentence="A key that unseals Vault can be kept from deletion for at least a week.",
        remediation=f"Set deletion_window_in_days to {_SHORTEST_WINDOW_DAYS} or more.",
        source="AWS, KMS: deleting keys",
        types=("aws:kms/key:Key",),
        check=inputs(
            deletionWindowInDays=lambda value: (
                None if value is None or value >= _SHORTEST_WINDOW_DAYS else "is under a week"
            )
        ),
    ),
    Rule(
        name="seal-key-is-rotated",
        sentence="A key that unseals Vault gets new material each year.",
        remediation="Set enable_key_rotation.",
        source="CIS AWS Foundations Benchmark 3.0, 3.6",
        types=("aws:kms/key:Key",),
        check=inputs(enableKeyRotation=lambda value: None if value is True else "is off"),
    ),
    Rule(
        name="snapshots-are-locked",
        sentence="Snapshots can't be deleted before their time.",
        remediation="Give a default retention in days.",
        source="AWS, S3 Object Lock; this project's docs/threat-model.md",
        types=("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",),
        check=_locked,
    ),
    Rule(
        name="bucket-locks-versions",
        sentence="A bucket of snapshots can lock what is in it, which is decided when it is made.",
        remediation="Set object_lock_enabled.",
        source="AWS, S3 Object Lock; Checkov CKV_AWS_143",
        types=("aws:s3/bucket:Bucket",),
        check=_lockable,
    ),
    Rule(
        name="stopped-uploads-are-removed",
        sentence="What was uploaded half-way doesn't stay.",
        remediation="Give an enabled rule abort_incomplete_multipart_upload with days_after_initiation.",
        source="AWS, S3 Lifecycle: incomplete multipart uploads; Checkov CKV_AWS_300",
        types=("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",),
        check=_unfinished,
    ),
    Rule(
        name="bucket-policy-shuts-nobody-out",
        sentence="A bucket's policy denies nothing to everybody without a condition.",
        remediation="Give the statement a condition.",
        source="AWS, S3: a policy that locks its account out; Checkov CKV_AWS_93",
        types=("aws:s3/bucketPolicy:BucketPolicy",),
        check=_shut,
    ),
    Rule(
        name="key-is-on",
        sentence="A key is enabled.",
        remediation="Leave is_enabled out.",
        source="AWS KMS, Enabling and disabling keys; Checkov CKV_AWS_227",
        types=("aws:kms/key:Key",),
        check=inputs(isEnabled=on_unless_left),
    ),
    Rule(
        name="snapshots-are-hidden-first",
        sentence="Nothing but versions that somebody hid is deleted by age.",
        remediation="Use noncurrent_version_expiration in place of expiration.",
        source="AWS, S3 Lifecycle: expiration of current and noncurrent versions",
        types=("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",),
        check=_forgetful,
    ),
    Rule(
        name="bucket-requests-are-recorded",
        sentence="Who asks a bucket for what is recorded in another bucket.",
        remediation="Give target_bucket, the name of another bucket, and target_prefix.",
        source="CIS AWS Foundations Benchmark 3.0, 3.4; Checkov CKV_AWS_18",
        types=("aws:s3/bucketLogging:BucketLogging",),
        check=_recorded,
    ),
    Rule(
        name="records-of-access-end",
        sentence="Records of who asked a bucket for what are kept for a fixed time.",
        remediation="Give an enabled rule an expiration in days.",
        source="AWS S3, Server access logging: deleting log files; Checkov CKV2_AWS_61",
        types=("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",),
        check=_endless,
    ),
    Rule(
        name="snapshots-are-encrypted-by-own-key",
        sentence="A bucket at AWS encrypts what is in it by a key of the account's own, and records of access by S3's.",
        remediation="Set sse_algorithm to aws:kms with kms_master_key_id, or to AES256 for records of access.",
        source="AWS, S3: server-side encryption with KMS keys; Checkov CKV_AWS_19, CKV_AWS_145",
        types=("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",),
        check=_encrypted,
    ),
    Rule(
        name="snapshots-are-their-buckets",
        sentence="What is in a bucket belongs to the bucket's owner.",
        remediation="Set object_ownership to BucketOwnerEnforced, which also ends access lists.",
        source="AWS, S3: controlling ownership of objects; Checkov CKV2_AWS_65",
        types=("aws:s3/bucketOwnershipControls:BucketOwnershipControls",),
        check=inputs(rule=_enforced),
    ),
    Rule(
        name="grants-name-what-they-allow",
        sentence="A user's policy names each action and each resource.",
        remediation="List them.",
        source="CIS AWS Foundations Benchmark 3.0, 1.16; AWS, IAM: least privilege",
        types=("aws:iam/userPolicy:UserPolicy",),
        check=_starred,
    ),
)
