"""The programs on pages that use the library, as whoever copies them has them."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from ops.paths import ROOT
from tests.support.documents import DOCUMENTS, blocks

PAGES = (ROOT / "vault_estate" / "README.md", ROOT / "docs" / "client.md", ROOT / "docs" / "rotation.md")
_UNTYPED = "def secrets(vault):"
"""In a block from which on tests of applications are shown, which have no types, as pytest's users write them."""
_PROGRAM = re.compile(r"(?:python - |\.py )<<'END'\n(.*?\n)END\n", re.DOTALL)
"""One that a shell is given."""
_OF_THE_TEAM = "from app.secrets import"
"""What a package of AOS's own gives, whose lines are theirs."""


def examples() -> Mapping[str, str]:
    """Programs by the names of modules. Not those that need another page's names."""
    found = {_module(page): "\n\n".join(_typed(page)) for page in PAGES}
    for page in DOCUMENTS:
        programs = [one for one in _PROGRAM.findall(page.read_text(encoding="utf-8")) if "vault_estate" in one]
        for number, text in enumerate(one for one in programs if _OF_THE_TEAM not in one):
            found[f"{_module(page)}_{number}"] = text
    return found


def _module(page: Path) -> str:
    return f"{page.stem.lower().replace('-', '_')}_examples"


def _typed(page: Path) -> list[str]:
    found: list[str] = []
    for block in blocks(page):
        if _UNTYPED in block.text:
            break
        if block.language == "python":
            found.append(block.text)
    return found


def types_of_examples(folder: Path, *options: str) -> list[str]:
    """What `mypy` says of them, and of one that is wrong."""
    for name, text in examples().items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    wrong = "from vault_estate import VaultClient\n\nVaultClient().get_secret(5)\n"
    (folder / "wrong_example.py").write_text(wrong, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", *options, str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines()


def assert_only_the_wrong_one(said: list[str]) -> None:
    """An assertion that all others are typed, and were looked at."""
    count = len(examples()) + 1
    assert [line for line in said if "wrong_example" not in line] == [
        f"Found 1 error in 1 file (checked {count} source files)"
    ]
    assert any('Argument 1 to "get_secret" of "VaultClient" has incompatible type "int"' in line for line in said)
