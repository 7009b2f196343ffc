"""What a cluster allows: roles of its own API, and connections that network policies let through.

Owns when one rule of a network policy covers another: by its peers, networks and ports. Refuses to add up several
policies that select the same pods: each is compared with itself.
"""

import ipaddress
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from ops.review.allowances.allowance import Allowance, gained, told
from ops.review.declaring import Resource

_RBAC = "kubernetes:rbac.authorization.k8s.io/v1:"
_POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
_NAMESPACE = "kubernetes:core/v1:Namespace"
_ACCOUNT = "kubernetes:core/v1:ServiceAccount"
_STANDARDS = "pod-security.kubernetes.io/"
_ENFORCED = f"{_STANDARDS}enforce"
_WORD = "network policy "
_DIRECTIONS = (("Ingress", "ingress", "from"), ("Egress", "egress", "to"))
_Connection = tuple[str, Mapping[str, Any] | None, Mapping[str, Any] | None]
"""Direction, peer and port; None: any."""


def compare(before: Sequence[Resource], after: Sequence[Resource]) -> Iterator[Allowance]:
    """What only the later commit allows."""
    yield from gained(_rights(before), _rights(after))
    yield from gained(_namespaces(before), _namespaces(after), new=False)
    old, new = _policies(before), _policies(after)
    declared = [{_named(one) for one in some if one.type == _NAMESPACE} for some in (before, after)]
    gone = declared[0] - declared[1]
    for who in sorted(old.keys() | new.keys()):
        if who not in new and who.removeprefix(_WORD).partition("/")[0] in gone:
            continue
        yield from (Allowance(who=who, what=what) for what in _connections(old.get(who), new.get(who)))


def _named(resource: Resource) -> str:
    metadata = resource.inputs["metadata"]
    return "/".join(told(metadata[name]) for name in ("namespace", "name") if name in metadata)


def _rights(resources: Sequence[Resource]) -> Iterator[Allowance]:
    for one in resources:
        kind = one.type.removeprefix(_RBAC)
        if kind in ("Role", "ClusterRole"):
            for rule in one.inputs.get("rules") or ():
                yield from (Allowance(who=f"{kind} {_named(one)}", what=what) for what in _rule(rule))
        elif kind in ("RoleBinding", "ClusterRoleBinding"):
            role = one.inputs["roleRef"]
            for subject in one.inputs.get("subjects") or ():
                name = "/".join(told(subject[key]) for key in ("namespace", "name") if subject.get(key))
                what = f"has {role['kind']} {told(role['name'])} by {kind} {_named(one)}"
                yield Allowance(who=f"{subject['kind']} {name}", what=what)
        elif one.type == _ACCOUNT and one.inputs.get("automountServiceAccountToken", True):
            yield Allowance(who=f"ServiceAccount {_named(one)}", what="gives its token to every pod of it")


def _namespaces(resources: Sequence[Resource]) -> Iterator[Allowance]:
    """Labels, by which network policies let in, and Kubernetes holds pods to a standard."""
    for one in resources:
        if one.type == _NAMESPACE:
            who, labels = f"Namespace {_named(one)}", one.inputs["metadata"].get("labels") or {}
            yield Allowance(who=who, what="is there")
            none = "holds pods to no standard"
            yield Allowance(
                who=who, what=f"holds pods to {told(labels[_ENFORCED])}" if _ENFORCED in labels else none, within=none
            )
            for name, value in labels.items():
                if not name.startswith(_STANDARDS):
                    yield Allowance(who=who, what=f"has label {name} {told(value)}")


def _rule(rule: Mapping[str, Any]) -> Iterator[str]:
    things = rule.get("resources") or rule.get("nonResourceURLs") or ("nothing",)
    for verb, thing, group, name in product(
        rule["verbs"], things, rule.get("apiGroups") or [""], rule.get("resourceNames") or [""]
    ):
        yield f"may {verb} {thing}{f'.{group}' if group else ''}{f' {name}' if name else ''}"


def _policies(resources: Sequence[Resource]) -> Mapping[str, Mapping[str, Any]]:
    return {f"{_WORD}{_named(one)}": one.inputs["spec"] for one in resources if one.type == _POLICY}


def _connections(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Iterator[str]:
    """What a policy lets through that it didn't."""
    if after is None:
        yield "holds back nothing"
        return
    if before is not None and before.get("podSelector") != after.get("podSelector"):
        yield f"is for other pods: {_text(after.get('podSelector') or {})}"
    was = list(_let_through(before)) if before else []
    for one in _let_through(after):
        if not any(_covers(earlier, one) for earlier in was):
            direction, peer, port = one
            yield f"lets {direction} {_text(peer) if peer else 'anywhere'} at {_text(port) if port else 'any port'}"


def _let_through(spec: Mapping[str, Any]) -> Iterator[_Connection]:
    for type_, key, peers in _DIRECTIONS:
        if type_ not in spec.get("policyTypes", ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]):
            yield peers, None, None
        for rule in spec.get(key) or ():
            for peer, port in product(rule.get(peers) or [None], rule.get("ports") or [None]):
                yield peers, peer, port


def _covers(one: _Connection, other: _Connection) -> bool:
    return one[0] == other[0] and _peer_covers(one[1], other[1]) and one[2] in (None, other[2])


def _peer_covers(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    if one is None or one == other:
        return True
    if other is None or "ipBlock" not in one or "ipBlock" not in other:
        return False
    mine, theirs = one["ipBlock"], other["ipBlock"]
    if not _inside(theirs["cidr"], mine["cidr"]):
        return False
    left_out = theirs.get("except") or ()
    apart = [cut for cut in mine.get("except") or () if _inside(cut, theirs["cidr"]) or _inside(theirs["cidr"], cut)]
    return all(any(_inside(cut, other_cut) for other_cut in left_out) for cut in apart)


def _inside(one: str, other: str) -> bool:
    try:
        inner, outer = (ipaddress.ip_network(text, strict=False) for text in (one, other))
    except ValueError:  # known after up
        return one == other
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]  # of one version


def _text(value: Mapping[str, Any]) -> str:
    if set(value) == {"protocol", "port"}:
        return f"{value['protocol'].lower()} port {value['port']}"
    block = value.get("ipBlock")
    if block and not block.get("except"):
        return str(block["cidr"])
    return json.dumps(value, sort_keys=True)
