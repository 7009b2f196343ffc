"""Resources as a commit declares them, written by hand."""

from collections.abc import Iterable
from typing import Any

from components.render.acl import AclPolicy, AclRule, Capability, render
from ops.review.declaring import Resource

PREFIX = "urn:pulumi:dev::vault-estate::"


def resource(type_: str, name: str, /, **inputs: Any) -> Resource:
    """One of the stack's own."""
    return Resource(type=type_, name=name, urn=f"{PREFIX}{type_}::{name}", inputs=inputs)


def policy(name: str, *rules: tuple[str, str], wrapping: int = 0, parameters: Iterable[str] = ()) -> Resource:
    """An ACL policy; a rule is a path and its capabilities with spaces between them."""
    made = [
        AclRule(
            path=path,
            capabilities=frozenset(Capability(word) for word in words.split()),
            minimum_wrapping_ttl_seconds=wrapping,
            allowed_parameters=frozenset(parameters),
        )
        for path, words in rules
    ]
    text = render(AclPolicy(name=name, rules=tuple(made), administrative=True))
    return resource("vault:index/policy:Policy", f"policies-{name}", name=name, policy=text)


def approle(name: str, *policies: str, **inputs: Any) -> Resource:
    """A role of an application."""
    type_ = "vault:appRole/authBackendRole:AuthBackendRole"
    return resource(type_, f"role-{name}", roleName=name, tokenPolicies=list(policies), **inputs)


def firewall(*rules: tuple[str, str, list[str]]) -> Resource:
    """A firewall; a rule is a direction, a port and its networks."""
    written = [
        {
            "direction": direction,
            "protocol": "tcp",
            "port": port,
            "sourceIps" if direction == "in" else "destinationIps": networks,
        }
        for direction, port, networks in rules
    ]
    return resource("hcloud:index/firewall:Firewall", "network-firewall", rules=written)
