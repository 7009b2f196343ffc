"""One node rendered whole, as a text that compares line by line. `python -m tests.unit.golden.write` writes it anew."""

from pathlib import Path

from components.render.cloud_init import files
from components.render.node.model import Node

FILE = Path(__file__).with_name("node.txt")
AGAIN = "python -m tests.unit.golden.write"
_OWN_FILES = ("/usr/local/lib/vault-estate/", "/etc/vault-estate/bootstrap.json")
"""Constant scripts, which are in the repository already, and what `tests/unit/render/test_bootstrap.py` proves."""


def text(node: Node) -> str:
    """Every rendered file with its permissions; of constant ones the name only."""
    parts: list[str] = []
    for path, (content, permissions) in sorted(files(node).items()):
        constant = path.startswith(_OWN_FILES)
        parts.append(f"==> {path} {permissions}\n{'' if constant else content}")
    return "\n".join(parts)
