"""The project's Markdown files, and the fenced blocks in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.paths import ROOT

DOCUMENTS: Sequence[Path] = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_FENCE = "```"


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block."""

    document: str
    """Path from the project's root."""
    line: int
    language: str
    """First word after the fence."""
    note: str
    """The words after it."""
    text: str


def blocks(document: Path) -> list[Block]:
    """Every fenced block of a document, in order.

    Raises:
        ValueError: a block doesn't end.
    """
    found: list[Block] = []
    opened: tuple[int, str] | None = None
    inside: list[str] = []
    name = str(document.relative_to(ROOT))
    for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), 1):
        if not line.startswith(_FENCE):
            inside.append(line)
        elif opened is None:
            opened, inside = (number, line.removeprefix(_FENCE)), []
        else:
            language, _, note = opened[1].partition(" ")
            text = "\n".join(inside) + "\n"
            found.append(Block(document=name, line=opened[0], language=language, note=note, text=text))
            opened = None
    if opened is not None:
        msg = f"{name}:{opened[0]}: the block has no end"
        raise ValueError(msg)
    return found
