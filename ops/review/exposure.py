"""From where what can be reached: the networks of firewalls and logins, of two commits compared.

Owns which inputs are networks. Refuses to compare texts: a network inside another one is covered by it.
"""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ops.review.declaring import Resource

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_FIREWALL = "hcloud:index/firewall:Firewall"
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
    for what, was, became in [*_firewalls(before, after), *_logins(before, after)]:
        opened, closed = _beyond(became, was), _beyond(was, became)
        if opened or closed:
            yield ExposureChange(what=what, opened=opened, closed=closed)


def _firewalls(before: Sequence[Resource], after: Sequence[Resource]) -> Iterator[_Compared]:
    old, new = _ports(before), _ports(after)
    for what in sorted(old.keys() | new.keys()):
        yield what, old.get(what, ()), new.get(what, ())


def _ports(resources: Sequence[Resource]) -> Mapping[str, Sequence[str]]:
    reached: dict[str, list[str]] = {}
    for one in resources:
        for rule in one.inputs["rules"] if one.type == _FIREWALL else ():
            incoming = rule["direction"] == "in"
            word = "from outside" if incoming else "from the node"
            what = f"{rule['protocol']} port {rule.get('port', 'any')} {word} ({one.name})"
            reached.setdefault(what, []).extend(rule["sourceIps" if incoming else "destinationIps"] or ())
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
    return sorted(
        name
        for name in set(networks)
        if not any(one.version == other.version and one.subnet_of(other) for one in [_network(name)] for other in whole)  # type: ignore[arg-type]
    )


def _collapsed(networks: Sequence[str]) -> list[Network]:
    parsed = [_network(name) for name in networks]
    four = [one for one in parsed if isinstance(one, ipaddress.IPv4Network)]
    six = [one for one in parsed if isinstance(one, ipaddress.IPv6Network)]
    return [*ipaddress.collapse_addresses(four), *ipaddress.collapse_addresses(six)]


def _network(name: str) -> Network:
    return ipaddress.ip_network(name, strict=False)
