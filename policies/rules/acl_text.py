"""Reads the text of an ACL policy as the server does. Owns the grammar; refuses to judge what the text grants."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*|//[^\n]*|/\*.*?\*/)
      | (?P<string>"(?:\\.|[^"\\\n])*")
      | (?P<word>[A-Za-z0-9_.-]+)
      | (?P<mark>[{}\[\]=,:])
      | (?P<stray>.)""",
    re.VERBOSE | re.DOTALL,
)


class AclTextError(ValueError):
    """The text is not an ACL policy this reader understands. The message says where, and quotes nothing."""


@dataclass(frozen=True)
class Grant:
    """One `path` block."""

    path: str
    capabilities: frozenset[str]
    """Lower-case; the old `policy = "…"` shorthand counts as a capability of its name."""


def grants(text: str) -> list[Grant]:
    """Every `path` block of an ACL policy in HCL or in JSON. Raises AclTextError where the text can't be read."""
    if text.lstrip().startswith("{"):
        try:
            body = list(json.loads(text).items())
        except ValueError:
            raise AclTextError("the JSON can't be parsed") from None
    else:
        body = _Reader(text).body()
    return [grant for name, value in body if name == "path" for grant in _paths(value)]


def _paths(value: Any) -> Iterator[Grant]:
    """`path` holds `{PATH: BLOCK}`, or a list of those."""
    for block in _listed(value):
        if not isinstance(block, dict):
            raise AclTextError("a path block has no name")
        for path, body in block.items():
            yield Grant(path, frozenset(_capabilities(body)))


def _capabilities(body: Any) -> Iterator[str]:
    for part in _listed(body):
        if not isinstance(part, dict):
            raise AclTextError("a path block has no body")
        yield from (str(item).lower() for item in _listed(part.get("capabilities", [])))
        if "policy" in part:
            yield str(part["policy"]).lower()


class _Reader:
    """A recursive-descent reader for the part of HCL 1 that ACL policies are written in."""

    def __init__(self, text: str) -> None:
        self._tokens = list(self._split(text))
        self._next = 0

    @staticmethod
    def _split(text: str) -> Iterator[tuple[str, str, int]]:
        for found in _TOKEN.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            if found.lastgroup == "stray":
                raise AclTextError(f"line {line} can't be parsed")
            if found.lastgroup != "skip":
                yield str(found.lastgroup), found.group(), line
        yield "end", "", text.count("\n") + 1

    def body(self, end: str = "") -> list[tuple[str, Any]]:
        """`key = value` and `key "label" { … }`, until the closing mark."""
        items: list[tuple[str, Any]] = []
        while not self._take(end):
            name, labels = self._key(), []
            while self._tokens[self._next][0] == "string":
                labels.append(self._key())
            self._take("=") or self._take(":")
            value = self._value()
            for label in reversed(labels):
                value = {label: value}
            items.append((name, value))
            self._take(",")
        return items

    def _key(self) -> str:
        kind, token, line = self._tokens[self._next]
        if kind not in {"string", "word"}:
            raise AclTextError(f"line {line}: expected a name")
        self._next += 1
        try:
            return str(json.loads(token, strict=False)) if kind == "string" else token
        except ValueError:
            raise AclTextError(f"line {line}: a quoted text has an unknown escape") from None

    def _value(self) -> Any:
        if self._take("{"):
            merged: dict[str, Any] = {}
            for name, value in self.body("}"):
                # A repeated key adds to the first, so that nothing granted is overlooked.
                merged[name] = [*_listed(merged[name]), *_listed(value)] if name in merged else value
            return merged
        if self._take("["):
            items = []
            while not self._take("]"):
                items.append(self._value())
                self._take(",")
            return items
        return self._key()

    def _take(self, mark: str) -> bool:
        kind, token, _ = self._tokens[self._next]
        if token != mark or kind not in {"mark", "end"}:
            return False
        self._next += kind == "mark"
        return True


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
