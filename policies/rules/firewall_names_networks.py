"""Rule: a cloud firewall lets in networks that were named. Owns what counts as the whole internet."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

from .rule import Resource, Rule

SHORTEST_PREFIX = {4: 8, 6: 16}
"""By IP version. Two halves of the internet are the internet, too; no network that anybody has is larger than these
(IANA's registries of IPv4 address space, handed out by /8, and of IPv6 global unicast, handed out by /12 to registries
which hand out no more than /16)."""
ACME_PORT = "80"
"""An authority's challenges come from addresses it doesn't tell."""
SSH_PORT = 22


def _check(resource: Resource) -> Iterator[str]:
    if not resource.known("rules"):
        return
    for number, entry in enumerate(resource.get("rules") or []):
        with resource.remembering():
            if entry.get("direction") != "in":
                continue
            port = str(entry.get("port") or "any")
            if (entry.get("protocol"), port) == ("tcp", ACME_PORT):
                continue
            networks = list(entry.get("sourceIps") or [])
            if not networks and _includes_ssh(port):
                yield f"rules[{number}] lets SSH in and names no network"
            for network in networks:
                if _is_broad(network):
                    yield f"rules[{number}] lets {network} in on port {port}"


def _is_broad(network: Any) -> bool:
    try:
        parsed = ipaddress.ip_network(str(network), strict=False)
    except ValueError:
        return True  # what can't be read can't be judged to be narrow
    return parsed.prefixlen < SHORTEST_PREFIX[parsed.version]


def _includes_ssh(port: str) -> bool:
    first, _, last = port.partition("-")
    if not re.fullmatch("[0-9]+(?:-[0-9]+)?", port):
        return True
    return int(first) <= SSH_PORT <= int(last or first)


RULE = Rule(
    name="firewall-names-networks",
    sentence="A firewall lets nobody in from the whole internet but on TCP port 80, where ACME challenges come from.",
    remediation="List the networks that need the port, such as platform.api_cidrs and platform.ssh.cidrs do.",
    source="HashiCorp, Production hardening: restrict network traffic",
    types=("hcloud:index/firewall:Firewall",),
    check=_check,
)
