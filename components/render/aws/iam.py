"""Statements of IAM, typed: who may do what, on which thing, under which condition.

Owns the form of a document. Refuses an action that isn't one action by its name, and a wildcard in a resource that
hasn't said what it stands for.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ...model import SettingError

_ACTION = re.compile(r"[a-z0-9-]+:[A-Z][A-Za-z0-9]+")
_ANY = re.compile(r"[*?]")
_VERSION = "2012-10-17"
"""The language's current version; without it variables in conditions are plain text (AWS IAM, Version element)."""


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """Resources that have no name of their own yet, or a bounded set of them."""

    text: str
    """As IAM reads it, with its wildcard."""
    stands_for: str
    """What the wildcard stands for."""


THIS_KEY = Pattern(text="*", stands_for="the KMS key that the policy is of, which can't be named in it")
THIS_SECRET = Pattern(text="*", stands_for="the secret that the policy is of, whose whole name AWS makes")
BY_THE_CALLER = Pattern(text="*", stands_for="what the caller's own policy allows, which an endpoint's only narrows")
BY_THE_ROLE = Pattern(text="*", stands_for="what the role's own policies allow, which a boundary only narrows")


def objects(bucket: str, prefix: str) -> Pattern:
    """Objects of a bucket whose names begin so."""
    return Pattern(text=f"arn:aws:s3:::{bucket}/{prefix}*", stands_for=f"objects below {prefix or 'the bucket'}")


def secret(*, region: str, account: str, name: str) -> Pattern:
    """A secret of Secrets Manager, to whose name AWS adds a hyphen and six characters."""
    return Pattern(
        text=f"arn:aws:secretsmanager:{region}:{account}:secret:{name}-??????",
        stands_for="the characters that AWS adds to a secret's name",
    )


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service of AWS' own as principal."""

    name: str
    """Such as `eks.amazonaws.com`."""


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Roles, users or an account's root, by their ARNs."""

    arns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Federated:
    """Whoever an identity provider vouches for; a condition has to say who of those."""

    arn: str
    """Of the provider in IAM."""


@dataclass(frozen=True, kw_only=True)
class Anybody:
    """Every principal; a condition has to say which."""


Principal: TypeAlias = Service | Roles | Federated | Anybody


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One sentence of a policy. Raises SettingError for what is wider than it says."""

    sid: str
    """What it is for, in letters and digits."""
    actions: tuple[str, ...]
    """Each by its whole name."""
    effect: Literal["Allow", "Deny"] = "Allow"
    resources: tuple[str | Pattern, ...] = ()
    """ARNs; none in a role's trust, which is of that role."""
    principal: Principal | None = None
    """Whom it is about, in a policy of a thing; none in a policy of a role, which is about that role."""
    conditions: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    """By operator, then by key."""

    def __post_init__(self) -> None:
        for action in self.actions:
            if not _ACTION.fullmatch(action):
                raise SettingError(f"{self.sid}.actions", repr(action), "one action by its name, such as kms:Decrypt")
        for resource in self.resources:
            if isinstance(resource, str) and _ANY.search(resource):
                raise SettingError(
                    f"{self.sid}.resources", repr(resource), "an ARN, or a Pattern that says what it stands for"
                )
        if isinstance(self.principal, Anybody | Federated) and not self.conditions:
            raise SettingError(f"{self.sid}.conditions", "empty", "a condition, since every principal is meant")

    def written(self) -> dict[str, Any]:
        """As IAM reads it."""
        found: dict[str, Any] = {"Sid": self.sid, "Effect": self.effect, "Action": sorted(self.actions)}
        if self.resources:
            found["Resource"] = [one.text if isinstance(one, Pattern) else one for one in self.resources]
        if self.principal is not None:
            found["Principal"] = _principal(self.principal)
        if self.conditions:
            found["Condition"] = {
                operator: {key: list(values) for key, values in keys.items()}
                for operator, keys in self.conditions.items()
            }
        return found


def _principal(principal: Principal) -> dict[str, Any]:
    match principal:
        case Service(name=name):
            return {"Service": [name]}
        case Roles(arns=arns):
            return {"AWS": list(arns)}
        case Federated(arn=arn):
            return {"Federated": [arn]}
        case Anybody():
            return {"AWS": "*"}


def document(*statements: Statement) -> str:
    """A policy as JSON, the same text each time."""
    return json.dumps({"Version": _VERSION, "Statement": [one.written() for one in statements]}, sort_keys=True)
