"""Types of the examples in the library's pages, as whoever copies them has them checked: `mypy --strict`. And that the
lines which two teams have in documents of their own are on their pages as they are.

That the pages run, also theirs, is held by tests/live/vault_estate and tests/engine; the same types against the wheel
by tests/engine/vault_estate/test_distribution.py.
"""

from pathlib import Path

from ops.paths import ROOT
from tests.support.examples import assert_only_the_wrong_one, examples, types_of_examples

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


def test_examples_are_typed_strictly(tmp_path: Path) -> None:
    assert {"readme_examples", "client_examples", "rotation_examples"} < examples().keys()
    teams = {"bike_data_flow", "dagster", "greenlang", "pake_system"}
    assert {f"{team}_examples_0" for team in teams} < examples().keys()

    # With the project's own settings, which are strict, what the gate has looked at isn't looked at again.
    assert_only_the_wrong_one(types_of_examples(tmp_path, f"--config-file={ROOT / 'pyproject.toml'}"))


def test_the_teams_own_lines_are_on_their_pages_as_they_are() -> None:
    """tests/engine/test_teams.py follows the pages."""
    for team, texts in {"aos": (_AOS_PYTHON, _AOS_SHELL), "pake-system": (_PAKE_WITHOUT, _PAKE_WITH)}.items():
        page = (ROOT / "docs" / "teams" / f"{team}.md").read_text(encoding="utf-8")
        shown = "\n".join(line.removeprefix("    ") for line in page.splitlines())
        for text in texts:
            assert text in shown
