"""The servers' configuration language as lines of text. Owns quoting; refuses what HCL would not take literally."""

import json
from collections.abc import Iterable


def quote(value: str) -> str:
    """A value as an HCL string. Raises ValueError for control characters and template markers, no literals of HCL."""
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise ValueError(f"{value!r} holds a control character, which has no place in the server's configuration")
    if "${" in value or "%{" in value:
        raise ValueError(f"{value!r} holds a template marker, which HCL would not take literally")
    return json.dumps(value, ensure_ascii=False)


def block(head: str, body: Iterable[str]) -> list[str]:
    """A block with its lines."""
    return [f"{head} {{", *(f"  {line}" for line in body), "}"]
