"""From where what can be reached: the networks of firewalls, clusters' APIs and logins, of two commits compared.

Owns which inputs are networks. Refuses to compare texts: a network inside another one is covered by it.
"""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ops.review.declaring import Resource

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_FIREWALL = "hcloud:index/firewall:Firewall"
_CLUSTER = "aws:eks/cluster:Cluster"
_GROUPS = frozenset({"aws:ec2/securityGroup:SecurityGroup", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"})
_GROUP_RULES = {
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": "from outside",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": "from inside",
}
_Compared = tuple[str, Sequence[str], Sequence[str]]
_ANYWHERE = ("0.0.0.0/0", "::/0")
_BOUND = {"tokenBoundCidrs": "tokens", "token_bound_cidrs": "tokens", "secretIdBoundCidrs": "SecretIDs"}
"""Inputs that say from where something is good; none, or no such input: from anywhere."""


@dataclass(frozen=True, kw_only=True)
class ExposureChange:
    """One thing that can be reached from more, or from less, than before."""

    what: str
    opened: Sequence[str]
    """Networks that couldn't reach it before, as they are written."""
    closed: Sequence[str]

    @property
    def widens(self) -> bool:
        """Whether it can be reached from more than before."""
        return bool(self.opened)


def compare(before: Sequence[Resource], after: Sequence[Resource]) -> Iterator[ExposureChange]:
    """What changed, by what is reached."""
    for what, was, became in [*_ports_of_both(before, after), *_logins(before, after)]:
        opened, closed = _beyond(became, was), _beyond(was, became)
        if opened or closed:
            yield ExposureChange(what=what, opened=opened, closed=closed)


def _ports_of_both(before: Sequence[Resource], after: Sequence[Resource]) -> Iterator[_Compared]:
    old, new = (_ports(one) | _groups(one) | _clusters(one) for one in (before, after))
    for what in sorted(old.keys() | new.keys()):
        yield what, old.get(what, ()), new.get(what, ())


def _ports(resources: Sequence[Resource]) -> dict[str, list[str]]:
    reached: dict[str, list[str]] = {}
    for one in resources:
        for rule in one.inputs["rules"] if one.type == _FIREWALL else ():
            incoming = rule["direction"] == "in"
            word = "from outside" if incoming else "from the node"
            what = f"{rule['protocol']} port {rule.get('port', 'any')} {word} ({one.name})"
            reached.setdefault(what, []).extend(rule["sourceIps" if incoming else "destinationIps"] or ())
    return reached


def _groups(resources: Sequence[Resource]) -> dict[str, list[str]]:
    """Ports of AWS' security groups, by the rules that stand alone and by those in a group."""
    reached: dict[str, list[str]] = {}
    for one in resources:
        rules = (
            [(one.inputs["securityGroupId"], _GROUP_RULES[one.type], one.inputs)] if one.type in _GROUP_RULES else []
        )
        if one.type in _GROUPS:
            for key, word in (("ingress", "from outside"), ("egress", "from inside")):
                rules += [(f"{one.name}-id", word, rule) for rule in one.inputs.get(key) or ()]
        for group, word, rule in rules:
            protocol = rule.get("ipProtocol") or rule.get("protocol")
            first, last = rule.get("fromPort", "any"), rule.get("toPort", "any")
            ports = str(first) if first == last else f"{first}-{last}"
            reached.setdefault(f"{protocol} port {ports} {word} ({group})", []).extend(_peers(rule))
    return reached


def _peers(rule: Mapping[str, object]) -> list[str]:
    """Networks, and other groups by their name."""
    names = ("cidrIpv4", "cidrIpv6", "cidrBlocks", "ipv6CidrBlocks", "referencedSecurityGroupId", "securityGroups")
    found: list[str] = []
    for value in (rule.get(name) for name in (*names, "prefixListId", "prefixListIds")):
        found += map(str, value) if isinstance(value, list) else [str(value)] if value else []
    return [*found, *(["the group itself"] if rule.get("self") else [])]


def _clusters(resources: Sequence[Resource]) -> dict[str, list[str]]:
    reached: dict[str, list[str]] = {}
    for one in resources:
        if one.type == _CLUSTER:
            place = one.inputs.get("vpcConfig") or {}
            if place.get("endpointPublicAccess", True):
                reached[f"API of cluster {one.inputs['name']}"] = list(place.get("publicAccessCidrs") or _ANYWHERE)
    return reached


def _logins(before: Sequence[Resource], after: Sequence[Resource]) -> Iterator[_Compared]:
    """Of those that were there before. Who comes new is told by what they may do."""
    old = {one.urn: one for one in before}
    for new in sorted(after, key=lambda one: one.name):
        was = old.get(new.urn)
        for name, word in _BOUND.items() if was else ():
            if was and (name in was.inputs or name in new.inputs):
                networks, wanted = (one.inputs.get(name) or _ANYWHERE for one in (was, new))
                yield f"use of {word} of {new.name}", networks, wanted


def _beyond(networks: Sequence[str], covering: Sequence[str]) -> list[str]:
    """Those that aren't covered by the others together."""
    whole = _collapsed(covering)
    return sorted(name for name in set(networks) if name not in covering and not _covered(_network(name), whole))


def _covered(network: Network | None, whole: Sequence[Network]) -> bool:
    return network is not None and any(
        network.version == other.version and network.subnet_of(other)  # type: ignore[arg-type]  # of one version
        for other in whole
    )


def _collapsed(networks: Sequence[str]) -> list[Network]:
    parsed = [_network(name) for name in networks]
    four = [one for one in parsed if isinstance(one, ipaddress.IPv4Network)]
    six = [one for one in parsed if isinstance(one, ipaddress.IPv6Network)]
    return [*ipaddress.collapse_addresses(four), *ipaddress.collapse_addresses(six)]


def _network(name: str) -> Network | None:
    """None: another thing than a network, such as a security group."""
    try:
        return ipaddress.ip_network(name, strict=False)
    except ValueError:
        return None
