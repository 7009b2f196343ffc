"""Who gains and who loses what on which path: the ACL policies of two commits compared, login by login.

Owns which resources are somebody who logs in. Refuses to compare texts: two policies that allow the same are the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from components.render.acl import Capability
from ops.review.declaring import Resource
from ops.review.semantics import DENIED, Allowed, Rules, at, is_pattern, read, together

_POLICY = "vault:index/policy:Policy"
_ADMINISTRATOR = "pulumi-python:dynamic/vault:AdministratorLogin"
_LOGINS: Mapping[str, tuple[str, str]] = {
    "vault:appRole/authBackendRole:AuthBackendRole": ("approle", "roleName"),
    "vault:index/certAuthBackendRole:CertAuthBackendRole": ("certificate", "name"),
    "vault:jwt/authBackendRole:AuthBackendRole": ("jwt", "roleName"),
    "vault:kubernetes/authBackendRole:AuthBackendRole": ("kubernetes", "roleName"),
}
"""Types of roles that a login names: the word for people, and the input that has the role's name."""
_WRITING = frozenset({Capability.CREATE, Capability.UPDATE, Capability.PATCH})
_GROUP = "vault:identity/group:Group"
_ENTITY = "vault:identity/entity:Entity"
_CLAIM = "vault:identity/groupAlias:GroupAlias"
_MEMBER = "be a member"
_ID = "-id"
"""What the recorder puts behind a resource's name for its id."""
_ANY = "any"
"""Stands for a segment that no rule names."""


@dataclass(frozen=True, kw_only=True)
class CapabilityChange:
    """What somebody may do with a path, before and after."""

    who: str
    """How they log in, and by which role."""
    path: str
    """A rule's own path, or one at which rules of both commits meet."""
    gained: Sequence[str]
    lost: Sequence[str]

    @property
    def widens(self) -> bool:
        """Whether it gives more than before."""
        return bool(self.gained)


def compare(before: Sequence[Resource], after: Sequence[Resource]) -> Iterator[CapabilityChange]:
    """What changed, by who and path. Raises ValueError: an ACL policy isn't in this project's form."""
    old, new = _everybody(before), _everybody(after)
    for who in sorted(old.keys() | new.keys()):
        rules = (old.get(who, {}), new.get(who, {}))
        for path in _paths(*rules):
            was, became = (_words(at(one, _example(path))) for one in rules)
            if was != became:
                yield CapabilityChange(who=who, path=path, gained=sorted(became - was), lost=sorted(was - became))
    earlier, later = _members(before), _members(after)
    for who, group in sorted(earlier ^ later):
        joins = [_MEMBER] if (who, group) in later else []
        yield CapabilityChange(who=who, path=f"of group {group}", gained=joins, lost=[] if joins else [_MEMBER])


def _everybody(resources: Sequence[Resource]) -> Mapping[str, Rules]:
    """The rules of each login's tokens."""
    policies = {str(one.inputs["name"]): read(str(one.inputs["policy"])) for one in resources if one.type == _POLICY}
    everybody: dict[str, Rules] = {}
    for one in resources:
        if one.type == _ADMINISTRATOR:
            everybody["administrator"] = read(str(one.inputs["policy"]))
        elif one.type in _LOGINS:
            word, name = _LOGINS[one.type]
            named = one.inputs.get("tokenPolicies") or ()
            everybody[f"{word} {one.inputs[name]}"] = together(policies.get(policy, {}) for policy in named)
        elif one.type == _ENTITY or (one.type == _GROUP and one.inputs.get("type") != "external"):
            word = "group" if one.type == _GROUP else "person"
            named = one.inputs.get("policies") or ()
            everybody[f"{word} {one.inputs['name']}"] = together(policies.get(policy, {}) for policy in named)
    return everybody


def _members(resources: Sequence[Resource]) -> frozenset[tuple[str, str]]:
    """Who is in which group: persons, and whoever has a claim."""
    named = {f"{one.name}{_ID}": str(one.inputs["name"]) for one in resources if one.type in (_ENTITY, _GROUP)}
    found = {
        (f"person {named.get(member, member)}", str(one.inputs["name"]))
        for one in resources
        if one.type == _GROUP
        for member in one.inputs.get("memberEntityIds") or ()
    }
    found |= {
        # The group outside has what the one here has.
        (f"claim {(claim := str(one.inputs['name']))}", named[str(one.inputs["canonicalId"])].removesuffix(f":{claim}"))
        for one in resources
        if one.type == _CLAIM
    }
    return frozenset(found)


def _paths(before: Rules, after: Rules) -> Sequence[str]:
    """Every path at which the two may differ: those of all rules, and where two patterns meet."""
    paths = sorted(before.keys() | after.keys())
    patterns = [path for path in paths if is_pattern(path)]
    meetings = {meeting for one in patterns for other in patterns if one < other and (meeting := _meeting(one, other))}
    return sorted({*paths, *meetings})


def _meeting(one: str, other: str) -> str | None:
    """The widest pattern that both cover; None: nothing is covered by both."""
    pairs = list(zip_longest(one.split("/"), other.split("/")))
    met: list[str] = []
    for first, second in pairs:
        if "*" in (first, second):
            rest = other if first == "*" else one
            return "/".join([*met, *rest.split("/")[len(met) :]])
        if first is None or second is None or (first != second and "+" not in (first, second)):
            return None
        met.append(second if first == "+" else first)
    return "/".join(met)


def _example(path: str) -> str:
    """A path that a pattern covers and that no other rule names."""
    return "/".join(_ANY if segment in ("+", "*") else segment for segment in path.split("/"))


def _words(allowed: Allowed) -> frozenset[str]:
    """What is allowed, in words that can be compared: what must be wrapped is less than what needn't be."""
    if allowed == DENIED:
        return frozenset()
    wrapped = f", wrapped for {seconds} s" if (seconds := allowed.minimum_wrapping_ttl_seconds) else ""
    held = f", only {' and '.join(sorted(allowed.parameters))}" if allowed.parameters else ""
    return frozenset(
        f"{capability}{held if capability in _WRITING else ''}{wrapped}"
        for capability in allowed.capabilities
        if capability is not Capability.DENY
    )
