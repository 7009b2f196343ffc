"""Every node's files as texts that compare line by line. `python -m tests.unit.golden.write` writes them anew.

One node stands there whole; of the others there is what differs from it, each difference once. The image isn't named:
Debian 12 and Ubuntu 24.04 get the same files.
"""

import difflib
from pathlib import Path

from components.render.node.model import Node
from tests.unit.render.nodes import files, place_of

FILE = Path(__file__).with_name("node.txt")
DIFFERENCES = Path(__file__).with_name("node_differences.txt")
AGAIN = "python -m tests.unit.golden.write"
_OWN_FILES = ("/usr/local/lib/vault-estate/", "/etc/vault-estate/bootstrap.json")
"""Constant scripts, which are in the repository already, and what `tests/unit/render/test_bootstrap.py` proves."""


def text(node: Node) -> str:
    """Every rendered file with its permissions; of constant ones the name only."""
    parts: list[str] = []
    for path, (content, permissions) in sorted(files(node).items()):
        parts.append(f"==> {path} {permissions}\n{_shown(path, content)}")
    return "\n".join(parts)


def differences(standard: Node, others: dict[str, Node]) -> str:
    """What each of the others has otherwise, by its name."""
    before = files(standard)
    shown: dict[tuple[str, str], str] = {}
    lines: list[str] = []
    for name, node in others.items():
        lines.append(f"=== {name}")
        now = files(node, place_of(name))
        for path in sorted(before.keys() | now.keys()):
            if path not in now:
                lines.append(f"==> {path} is not there")
                continue
            content, permissions = now[path]
            if now[path] == before.get(path):
                continue
            if (path, content) in shown:
                lines.append(f"==> {path} as in {shown[path, content]}")
                continue
            shown[path, content] = name
            lines.append(f"==> {path} {permissions}")
            lines += _difference(*(_shown(path, text) for text in (before.get(path, ("",))[0], content)))
        lines.append("")
    return "\n".join(lines)


def _shown(path: str, content: str) -> str:
    return "" if path.startswith(_OWN_FILES) else content


def _difference(before: str, now: str) -> list[str]:
    changed = difflib.unified_diff(before.splitlines(), now.splitlines(), lineterm="", n=0)
    return [line for line in changed if not line.startswith(("---", "+++", "@@"))]
