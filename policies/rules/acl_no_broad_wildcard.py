"""Rule: ACL policies stay within one application's prefix. Owns what counts as broad."""

from collections.abc import Iterator

from .acl_text import AclTextError, Grant, grants
from .rule import Resource, Rule

_DENIED = frozenset({"deny"})
_HANDS_OVER = "sys/step-down"
"""Which Vault gives to nobody without sudo. It reads and changes nothing: the servers choose another leader."""
_KV_OPERATIONS = frozenset({"data", "metadata", "delete", "undelete", "destroy", "subkeys"})
"""Segments that KV v2 puts between the mount and the secret's path."""


def _check(resource: Resource) -> Iterator[str]:
    if not resource.known("policy"):
        return
    try:
        found = grants(resource.get("policy") or "")
    except AclTextError as error:
        yield f"its text can't be judged ({error})"
        return
    for grant in found:
        yield from _faults(grant)


def _faults(grant: Grant) -> Iterator[str]:
    """What is too much about one `path` block; one that only denies grants nothing."""
    if grant.capabilities <= _DENIED:
        return
    if "sudo" in grant.capabilities and grant.path != _HANDS_OVER:
        yield f"path '{grant.path}' grants sudo"
    # The server ignores a leading slash, and so must a rule that looks at the first segment.
    segments = grant.path.lstrip("/").split("/")
    first, inside = segments[0], segments[1:]
    if inside and inside[0] in _KV_OPERATIONS:
        inside = inside[1:]
    if first in {"", "+"} or first.endswith("*"):
        yield f"path '{grant.path}' begins with a wildcard"
    elif first == "sys" and (segments[-1].endswith("*") or "+" in segments):
        yield f"path '{grant.path}' is a wildcard over the server's own endpoints"
    elif inside and inside[0] in {"+", "*"}:
        yield f"path '{grant.path}' reaches over a whole mount"


RULE = Rule(
    name="acl-no-broad-wildcard",
    sentence="An ACL policy grants no whole mount, no wildcard under sys/, and sudo to step down only.",
    remediation="Grant the application's own prefix, such as secret/data/APPLICATION/*, with the capabilities it uses.",
    source="HashiCorp, Production hardening: least privilege; OWASP, Secrets Management Cheat Sheet, 2.4",
    types=("vault:index/policy:Policy",),
    check=_check,
)
