"""Whether the application itself reads from Vault what its `.env` says: by its own login, so that its ACL policy
counts.

Owns the comparison, and its line in the journal. Refuses nothing: what isn't verified stays in `.env`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from vault_estate.errors import ConfigurationError, PermissionDenied, SecretNotFound
from vault_estate.kept_secret import same
from vault_estate.migration.dotenv_file import EnvFile
from vault_estate.migration.journal import Journal, ValuesHeld, ValuesVerified, now
from vault_estate.migration.plans import digest
from vault_estate.models import Secret

Verdict = Literal["verified", "differs", "missing", "denied", "newer"]
"""`newer`: somebody has written a version since `apply`, which has to look at it."""


@dataclass(frozen=True, kw_only=True)
class VerifiedVariable:
    """What the application reads in the place of a variable."""

    name: str
    place: str
    version: int
    verdict: Verdict


def verify(env: EnvFile, journal: Journal, read: Callable[[str], Secret]) -> Sequence[VerifiedVariable]:
    """Read each secret that variables of the file went to. `read` is the application's.
    Raises ConfigurationError: nothing was applied, or is in the file any more. Raises VaultEstateError: nobody can be
    logged in, or Vault can't be asked."""
    held = [one for one in journal.all_held() if any(name in env.variables for name in one.variables)]
    if not held:
        raise ConfigurationError(f"{env.path} has nothing that was applied; expected vault-estate migrate apply first")
    found = [one for secret in held for one in _looked_at(env, secret, read)]
    verified = {one.name: one.version for one in found if one.verdict == "verified"}
    content = digest(journal.begun.salt, env.content)
    journal.append(ValuesVerified(at=now(), env_digest=content, variables=verified))
    return found


def _looked_at(env: EnvFile, held: ValuesHeld, read: Callable[[str], Secret]) -> Sequence[VerifiedVariable]:
    secret: Secret | None = None
    refused: Verdict = "missing"
    try:
        secret = read(held.secret)
    except SecretNotFound:
        pass
    except PermissionDenied:
        refused = "denied"
    return [
        VerifiedVariable(
            name=name,
            place=f"{held.path}#{key}",
            version=secret.version if secret else held.version,
            verdict=_verdict(env.variables[name].value, key, secret, held) if secret else refused,
        )
        for name, key in held.variables.items()
        if name in env.variables
    ]


def _verdict(value: str, key: str, secret: Secret, held: ValuesHeld) -> Verdict:
    if key not in secret:
        return "missing"
    if not same(secret[key], value):
        return "differs"
    return "verified" if secret.version == held.version else "newer"
