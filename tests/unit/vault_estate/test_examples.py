"""Types of the examples in the library's pages, as whoever copies them has them checked: `mypy --strict`.

That they run is held by tests/live/vault_estate. Not held: blocks that need another page's names, and tests without
types, as pytest's users write them.
"""

import subprocess
import sys
from pathlib import Path

from ops.paths import ROOT
from tests.support.documents import blocks

PAGES = (ROOT / "vault_estate" / "README.md", ROOT / "docs" / "client.md")
UNTYPED = "def secrets(vault):"
"""In a block from which on tests of applications are shown."""


def typed_blocks(page: Path) -> list[str]:
    """The page's examples, up to those of tests."""
    found: list[str] = []
    for block in blocks(page):
        if UNTYPED in block.text:
            break
        if block.language == "python":
            found.append(block.text)
    return found


def test_examples_are_typed_strictly(tmp_path: Path) -> None:
    for page in PAGES:
        assert len(typed_blocks(page)) >= 3
        (tmp_path / f"{page.stem.lower()}_examples.py").write_text("\n\n".join(typed_blocks(page)), encoding="utf-8")
    wrong = tmp_path / "wrong_example.py"
    wrong.write_text("from vault_estate import VaultClient\n\nVaultClient().get_secret(5)\n")

    # With the project's own settings, which are strict, what the gate has looked at isn't looked at again.
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(tmp_path)]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    lines = checked.stdout.splitlines()
    assert [line for line in lines if "wrong_example" not in line] == [
        "Found 1 error in 1 file (checked 3 source files)"
    ]
    assert 'Argument 1 to "get_secret" of "VaultClient" has incompatible type "int"' in checked.stdout
