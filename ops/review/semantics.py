"""What ACL policies let a token do with a path, by the rules of Vault's own evaluation.

The rules are those of OpenBao 2.7 (`vault/policy/acl.go`) and HashiCorp's server: an exact path comes before any
wildcard; of those with wildcards the one whose first wildcard stands last; policies that name one path are added up,
and `deny` takes everything else away. Refuses text that isn't in the form that `components.render.acl` writes.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from components.render.acl import TENANT, Capability

_RULE = re.compile(r'path (?P<path>"(?:[^"\\]|\\.)*") \{\n(?P<body>(?:  [^\n]+\n)+)\}\n')
_BODY = re.compile(
    r'  capabilities = \[(?P<names>[a-z", ]+)\]\n'
    r"(?:  allowed_parameters = \{ (?P<parameters>[^}]+) \}\n)?"
    r'(?:  min_wrapping_ttl = "(?P<wrapping>[0-9]+)s"\n)?'
)
_TEMPLATE = re.compile(r"\{\{identity\.entity\.aliases\.[^{}/]+\.name\}\}")
"""Stands for the tenant who logged in; of no other segment can it be said what it is."""
_NOTHING = frozenset({Capability.DENY})


@dataclass(frozen=True)
class Allowed:
    """What may be done with one path."""

    capabilities: frozenset[Capability]
    """`deny` stands alone."""
    minimum_wrapping_ttl_seconds: int = 0
    """If not 0, only with the answer response-wrapped for at least so long."""
    parameters: frozenset[str] = frozenset()
    """If not empty, a write may hold these and no others."""

    def __or__(self, other: "Allowed") -> "Allowed":
        """Both in one token: capabilities add up, `deny` overrides, and the shorter wrapping of two is asked for. A
        write is held to the parameters of both, also where one has none."""
        together = self.capabilities | other.capabilities
        if Capability.DENY in together:
            return DENIED
        wrapping = [one.minimum_wrapping_ttl_seconds for one in (self, other) if one.minimum_wrapping_ttl_seconds]
        return Allowed(together, min(wrapping, default=0), self.parameters | other.parameters)


DENIED = Allowed(_NOTHING)
"""No rule names the path, or one denies it."""

Rules = Mapping[str, Allowed]
"""What each path or pattern of one policy, or of all of a token's, allows."""


def read(text: str) -> Rules:
    """The rules of one policy's text. Raises ValueError: it isn't in this project's form."""
    rules: dict[str, Allowed] = {}
    for position, rule in _pieces(text):
        body = _BODY.fullmatch(rule["body"])
        if body is None:
            raise ValueError(
                f"line {text.count(chr(10), 0, position) + 1} of an ACL policy isn't in this project's form"
            )
        names = frozenset(Capability(name) for name in json.loads(f"[{body['names']}]"))
        parameters = frozenset(re.findall(r'"([^"]+)" = \[\]', body["parameters"] or ""))
        held = _NOTHING if Capability.DENY in names else names
        allowed = Allowed(held, int(body["wrapping"] or 0), parameters)
        path = _TEMPLATE.sub(TENANT, json.loads(rule["path"]))
        rules[path] = rules[path] | allowed if path in rules else allowed
    return rules


def _pieces(text: str) -> Iterable[tuple[int, re.Match[str]]]:
    position = 0
    while position < len(text):
        rule = _RULE.match(text, position)
        if rule is None:
            raise ValueError(
                f"line {text.count(chr(10), 0, position) + 1} of an ACL policy isn't in this project's form"
            )
        yield position, rule
        position = rule.end()
        position += text.startswith("\n", position)


def together(policies: Iterable[Rules]) -> Rules:
    """The rules of a token that has all these policies."""
    rules: dict[str, Allowed] = {}
    for policy in policies:
        for path, allowed in policy.items():
            rules[path] = rules[path] | allowed if path in rules else allowed
    return rules


def at(rules: Rules, path: str) -> Allowed:
    """What these rules allow with one path, as `sys/capabilities` tells it. A path that ends with a slash is listed."""
    for asked in dict.fromkeys((path, path.removesuffix("/"))):
        if asked in rules and not is_pattern(asked):
            return rules[asked]
    for asked in dict.fromkeys((path, path.removesuffix("/"))):
        if matching := [pattern for pattern in rules if is_pattern(pattern) and matches(pattern, asked)]:
            return rules[max(matching, key=_precedence)]
    return DENIED


def is_pattern(path: str) -> bool:
    """Whether a rule's path stands for more than itself."""
    return path.endswith("*") or "+" in path.split("/")


def matches(pattern: str, path: str) -> bool:
    """Whether a pattern covers a path: `+` is one segment, whatever it is; `*` at the end is any text."""
    begin, is_prefix = pattern.removesuffix("*"), pattern.endswith("*")
    if "+" not in begin.split("/"):
        return path.startswith(begin) if is_prefix else path == begin
    wanted, given = begin.split("/"), path.split("/")
    if len(given) < len(wanted) or (len(given) > len(wanted) and not is_prefix):
        return False
    *segments, last = zip(wanted, given, strict=False)
    ends = last[0] in ("+", last[1]) or (is_prefix and last[1].startswith(last[0]))
    return ends and all(one in ("+", other) for one, other in segments)


def _precedence(pattern: str) -> tuple[int, bool, int, int, str]:
    """Of two patterns that cover a path the one with the greater value holds."""
    begin, is_prefix = pattern.removesuffix("*"), pattern.endswith("*")
    segments = begin.split("/")
    wildcards = segments.count("+")
    first = begin.index("+") if wildcards else len(begin)
    return first, not is_prefix, -wildcards, len(begin), begin
