"""What documents of IAM allow: roles' policies and trust, keys', buckets' and endpoints' policies.

Owns when one statement covers another: by its patterns, and by conditions that ask for the same or for less. Refuses to
add up several statements for one, and to know what AWS' own policies hold.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import product
from typing import Any

from ops.review.allowances.allowance import Allowance, called, told
from ops.review.declaring import Resource

_DOCUMENTS: Mapping[str, tuple[str, str, str]] = {
    "aws:ec2/vpcEndpoint:VpcEndpoint": ("policy", "endpoint", "serviceName"),
    "aws:iam/policy:Policy": ("policy", "policy", "name"),
    "aws:iam/role:Role": ("assumeRolePolicy", "trust of role", "name"),
    "aws:iam/rolePolicy:RolePolicy": ("policy", "role", "role"),
    "aws:kms/key:Key": ("policy", "key", ""),
    "aws:s3/bucketPolicy:BucketPolicy": ("policy", "bucket", "bucket"),
    "aws:secretsmanager/secretPolicy:SecretPolicy": ("policy", "secret", "secretArn"),
}
"""Types with a document: the input that has it, the word for people, and the input with the name; none: its own."""
_NARROWS = "endpoint "
"""What only narrows: a new one with a document gives nobody more."""
_EVERYTHING = '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}'
_SUBSET = frozenset(
    {"StringEquals", "StringLike", "StringEqualsIgnoreCase", "ArnEquals", "ArnLike", "IpAddress", "Bool"}
)
"""Operators of which fewer values let in fewer."""
_BUCKET = "aws:s3/bucket:Bucket"
_ID = "-id"
"""What the recorder puts behind a resource's name for its id."""


@dataclass(frozen=True)
class StatementPart:
    """Principals, actions or resources of a statement: one pattern, or all but some."""

    patterns: frozenset[str]
    all_but: bool = False
    unseen: str = ""
    """What stands for a text that can't be read, and isn't shown."""

    def covers(self, other: "StatementPart") -> bool:
        """Whether everything the other one means is meant here, too."""
        if self.unseen or other.unseen:
            return self == other
        if self.all_but and other.all_but:
            return self.patterns <= other.patterns
        if self.all_but:
            return not any(
                fnmatchcase(one, pattern) or "*" in one or "?" in one
                for one in other.patterns
                for pattern in self.patterns
            )
        if other.all_but:
            return "*" in self.patterns
        return all(any(fnmatchcase(one, pattern) for pattern in self.patterns) for one in other.patterns)

    def __str__(self) -> str:
        said = ", ".join(sorted(self.patterns))
        return f"all but {said}" if self.all_but else said


_NOT_NAMED = StatementPart(frozenset({""}))
"""The principal in a role's policy, the resource in its trust: that role."""


@dataclass(frozen=True)
class SimpleStatement:
    """One action of one principal on one resource, under conditions."""

    effect: str
    principal: StatementPart
    action: StatementPart
    resource: StatementPart
    conditions: frozenset[tuple[str, str, frozenset[str]]]
    """Operator, key and values."""

    def covers(self, other: "SimpleStatement") -> bool:
        """Whether whatever the other one is about is one of this, too."""
        return (
            self.effect == other.effect
            and self.principal.covers(other.principal)
            and self.action.covers(other.action)
            and self.resource.covers(other.resource)
            and all(any(_asks_for_less(mine, theirs) for theirs in other.conditions) for mine in self.conditions)
        )


def compare(before: Sequence[Resource], after: Sequence[Resource]) -> Iterator[Allowance]:
    """What only the later commit's documents allow, or deny no more."""
    old, new = _statements(before), _statements(after)
    ids = {one.name + _ID for one in after} | {called(one) for one in after}
    ids |= {called(one, "bucket") for one in after if one.type == _BUCKET}
    found = []
    for who, statements in new.items():
        was = old.get(who, _statements_of(_EVERYTHING) if who.startswith(_NARROWS) else [])
        allowed = [one for one in statements if one.effect == "Allow"]
        found += [(who, "allows", one) for one in allowed if not any(earlier.covers(one) for earlier in was)]
    for who, statements in old.items():
        now = new.get(who, [])
        denied = [one for one in statements if one.effect == "Deny"]
        if who in new or who.partition(" ")[2] in ids:
            found += [(who, "denies no more", one) for one in denied if not any(later.covers(one) for later in now)]
    yield from _lines(found)


def _statements(resources: Sequence[Resource]) -> Mapping[str, list[SimpleStatement]]:
    found: dict[str, list[SimpleStatement]] = {}
    for one in resources:
        if one.type in _DOCUMENTS:
            source, word, name = _DOCUMENTS[one.type]
            who = f"{word} {called(one, name)}"
            found.setdefault(who, []).extend(_statements_of(one.inputs.get(source, _EVERYTHING)))
    return found


def _statements_of(document: object) -> list[SimpleStatement]:
    try:
        return list(_simple(json.loads(str(document))["Statement"]))
    except json.JSONDecodeError:
        said = told(document) if isinstance(document, Mapping) else "what is told after up"
        unread = StatementPart(frozenset({said}), unseen=json.dumps(document, sort_keys=True))
        return [SimpleStatement("Allow", _NOT_NAMED, unread, _NOT_NAMED, frozenset())]


def _simple(statements: Any) -> Iterator[SimpleStatement]:
    for one in [statements] if isinstance(statements, Mapping) else statements:
        conditions = frozenset(
            (operator, key, frozenset(_list(values)))
            for operator, keys in (one.get("Condition") or {}).items()
            for key, values in keys.items()
        )
        parts = (_parts(one, name) for name in ("Principal", "Action", "Resource"))
        for principal, action, resource in product(*parts):
            yield SimpleStatement(one["Effect"], principal, action, resource, conditions)


def _parts(statement: Mapping[str, Any], name: str) -> list[StatementPart]:
    if f"Not{name}" in statement:
        return [StatementPart(frozenset(_list(statement[f"Not{name}"])), all_but=True)]
    return [StatementPart(frozenset({one})) for one in _list(statement.get(name, "*" if name == "Action" else ""))]


def _list(value: object) -> list[str]:
    """Entries of a list, of one text, or of principals by their kind."""
    if isinstance(value, Mapping):
        return [one for entries in value.values() for one in _list(entries)]
    return [told(one) for one in value] if isinstance(value, list) else [told(value)]


def _asks_for_less(mine: tuple[str, str, frozenset[str]], theirs: tuple[str, str, frozenset[str]]) -> bool:
    """Whether whatever meets the other condition meets this one."""
    operator = mine[0].rpartition(":")[2].removesuffix("IfExists")
    return mine == theirs or (mine[:2] == theirs[:2] and operator in _SUBSET and theirs[2] <= mine[2])


def _lines(found: Sequence[tuple[str, str, SimpleStatement]]) -> Iterator[Allowance]:
    """One for the actions that are allowed together."""
    together: dict[tuple[str, str, str], set[str]] = {}
    for who, verb, one in found:
        resource = "" if one.resource == _NOT_NAMED else f" on {one.resource}"
        principal = "" if one.principal == _NOT_NAMED else f" to {one.principal}"
        asked = sorted(f"{key} {operator} {', '.join(sorted(values))}" for operator, key, values in one.conditions)
        condition = f" if {' and '.join(asked)}" if asked else ""
        together.setdefault((who, verb, f"{resource}{principal}{condition}"), set()).add(str(one.action))
    for (who, verb, rest), actions in sorted(together.items()):
        yield Allowance(who=who, what=f"{verb} {', '.join(sorted(actions))}{rest}")
