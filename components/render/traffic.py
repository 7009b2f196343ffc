"""Which connections a node may take and make, from plain values: one plan for the cloud's firewall and the node's own.

Owns the merging: one flow per direction, protocol and port. Refuses to open a port for no stated reason.
"""

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

ANYWHERE = "0.0.0.0/0"
API_PORT = 8200
"""Where the servers' APIs listen unless they are told otherwise."""
HTTPS_PORT = 443
RESOLVERS = ("185.12.64.1/32", "185.12.64.2/32")
"""Hetzner's recursive name servers, which its images are set up with (docs.hetzner.com: recursive name servers)."""
TIME_SERVERS = ("ntp1.hetzner.de", "ntp2.hetzner.com", "ntp3.hetzner.net")
"""Hetzner's time servers, as its images name them."""
_COMMENT_LENGTH = 100
"""nftables refuses a comment of more than 128 bytes."""

Direction = Literal["in", "out"]
"""Seen from the node."""
Protocol = Literal["tcp", "udp"]


@dataclass(frozen=True, kw_only=True)
class Flow:
    """One port that is open."""

    direction: Direction
    """Seen from the node."""
    protocol: Protocol
    """Of the port."""
    port: int
    """On the side that answers."""
    networks: tuple[str, ...]
    """Sorted IPv4 networks: sources of what comes in, destinations of what goes out."""
    reasons: tuple[str, ...]
    """Sorted, each once; what the port is open for."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """One server the node has to reach."""

    host: str
    """A name or an IPv4 address."""
    port: int
    """On its side."""
    reason: str
    """What it is reached for."""
    protocol: Protocol = "tcp"
    """Of the port."""


def need_of_url(url: str, reason: str) -> Need:
    """What reaching an https URL needs."""
    parts = urlsplit(url)
    return Need(host=parts.hostname or "", port=parts.port or HTTPS_PORT, reason=reason)


def plan(
    *,
    api_networks: Sequence[str],
    ssh_networks: Sequence[str] = (),
    challenges: bool,
    needs: Iterable[Need],
    destinations: Mapping[str, Sequence[str]],
    api_port: int = API_PORT,
) -> tuple[Flow, ...]:
    """Every flow of a node.

    No network for SSH opens no port for it. `challenges` come to port 80 from addresses an authority doesn't tell. A
    name that isn't among `destinations` is reached anywhere, on its port only.
    """
    wanted: list[tuple[Direction, Protocol, int, Sequence[str], str]] = [("in", "tcp", api_port, api_networks, "API")]
    if ssh_networks:
        wanted.append(("in", "tcp", 22, ssh_networks, "SSH"))
    if challenges:
        wanted.append(("in", "tcp", 80, (ANYWHERE,), "ACME challenges"))
    wanted += [
        ("out", "udp", 53, RESOLVERS, "names"),
        ("out", "tcp", 53, RESOLVERS, "names"),
        # Distributions' mirrors change their addresses.
        ("out", "tcp", 80, (ANYWHERE,), "packages"),
        ("out", "tcp", HTTPS_PORT, (ANYWHERE,), "packages and the server's release"),
    ]
    time = [Need(host=host, port=123, reason="time", protocol="udp") for host in TIME_SERVERS]
    for need in (*time, *needs):
        wanted.append(("out", need.protocol, need.port, networks_of(need.host, destinations), need.reason))
    networks: dict[tuple[Direction, int, Protocol], set[str]] = defaultdict(set)
    reasons: dict[tuple[Direction, int, Protocol], set[str]] = defaultdict(set)
    for direction, protocol, port, some, reason in wanted:
        networks[direction, port, protocol].update(some)
        reasons[direction, port, protocol].add(reason)
    return tuple(
        Flow(
            direction=direction,
            protocol=protocol,
            port=port,
            networks=(ANYWHERE,) if ANYWHERE in some else tuple(sorted(some)),
            reasons=tuple(sorted(reasons[direction, port, protocol])),
        )
        for (direction, port, protocol), some in sorted(networks.items())
    )


def networks_of(host: str, destinations: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Where a server is: its own address, what is listed for its name, or anywhere."""
    try:
        return (f"{ipaddress.IPv4Address(host)}/32",)
    except ValueError:
        return destinations.get(host, (ANYWHERE,))


def described(flow: Flow, length: int) -> str:
    """What a port is open for, cut to what the reader of it takes."""
    text = ", ".join(flow.reasons)
    return text if len(text) <= length else f"{text[: length - 3]}..."


def nftables(flows: Iterable[Flow]) -> str:
    """The node's own ruleset. It also covers the private network, which Hetzner's firewall doesn't look at."""
    by_direction: dict[Direction, list[str]] = {"in": [], "out": []}
    for flow in flows:
        side = "saddr" if flow.direction == "in" else "daddr"
        where = "" if flow.networks == (ANYWHERE,) else f"ip {side} {{ {', '.join(flow.networks)} }} "
        comment = described(flow, _COMMENT_LENGTH).replace('"', "'")
        by_direction[flow.direction].append(f'    {where}{flow.protocol} dport {flow.port} accept comment "{comment}"')
    return _RULES.format(incoming="\n".join(by_direction["in"]), outgoing="\n".join(by_direction["out"]))


_RULES = """\
#!/usr/sbin/nft -f
flush ruleset

table inet estate {{
  chain input {{
    type filter hook input priority filter; policy drop;
    iif "lo" accept
    ct state established,related accept
    ct state invalid drop
    icmp type {{ echo-request, destination-unreachable, time-exceeded }} accept
    udp sport 67 udp dport 68 accept comment "DHCP"
{incoming}
  }}

  chain forward {{
    type filter hook forward priority filter; policy drop;
  }}

  chain output {{
    type filter hook output priority filter; policy drop;
    oif "lo" accept
    ip daddr 169.254.169.254 meta skuid != 0 drop comment "metadata is root's alone: it asks for no token"
    ct state established,related accept
    ip daddr 169.254.169.254 tcp dport 80 accept comment "metadata"
    udp sport 68 udp dport 67 accept comment "DHCP"
    icmp type {{ echo-request, destination-unreachable }} accept
{outgoing}
  }}
}}
"""
