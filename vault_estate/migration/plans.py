"""What a migration would do: for each variable where it goes, and how that differs from what Vault has.

Owns the plan's file, which has no value. What is shown of one is how long it is, and a fingerprint under a key that is
gone when the process ends: two alike in one plan are the same value, and two plans can't be compared.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from vault_estate.errors import ConfigurationError
from vault_estate.kept_secret import KeptSecret, KeptVersion, same
from vault_estate.manifest import ClientManifest
from vault_estate.migration import files, mapping
from vault_estate.migration.dotenv_file import EnvFile
from vault_estate.migration.mapping import Looks, Mapped, ValuePlace
from vault_estate.session import Session

FILE = "plan.json"
VariableState = Literal["new", "same", "differs", "generated", "empty", "stays"]
"""`generated`: Vault has another value, which the estate chose. `empty`: there is nothing to migrate."""
_COST = 2**14
"""Of a digest: 16 MiB, and some 50 ms."""
_LENGTHS = (8, 16, 32, 64, 256, 4096)


class MigrationRecord(BaseModel):
    """What a migration keeps in a file. Refuses names that it doesn't know, and shows nothing of what it was given."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class PlannedVariable(MigrationRecord):
    """One variable of the file."""

    name: str
    secret: str | None
    """Where it goes; None: it stays."""
    key: str | None
    state: VariableState
    version: int
    """Of the secret, as it was compared; 0: there is none."""
    length: str
    """A class of lengths, in characters."""
    fingerprint: str
    looks: Looks
    """By its name and value; nothing is decided by it."""

    @property
    def place(self) -> ValuePlace | None:
        """Where it goes; None: nowhere, as it stays or is empty."""
        if self.secret is None or self.key is None or self.state == "empty":
            return None
        return ValuePlace(secret=self.secret, key=self.key)


class MigrationPlan(MigrationRecord):
    """All of it."""

    schema_version: Literal[1] = 1
    application: str
    environment: str
    env_file: str
    resolves: bool
    """Whether `${…}` is written as what it stands for."""
    salt: str
    env_digest: str
    """Of the file as it was read."""
    variables: Sequence[PlannedVariable]


def digest(salt: str, content: bytes) -> str:
    """What tells whether something is what it was. Slow by design (scrypt), so that whoever reads a journal can't try
    short values."""
    return hashlib.scrypt(content, salt=bytes.fromhex(salt), n=_COST, r=8, p=1, dklen=16).hex()


def values_digest(salt: str, values: Mapping[str, object]) -> str:
    """The same of a version's values."""
    return digest(salt, json.dumps(values, sort_keys=True).encode())


def own_secrets(manifest: ClientManifest, session: Session, names: Sequence[str]) -> Mapping[str, KeptSecret]:
    """Secrets by their names, once each."""
    return {name: KeptSecret(session=session, place=manifest.secret(name)) for name in dict.fromkeys(names)}


def make(
    env: EnvFile, mapped: Mapped, manifest: ClientManifest, session: Session, *, resolves: bool = False
) -> MigrationPlan:
    """Compare a file with Vault. Raises VaultEstateError: a secret can't be read."""
    key = secrets.token_bytes(32)
    wanted = [place.secret for name, place in mapped.items() if place and env.variables[name].value.strip()]
    kept = {name: secret.newest() for name, secret in own_secrets(manifest, session, wanted).items()}
    salt = secrets.token_hex(16)
    return MigrationPlan(
        application=manifest.application,
        environment=manifest.environment,
        env_file=str(env.path.absolute()),
        resolves=resolves,
        salt=salt,
        env_digest=digest(salt, env.content),
        variables=[_planned(name, place, env, kept, key) for name, place in mapped.items()],
    )


def compared(value: str, key: str, kept: KeptVersion) -> VariableState:
    """How a value differs from what a secret has."""
    if not value.strip():
        return "empty"
    if key not in kept.values:
        return "new"
    if same(kept.values[key], value):
        return "same"
    return "generated" if kept.is_generated(key) else "differs"


def _planned(
    name: str, place: ValuePlace | None, env: EnvFile, kept: Mapping[str, KeptVersion], key: bytes
) -> PlannedVariable:
    value = env.variables[name].value
    version = kept.get(place.secret) if place else None
    state: VariableState = "stays" if place is None else "empty"
    if place is not None and version is not None:
        state = compared(value, place.key, version)
    return PlannedVariable(
        name=name,
        secret=place.secret if place else None,
        key=place.key if place else None,
        state=state,
        version=version.number if version else 0,
        length=_length(value),
        fingerprint=hmac.digest(key, value.encode(errors="surrogatepass"), "sha256").hex()[:8],
        looks=mapping.looks(name, value),
    )


def _length(value: str) -> str:
    if not value:
        return "0"
    lowest = 1
    for highest in _LENGTHS:
        if len(value) <= highest:
            return f"{lowest}-{highest}"
        lowest = highest + 1
    return f"{lowest}-"


def save(plan: MigrationPlan, folder: Path) -> Path:
    """Write the plan's file, in the place of an earlier one. Raises OSError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    file = folder / FILE
    files.replace(file, plan.model_dump_json(indent=2).encode() + b"\n")
    return file


def load(folder: Path) -> MigrationPlan:
    """Read the plan's file. Raises ConfigurationError: there is none, or it is damaged."""
    file = folder / FILE
    if not file.exists():
        raise ConfigurationError(f"{file} is missing; expected vault-estate migrate plan first")
    content, _ = files.read(file, 8_388_608)
    try:
        return MigrationPlan.model_validate_json(content)
    except ValidationError:
        raise ConfigurationError(f"{file} is no plan; expected vault-estate migrate plan again") from None
