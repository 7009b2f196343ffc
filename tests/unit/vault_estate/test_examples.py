"""Types of the examples in the library's pages, as whoever copies them has them checked: `mypy --strict`. And that the
lines which two teams have in documents of their own are on their pages as they are.

That the pages run, also theirs, is held by tests/live/vault_estate and tests/engine. Not held: blocks that need another
page's names, and tests without types, as pytest's users write them.
"""

import subprocess
import sys
from pathlib import Path

from ops.paths import ROOT
from tests.support.documents import blocks

PAGES = (ROOT / "vault_estate" / "README.md", ROOT / "docs" / "client.md")
UNTYPED = "def secrets(vault):"
"""In a block from which on tests of applications are shown."""

_AOS_PYTHON = """\
from app.secrets import load_secrets_to_env

# Load at startup
load_secrets_to_env(["app-prod", "database", "external-apis"])

# Or get specific secret
from app.secrets import VaultClient
client = VaultClient()
secrets = client.get_secret("app-prod")
api_key = secrets["AOS_API_KEY"]
"""
_AOS_SHELL = """\
# Load secrets to current shell
source scripts/ops/vault/vault_env.sh app-prod

# Use secrets
echo $AOS_API_KEY
"""
_PAKE_WITHOUT = """\
export USE_VAULT=false
export SECRET_KEY=test-secret-key
export DATABASE_URL=postgresql://test:test@localhost/test
export REDIS_URL=redis://localhost:6379/1

poetry run python -c "from src.pake_system.core.config import get_settings; print(get_settings().SECRET_KEY)"
"""
_PAKE_WITH = """\
export USE_VAULT=true
export VAULT_URL=$BAO_ADDR
export VAULT_TOKEN=$token

poetry run python -c "from src.pake_system.core.config import get_settings; print(get_settings().SECRET_KEY)"\
"""
"""As the team has it, but for the server's address and the token, which are this machine's."""


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


def test_the_teams_own_lines_are_on_their_pages_as_they_are() -> None:
    """tests/engine/test_teams.py follows the pages."""
    for team, texts in {"aos": (_AOS_PYTHON, _AOS_SHELL), "pake-system": (_PAKE_WITHOUT, _PAKE_WITH)}.items():
        page = (ROOT / "docs" / "teams" / f"{team}.md").read_text(encoding="utf-8")
        shown = "\n".join(line.removeprefix("    ") for line in page.splitlines())
        for text in texts:
            assert text in shown
