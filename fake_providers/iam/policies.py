"""Documents of IAM, evaluated as AWS describes it: who may do what, on which thing, under which condition.

Owns the order of AWS' own: a denial that is written counts before everything, then what the policies of a role, its
boundary and the thing itself allow. Refuses to guess: an element, an operator or a variable that isn't known here is an
error, and never taken for a yes or a no.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any

Document = Mapping[str, Any]
Context = Mapping[str, Sequence[str]]
"""Keys of conditions in small letters, with their values."""
_ELEMENTS = {
    "Sid",
    "Effect",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Principal",
    "NotPrincipal",
    "Condition",
}
_ARN_PARTS = 6


class UnknownPolicyError(Exception):
    """What a document says isn't known here."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks."""

    name: str
    """A role's ARN, or a service's name."""
    session: str = ""
    """ARN of a role's session."""
    account: str
    """Number of the account."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Of the session."""
    is_service: bool = False
    """Whether it is a service of AWS' own, which has no policies."""

    @property
    def context(self) -> Context:
        """What conditions read of it."""
        if self.is_service:
            return {"aws:principalisawsservice": ["true"], "aws:principalservicename": [self.name]}
        of_tags = {f"aws:principaltag/{key.lower()}": [value] for key, value in self.tags.items()}
        own = {"aws:principalarn": [self.name], "aws:principalaccount": [self.account]}
        return {"aws:principalisawsservice": ["false"], **own, **of_tags}


@dataclass(frozen=True, kw_only=True)
class Question:
    """One action on one thing."""

    action: str
    """With its service."""
    resource: str
    """The thing's ARN."""
    context: Context = field(default_factory=dict)
    """What is known of the request."""


@dataclass(frozen=True, kw_only=True)
class Granted:
    """Documents that count for a caller."""

    identity: Sequence[Document] | None
    """The role's own; None: it may do everything, as an administrator may."""
    boundary: Document | None = None
    """The most that it may do."""


class Reach(Enum):
    """What a document says of a question."""

    NOTHING = "nothing"
    ACCOUNT = "the account may, whose own policies say who"
    ALLOWED = "allowed"
    DENIED = "denied"


def judge(
    caller: Caller, question: Question, granted: Granted, thing: Document | None, *, alone: bool = False
) -> str | None:
    """Why it is denied, in AWS' words; None: it is allowed. `thing` is the policy of the thing itself; where it counts
    `alone`, as that of a KMS key and a role's trust do, the caller's own allow nothing that it doesn't leave to the
    account. Raises UnknownPolicyError."""
    kinds = {"identity-based policy": granted.identity or (), "permissions boundary": _some(granted.boundary)}
    for kind, documents in {**kinds, "resource-based policy": _some(thing)}.items():
        if any(reach(one, caller, question) is Reach.DENIED for one in documents):
            return f"with an explicit deny in {_article(kind)}"
    at_thing = reach(thing, caller, question) if thing is not None else Reach.NOTHING
    within = granted.boundary is None or reach(granted.boundary, caller, question) is Reach.ALLOWED
    by_identity = granted.identity is None or any(
        reach(one, caller, question) is Reach.ALLOWED for one in granted.identity
    )
    if at_thing is Reach.NOTHING and alone:
        return f"because no resource-based policy allows the {question.action} action"
    if at_thing is not Reach.ALLOWED and not by_identity:
        return f"because no identity-based policy allows the {question.action} action"
    if not within:
        return f"because no permissions boundary allows the {question.action} action"
    return None


def _some(document: Document | None) -> tuple[Document, ...]:
    return () if document is None else (document,)


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def reach(document: Document, caller: Caller, question: Question) -> Reach:
    """What one document says. Raises UnknownPolicyError."""
    found = Reach.NOTHING
    for statement in _several(document["Statement"]):
        if unknown := statement.keys() - _ELEMENTS:
            raise UnknownPolicyError(f"element {', '.join(sorted(unknown))}")
        whom = _whom(statement, caller)
        if whom is Reach.NOTHING or not _is_about(statement, caller, question):
            continue
        if statement["Effect"] == "Deny":
            return Reach.DENIED
        if found is not Reach.ALLOWED:
            found = whom
    return found


def _is_about(statement: Document, caller: Caller, question: Question) -> bool:
    action, resource = question.action.lower(), question.resource
    named = [one.lower() for one in _several(statement.get("Action", statement.get("NotAction")))]
    things = _several(statement.get("Resource", statement.get("NotResource", "*")))
    return (
        any(_like(one, action) for one in named) is ("Action" in statement)
        and any(_like(one, resource) for one in things) is ("NotResource" not in statement)
        and _holds(statement.get("Condition") or {}, {**caller.context, **question.context})
    )


def _whom(statement: Document, caller: Caller) -> Reach:
    """Whether a statement is about the caller; one of a role's own policy always is."""
    if "Principal" not in statement and "NotPrincipal" not in statement:
        return Reach.ALLOWED
    if "NotPrincipal" in statement:
        raise UnknownPolicyError("element NotPrincipal")
    principal = statement["Principal"]
    if principal == "*":
        return Reach.ALLOWED
    if unknown := principal.keys() - {"AWS", "Service"}:
        raise UnknownPolicyError(f"principal {', '.join(sorted(unknown))}")
    if caller.is_service:
        return Reach.ALLOWED if caller.name in _several(principal.get("Service", [])) else Reach.NOTHING
    named = _several(principal.get("AWS", []))
    if {"*", caller.name, caller.session} & set(named):
        return Reach.ALLOWED
    return Reach.ACCOUNT if {caller.account, f"arn:aws:iam::{caller.account}:root"} & set(named) else Reach.NOTHING


def _several(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _holds(conditions: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    return all(
        _one_holds(operator, [_plain(str(value)) for value in _several(values)], context.get(key.lower()))
        for operator, keys in conditions.items()
        for key, values in keys.items()
    )


def _plain(value: str) -> str:
    if "${" in value:
        raise UnknownPolicyError(f"variable {value}")
    return value


def _one_holds(written: str, wanted: list[str], there: Sequence[str] | None) -> bool:
    quantity, _, operator = written.rpartition(":")
    name = operator.removesuffix("IfExists")
    if name == "Null":
        return (there is None) is (wanted[0].lower() == "true")
    negated = "Not" in name
    matches = _OPERATORS.get(name.replace("Not", ""))
    if matches is None or quantity not in {"", "ForAnyValue", "ForAllValues"}:
        raise UnknownPolicyError(f"operator {written}")
    if there is None:
        return name != operator or quantity == "ForAllValues" or (negated and not quantity)
    each = [any(matches(one, value) for one in wanted) is not negated for value in there]
    return any(each) if quantity == "ForAnyValue" else all(each)


def _like(pattern: str, text: str) -> bool:
    return _compiled(pattern).fullmatch(text) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    marks = {"*": ".*", "?": "."}
    return re.compile("".join(marks.get(one) or re.escape(one) for one in pattern), re.DOTALL)


def _arn_like(pattern: str, text: str) -> bool:
    """Part by part, so that no wildcard reaches into the next one."""
    parts, found = (one.split(":", _ARN_PARTS - 1) for one in (pattern, text))
    return len(parts) == len(found) == _ARN_PARTS and all(map(_like, parts, found))


_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": str.__eq__,
    "StringEqualsIgnoreCase": lambda pattern, text: pattern.lower() == text.lower(),
    "StringLike": _like,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": lambda pattern, text: pattern.lower() == text.lower(),
}


def in_small_letters(context: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """A context of single values."""
    return {key.lower(): [value] for key, value in context}
