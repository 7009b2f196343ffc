"""`scripts/migrate_secrets_to_vault.py`, for whoever has such a script: `vault-estate migrate plan`, then `apply`.

Owns their order; words are those of `plan`. Refuses to take anything out of `.env`: that is for `migrate verify` and
`redact`, when the application reads by its own login.
"""

import sys
from collections.abc import Sequence

from vault_estate.cli import main as commands
from vault_estate.cli.telling import tell

_NAME = "migrate_secrets_to_vault.py"
_OF_PLAN = "--map"


def main(arguments: Sequence[str] | None = None) -> int:
    """Both; the exit code of the first that doesn't end well."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    tell(f"{_NAME}: expected vault-estate migrate plan and apply, which this runs")
    code = commands.main(["migrate", "plan", *words]) or commands.main(["migrate", "apply", *_without_map(words)])
    if not code:
        tell(f"{_NAME}: .env is as it was; expected next: vault-estate migrate verify, redact")
    return code


def _without_map(words: Sequence[str]) -> list[str]:
    kept = [word for word in words if not word.startswith(f"{_OF_PLAN}=")]
    if _OF_PLAN in kept:
        number = kept.index(_OF_PLAN)
        del kept[number : number + 2]
    return kept


if __name__ == "__main__":
    sys.exit(main())
