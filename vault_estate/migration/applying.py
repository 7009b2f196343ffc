"""Writing what is planned: a version a secret, by check-and-set, and each step in the journal before and after.

Owns the order by which a run that was killed anywhere goes on without a second version. Refuses to replace a value that
somebody gave unless it was named, and to write to a Vault that is older than the journal.
"""

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field

from vault_estate.errors import ConfigurationError, MigrationError, PermissionDenied, VaultEstateError, VersionConflict
from vault_estate.kept_secret import KeptSecret, KeptVersion, same, whose
from vault_estate.manifest import ClientManifest
from vault_estate.migration.dotenv_file import EnvFile
from vault_estate.migration.journal import Journal, ValuesHeld, WriteIntended, now
from vault_estate.migration.plans import MigrationPlan, compared, digest, own_secrets, values_digest
from vault_estate.session import Session

_TRIES = 5
"""How often a secret is planned anew because somebody else wrote first."""


@dataclass(frozen=True, kw_only=True)
class AppliedSecret:
    """What became of a secret."""

    secret: str
    path: str
    version: int
    is_written: bool
    """Whether this run wrote it; else it had everything already."""
    warning: str = ""
    """What could not be done besides."""


@dataclass(frozen=True, kw_only=True)
class _WantedValues:
    """What a secret should hold of the file."""

    variables: Mapping[str, str]
    """Key by variable."""
    values: Mapping[str, str] = field(repr=False)
    """By key."""


def apply(
    plan: MigrationPlan,
    env: EnvFile,
    manifest: ClientManifest,
    session: Session,
    journal: Journal,
    *,
    replace: Collection[str] = (),
) -> Sequence[AppliedSecret]:
    """Write each secret that lacks something. `replace` are variables whose given values may be replaced.

    Raises:
        ConfigurationError: the file isn't what was planned, or has no variable that is to be replaced. Nothing is
            written.
        MigrationError: a value differs, or Vault is older than the journal. Nothing more is written.
        VaultEstateError: Vault refuses, or can't be asked. What was written stays; run it again.
    """
    _check(plan, env, replace)
    wanted = _wanted(plan, env)
    secrets = own_secrets(manifest, session, list(wanted))
    try:
        run = _Run(env=env, journal=journal, who=whose(session), replace=replace)
        return run.migrate_all(wanted, secrets)
    except VaultEstateError as error:
        failed = copy(error)  # without frames, whose variables are values
    raise failed


def _check(plan: MigrationPlan, env: EnvFile, replace: Collection[str]) -> None:
    if str(env.path.absolute()) != plan.env_file or digest(plan.salt, env.content) != plan.env_digest:
        raise ConfigurationError(
            f"{env.path} is not as it was planned; expected vault-estate migrate plan again, and a look at it"
        )
    known = [one.name for one in plan.variables if one.place]
    if any(one not in known for one in replace):
        # Not shown: a value may have been put there by mistake.
        raise ConfigurationError(f"--replace names none of the plan's; expected some of: {', '.join(known) or 'none'}")


def _wanted(plan: MigrationPlan, env: EnvFile) -> Mapping[str, _WantedValues]:
    variables: dict[str, dict[str, str]] = {}
    for one in plan.variables:
        if place := one.place:
            variables.setdefault(place.secret, {})[one.name] = place.key
    lines = env.variables
    return {
        secret: _WantedValues(variables=keys, values={key: lines[name].value for name, key in keys.items()})
        for secret, keys in variables.items()
    }


@dataclass(frozen=True, kw_only=True)
class _Run:
    env: EnvFile
    journal: Journal
    who: str
    replace: Collection[str]

    @property
    def _salt(self) -> str:
        return self.journal.begun.salt

    def migrate_all(
        self, wanted: Mapping[str, _WantedValues], secrets: Mapping[str, KeptSecret]
    ) -> Sequence[AppliedSecret]:
        """Have each secret hold what is wanted; nothing is written if one would lose a value."""
        before = {name: self.recovered(name, secret) for name, secret in secrets.items()}
        for name, secret in secrets.items():
            self.refuse_replacing(secret, wanted[name], before[name])
        return [self.migrate(name, secret, wanted[name], before[name]) for name, secret in secrets.items()]

    def recovered(self, name: str, secret: KeptSecret) -> KeptVersion:
        """A secret's newest version, after a write that was cut off is known to be done or not.
        Raises MigrationError: Vault is older than the journal."""
        kept = secret.newest()
        intent, held = self.journal.open_intent(name), self.journal.held(name)
        least = max(intent.seen if intent else 0, held.version if held else 0)
        if kept.number < least:
            raise MigrationError(
                f"{secret} is at version {kept.number}, and the journal knows version {least}: Vault is older than "
                f"{self.journal.file}; expected that folder moved away, once it is known why"
            )
        if held is not None and not self._is(secret, held.version, held.digest, kept):
            raise MigrationError(
                f"{secret} holds in version {held.version} what the journal doesn't know; expected "
                f"{self.journal.file.parent} moved away, once it is known why"
            )
        if intent is None or kept.number == intent.seen:
            return kept
        values = secret.values(intent.seen + 1)
        if values_digest(self._salt, values) == intent.digest:
            self._done(secret, intent, values)
        return kept

    def _is(self, secret: KeptSecret, version: int, known: str, kept: KeptVersion) -> bool:
        values = kept.values if kept.number == version else secret.values(version)
        return not values or values_digest(self._salt, values) == known

    def refuse_replacing(self, secret: KeptSecret, wanted: _WantedValues, kept: KeptVersion) -> None:
        """Raises MigrationError: a value would be replaced that somebody gave."""
        lost = [
            name
            for name, key in wanted.variables.items()
            if compared(wanted.values[key], key, kept) == "differs" and name not in self.replace
        ]
        if lost:
            flags = " ".join(f"--replace {name}" for name in lost)
            raise MigrationError(
                f"{', '.join(lost)} in version {kept.number} of {secret}: given, and another value; expected {flags}, "
                "or the same value in both"
            )

    def migrate(self, name: str, secret: KeptSecret, wanted: _WantedValues, kept: KeptVersion) -> AppliedSecret:
        """Have a secret hold what is wanted."""
        for _ in range(_TRIES):
            self.refuse_replacing(secret, wanted, kept)
            brought = [key for key, value in wanted.values.items() if not same(kept.values.get(key), value)]
            if not brought:
                return self._found(name, secret, wanted, kept)
            merged = {**kept.values, **wanted.values}
            intent = WriteIntended(
                at=now(),
                by=self.who,
                secret=name,
                path=str(secret),
                seen=kept.number,
                digest=values_digest(self._salt, merged),
                brought=brought,
                variables=wanted.variables,
            )
            self.journal.append(intent)
            try:
                version = secret.write(merged, seen=kept.number)
            except VersionConflict:
                kept = secret.newest()
                continue
            warning = self._done(secret, intent, merged)
            return AppliedSecret(secret=name, path=str(secret), version=version, is_written=True, warning=warning)
        raise MigrationError(
            f"{secret} was written by somebody else {_TRIES} times meanwhile; expected it to be at rest"
        )

    def _done(self, secret: KeptSecret, intent: WriteIntended, values: Mapping[str, object]) -> str:
        """What follows a write, also in a later run. A warning, or nothing."""
        version, warning = intent.seen + 1, ""
        try:
            secret.note(version, dict.fromkeys(intent.brought, "given"), values, intent.by)
        except PermissionDenied:
            warning = f"{secret} is written; who gave it could not be noted: this token may not"
        secret.read_back(version, values)
        self._hold(intent.secret, secret, version, intent.digest, intent.variables)
        return warning

    def _found(self, name: str, secret: KeptSecret, wanted: _WantedValues, kept: KeptVersion) -> AppliedSecret:
        held = self.journal.held(name)
        if held is None or held.version != kept.number or held.variables != wanted.variables:
            self._hold(name, secret, kept.number, values_digest(self._salt, kept.values), wanted.variables)
        return AppliedSecret(secret=name, path=str(secret), version=kept.number, is_written=False)

    def _hold(self, name: str, secret: KeptSecret, version: int, known: str, variables: Mapping[str, str]) -> None:
        self.journal.append(
            ValuesHeld(at=now(), secret=name, path=str(secret), version=version, digest=known, variables=variables)
        )
