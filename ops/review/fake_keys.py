"""Files that nobody commits, as a comparison of two commits needs them: fake keys that open nothing.

Owns one of each kind for the whole comparison, so that the name of such a file makes no difference. Refuses to take the
place of a file that is there.
"""

import datetime
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pyrage  # type: ignore[import-untyped]  # the wheel ships no types

from ops.keys.certificates import new_administrator
from ops.keys.pgp import ensure_operator

_SSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA fake\n"


def place(tree: Path, names: Iterable[str]) -> None:
    """Write what isn't there, below `tree`."""
    for name in names:
        file = tree / name
        if file.resolve().is_relative_to(tree.resolve()) and not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(_content(file.suffix), encoding="ascii")


@cache
def _content(suffix: str) -> str:
    """By how a file's name ends; what ends otherwise is a password."""
    match suffix:
        case ".asc":
            with tempfile.TemporaryDirectory() as folder:
                return ensure_operator(Path(folder)).read_text(encoding="ascii")
        case ".crt":
            return new_administrator(datetime.datetime.now(datetime.UTC))[0].decode()
        case ".pub":
            return _SSH
        case ".txt":
            return f"{pyrage.x25519.Identity.generate().to_public()}\n"
        case _:
            return "fake"
