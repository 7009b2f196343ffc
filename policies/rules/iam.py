"""Rules about documents of IAM: a role's trust, what it may do, and who may use a key. Owns how a document is read."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from .constraints import given, inputs, one_of
from .rule import Check, Resource, Rule

_UNCONDITIONED = frozenset({"ec2.amazonaws.com"})
"""Services that say no account when they take a role on (AWS, confused deputy: EC2 isn't among those that do)."""
_SOURCES = ("aws:SourceAccount", "aws:SourceArn")
_MANAGED = tuple(
    f"arn:aws:iam::aws:policy/{name}"
    for name in (
        "AmazonEC2ContainerRegistryPullOnly",
        "AmazonEKSClusterPolicy",
        "AmazonEKSWorkerNodePolicy",
        "AmazonEKS_CNI_Policy",
        "service-role/AmazonEBSCSIDriverPolicy",
        "service-role/AmazonRDSEnhancedMonitoringRole",
    )
)
"""AWS' own policies that a cluster and its database take (AWS EKS, IAM roles; AWS RDS, Enhanced Monitoring)."""

Judge = Callable[[Any], str | None]


def entries(value: Any) -> list[Any]:
    """What may be written as one, as several."""
    return value if isinstance(value, list) else [value]


def statements(name: str, judge: Judge) -> Check:
    """A check of each statement of a document."""

    def check(resource: Resource) -> Iterator[str]:
        if not (resource.has_inputs and resource.known(name)):
            return
        try:
            found = json.loads(str(resource.get(name) or "{}")).get("Statement", [])
        except (ValueError, AttributeError):
            yield f"{name} can't be judged (it is no JSON)"
            return
        for number, statement in enumerate(entries(found)):
            if statement.get("Effect") == "Allow" and (wrong := judge(statement)):
                yield f"{name}, statement {number}, {wrong}"

    return check


def _anybody(statement: Any) -> bool:
    principal = statement.get("Principal") or {}
    named = entries(principal.get("AWS")) if isinstance(principal, dict) else entries(principal)
    return "*" in named


def _trusts(statement: Any) -> str | None:
    if _anybody(statement):
        return "lets everybody take the role on"
    principal = statement.get("Principal") or {}
    services = set(entries(principal.get("Service") or [])) if isinstance(principal, dict) else set()
    conditions = statement.get("Condition") or {}
    told = any(key in keys for keys in conditions.values() for key in _SOURCES)
    return "lets a service take the role on for any account" if services - _UNCONDITIONED and not told else None


def _web_identity(statement: Any) -> str | None:
    principal = statement.get("Principal") or {}
    providers = [str(one) for one in entries(principal.get("Federated") or [])] if isinstance(principal, dict) else []
    told = (statement.get("Condition") or {}).get("StringEquals") or {}
    for provider in providers:
        issuer = provider.partition(":oidc-provider/")[2]
        for claim in ("sub", "aud") if issuer else ():
            named = [str(one) for one in entries(told.get(f"{issuer}:{claim}") or [])]
            if not named or any("*" in one or "?" in one for one in named):
                return f"lets anybody whom an issuer knows take the role on: {claim} isn't named"
    return None


def _exact(statement: Any) -> str | None:
    if "NotAction" in statement or any("*" in str(one) or "?" in str(one) for one in entries(statement.get("Action"))):
        return "allows actions that it doesn't name"
    return None


def _bounded(statement: Any) -> str | None:
    if "NotResource" in statement or "*" in entries(statement.get("Resource")):
        return "allows every resource"
    return None


def _key_principals(statement: Any) -> str | None:
    return "lets everybody use the key" if _anybody(statement) and not statement.get("Condition") else None


def _key_actions(statement: Any) -> str | None:
    wrong = _exact(statement)
    principal = statement.get("Principal") or {}
    account = isinstance(principal, dict) and any(":root" in str(one) for one in entries(principal.get("AWS")))
    opens = any(str(one).removeprefix("kms:") in _OPENS for one in entries(statement.get("Action")))
    return wrong or ("lets an IAM policy open the key" if account and opens else None)


_OPENS = frozenset({"Decrypt", "CreateGrant", "GenerateDataKey", "ReEncryptFrom", "ReEncryptTo"})


RULES = (
    Rule(
        name="web-identity-is-named",
        sentence="A role that is taken on by the token of an issuer says whose token, and for whom it was made.",
        remediation="Give StringEquals on the issuer's sub and aud, without a wildcard.",
        source="AWS IAM, Create a role for OpenID Connect federation; Checkov CKV_AWS_393, of any issuer",
        types=("aws:iam/role:Role",),
        check=statements("assumeRolePolicy", _web_identity),
    ),
    Rule(
        name="role-is-taken-on-for-this-account",
        sentence="A role says who takes it on, and a service takes it on for this account only.",
        remediation="Name principals, and give services a condition on aws:SourceAccount or aws:SourceArn.",
        source="AWS IAM, The confused deputy problem; Checkov CKV_AWS_60, CKV_AWS_61",
        types=("aws:iam/role:Role",),
        check=statements("assumeRolePolicy", _trusts),
    ),
    Rule(
        name="role-is-bounded",
        sentence="A role has a permissions boundary.",
        remediation="Set permissions_boundary.",
        source="AWS IAM, Permissions boundaries for IAM entities; Security best practices",
        types=("aws:iam/role:Role",),
        check=inputs(permissionsBoundary=given),
    ),
    Rule(
        name="policy-names-its-actions",
        sentence="A policy of the account's own names each action, and has no administrator's rights.",
        remediation="List the actions.",
        source="AWS IAM, Security best practices: least privilege; Checkov CKV_AWS_62, CKV_AWS_63",
        types=("aws:iam/policy:Policy",),
        check=statements("policy", _exact),
    ),
    Rule(
        name="role-names-its-actions",
        sentence="A role's own policy names each action.",
        remediation="List the actions.",
        source="AWS IAM, Security best practices: least privilege; Checkov CKV_AWS_63, CKV_AWS_286 to 289",
        types=("aws:iam/rolePolicy:RolePolicy",),
        check=statements("policy", _exact),
    ),
    Rule(
        name="role-names-its-resources",
        sentence="A role's own policy names what it is about.",
        remediation="Give ARNs; a prefix of one may end with a wildcard.",
        source="AWS IAM, Security best practices: least privilege; Checkov CKV_AWS_290, CKV_AWS_355",
        types=("aws:iam/rolePolicy:RolePolicy",),
        check=statements("policy", _bounded),
    ),
    Rule(
        name="role-has-known-policies",
        sentence="Of AWS' own policies a role has only those that a cluster takes.",
        remediation="Write a policy of the role's own.",
        source="AWS EKS, IAM roles; Checkov CKV_AWS_274",
        types=("aws:iam/rolePolicyAttachment:RolePolicyAttachment",),
        check=inputs(policyArn=one_of(*_MANAGED)),
    ),
    Rule(
        name="key-names-its-users",
        sentence="A key's policy names who uses it, or under which condition everybody does.",
        remediation="Name principals, or give a condition.",
        source="AWS KMS, Key policies: best practices; Checkov CKV_AWS_33",
        types=("aws:kms/key:Key",),
        check=statements("policy", _key_principals),
    ),
    Rule(
        name="key-is-opened-by-its-own-policy",
        sentence="What may be decrypted by a key stands in the key's policy, action by action.",
        remediation="Give the account administrative actions only, each by its name.",
        source="AWS KMS, Key policies: allowing access to the account",
        types=("aws:kms/key:Key",),
        check=statements("policy", _key_actions),
    ),
)
