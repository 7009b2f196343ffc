"""The words of docs/glossary.md are used: in documents, help texts, messages, comments and docstrings.

Not proven: that a sentence is plain. ADRs and the changelog keep the words of their day.
"""

import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.paths import ROOT

GLOSSARY = ROOT / "docs" / "glossary.md"
ROOMS = ("__main__.py", "settings", "composition", "components", "policies", "fake_providers", "ops", "vault_estate")
NAMES = re.compile(
    r"`[^`]*`|\{[^{}]*\}|custody\.json\S*|/custody\b\S*|custody/\S*|\bcustody-\S*|['\"]custody['\"]|\.custody\b|\bcustody\.kind"
)
"""What is a name and no word: code, and files and keys of JSON that keep theirs."""


def _rows() -> list[tuple[str, list[str]]]:
    """Each word with those it stands instead of."""
    lines = [line for line in GLOSSARY.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][1:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [(say, [one.strip() for one in instead.split(",") if one.strip()]) for say, instead, _ in cells]


AVOIDED = {word: say for say, instead in _rows() for word in instead}
FORBIDDEN = re.compile(rf"\b({'|'.join(sorted(AVOIDED, key=len, reverse=True))})s?\b", re.IGNORECASE)


def _documents() -> Iterator[Path]:
    yield from (ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/README.md"))
    yield from (page for page in sorted((ROOT / "docs").glob("*.md")) if page != GLOSSARY)


def _texts(file: Path) -> Iterator[tuple[int, str]]:
    """What a person reads of a file, by line: of a program its strings and comments."""
    if file.suffix != ".py":
        yield from enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        return
    with file.open("rb") as stream:
        for token in tokenize.tokenize(stream.readline):
            if token.type in (tokenize.STRING, tokenize.COMMENT):
                for offset, line in enumerate(token.string.splitlines()):
                    yield token.start[0] + offset, line


def _wrong(files: Iterator[Path]) -> list[str]:
    return [
        f"{file.relative_to(ROOT)}:{number}: {found[0]!r}; say {AVOIDED[found[1].lower()]!r}"
        for file in files
        for number, line in _texts(file)
        if (found := FORBIDDEN.search(NAMES.sub("", line)))
    ]


def test_the_glossary_is_a_page_of_words_in_order() -> None:
    words = [say for say, _ in _rows()]
    assert 25 < len(words) < 45
    assert words == sorted(words, key=str.lower)


def test_documents_use_its_words() -> None:
    assert _wrong(_documents()) == []


@pytest.mark.parametrize("room", ROOMS)
def test_programs_use_its_words(room: str) -> None:
    place = ROOT / room
    files = [place] if place.is_file() else sorted([*place.rglob("*.py"), *place.rglob("*.sh")])
    assert files
    assert _wrong(iter(files)) == []


def test_comments_cite_what_is_in_the_repository() -> None:
    cited = re.compile(r"\bpitfall \d|\brequirements/|\bdesign/\w+\.md")
    files = [file for room in ROOMS for file in (ROOT / room).rglob("*.py")]
    assert [
        f"{file.relative_to(ROOT)}:{number}" for file in files for number, line in _texts(file) if cited.search(line)
    ] == []


def test_programs_take_no_digits_but_asciis() -> None:
    r"""`\d` and `isdigit` take those of every script, which Vault and the providers refuse half-way through an `up`."""
    digits = re.compile(r"\\d|^(?!.*isascii).*\.is(?:digit|decimal|numeric)\(")
    files = [file for room in ROOMS for file in (ROOT / room).rglob("*.py")]
    assert [
        f"{file.relative_to(ROOT)}:{number}"
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if digits.search(line)
    ] == []
