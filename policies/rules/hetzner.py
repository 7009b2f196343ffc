"""Rules about machines and networks at Hetzner. Owns which images and networks there may be."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

from pulumi_policy.proxy import UnknownValueError

from .constraints import inputs, off, one_of
from .rule import Resource, Rule

_SERVER = "hcloud:index/server:Server"
_MOST_PORTS = 100


def _private(value: Any) -> str | None:
    try:
        network = ipaddress.ip_network(str(value or ""), strict=False)
    except ValueError:
        return "is no network"
    return None if network.is_private else "isn't private, so it hides somebody else's addresses"


def _something(what: str) -> Any:
    return lambda value: None if value else what


def _outgoing(resource: Resource) -> Iterator[str]:
    if not resource.known("rules"):
        return
    for number, entry in enumerate(resource.get("rules") or []):
        with resource.remembering():
            if entry.get("direction") != "out" or entry.get("protocol") not in ("tcp", "udp"):
                continue
            port = str(entry.get("port") or "any")
            first, _, last = port.partition("-")
            if not re.fullmatch("[0-9]+(?:-[0-9]+)?", port) or (last and int(last) - int(first) > _MOST_PORTS):
                yield f"rules[{number}] lets the machine out on every port"


def _addressed(resource: Resource) -> Iterator[str]:
    for number, net in enumerate((resource.known("publicNets") and resource.get("publicNets")) or []):
        if net.get("ipv4Enabled") and not _is_given(net, "ipv4"):
            yield f"publicNets[{number}] takes any address, which a new machine wouldn't get again"


def _is_given(entry: Any, name: str) -> bool:
    """Whether there is a value. One that isn't known yet is of an address that is made with the machine."""
    try:
        return bool(entry.get(name))
    except UnknownValueError:
        return True


RULES = (
    Rule(
        name="server-has-a-firewall",
        sentence="A machine is behind the cloud's firewall.",
        remediation="Give firewall_ids.",
        source="HashiCorp, Production hardening: restrict network traffic",
        types=(_SERVER,),
        check=inputs(firewallIds=_something("is empty")),
    ),
    Rule(
        name="server-image-is-known",
        sentence="A machine begins from an image that this project boots in its tests.",
        remediation="Use debian-12 or ubuntu-24.04.",
        source="This project: tests/machines/test_boot.py",
        types=(_SERVER,),
        check=inputs(image=one_of("debian-12", "ubuntu-24.04")),
    ),
    Rule(
        name="server-takes-no-root-key",
        sentence="Nobody logs in to a machine as root.",
        remediation="Leave ssh_keys empty; people's keys are in user-data, for a user of their own.",
        source="CIS Debian Linux 12 Benchmark, 5.1.20: PermitRootLogin",
        types=(_SERVER,),
        check=inputs(sshKeys=off),
    ),
    Rule(
        name="server-keeps-its-address",
        sentence="A machine's address outlives the machine.",
        remediation="Give an address of its own (PrimaryIp) in public_nets.",
        source="This project: certificates and names are for the address",
        types=(_SERVER,),
        check=_addressed,
    ),
    Rule(
        name="server-is-shut-down-first",
        sentence="A machine is shut down before it is deleted, so that its volume is whole.",
        remediation="Set shutdown_before_deletion.",
        source="Hetzner, Servers API: a deletion takes the power away",
        types=(_SERVER,),
        check=inputs(shutdownBeforeDeletion=lambda value: None if value is True else "is off"),
    ),
    Rule(
        name="address-stays",
        sentence="An address isn't deleted with the machine that has it.",
        remediation="Set auto_delete to false.",
        source="Hetzner, Primary IPs API: auto_delete",
        types=("hcloud:index/primaryIp:PrimaryIp",),
        check=inputs(autoDelete=off),
    ),
    Rule(
        name="network-is-private",
        sentence="A private network has private addresses.",
        remediation="Take a range of RFC 1918.",
        source="RFC 1918; Hetzner, Networks: ip_range",
        types=("hcloud:index/network:Network", "hcloud:index/networkSubnet:NetworkSubnet"),
        check=inputs(ipRange=_private),
    ),
    Rule(
        name="firewall-names-what-goes-out",
        sentence="A machine is let out on ports that are named.",
        remediation="Name each port that the machine needs.",
        source="HashiCorp, Production hardening: restrict egress traffic",
        types=("hcloud:index/firewall:Firewall",),
        check=_outgoing,
    ),
)
