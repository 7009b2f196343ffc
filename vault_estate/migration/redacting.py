"""Taking out of `.env` what the application reads from Vault, and the way back.

Owns what stands in the place of a line, `.env.example`, and the question to git. Refuses to take out what wasn't
verified since the file was last changed, and to write a value back that the journal doesn't know.
"""

import subprocess
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vault_estate.cli import formats
from vault_estate.errors import ConfigurationError, MigrationError, VaultEstateError
from vault_estate.kept_secret import KeptSecret
from vault_estate.manifest import ClientManifest
from vault_estate.migration import dotenv_file, files
from vault_estate.migration.dotenv_file import EnvFile, EnvLine
from vault_estate.migration.journal import Journal, LinesRebuilt, LinesRedacted, ValuesHeld, ValuesVerified, now
from vault_estate.migration.plans import digest, values_digest
from vault_estate.session import Session

InGit = Literal["yes", "no", "unknown"]
_GIT_SECONDS = 60
_READABLE = 0o644


@dataclass(frozen=True, kw_only=True)
class Redaction:
    """What was taken out."""

    variables: Sequence[str]
    example: Path
    in_git: InGit
    """Whether a commit that is known here has the file."""

    @property
    def rotate_now(self) -> Sequence[str]:
        """What others may have read: all, unless git has never had the file."""
        return [] if self.in_git == "no" else self.variables


def redact(env: EnvFile, journal: Journal) -> Redaction:
    """Comment out each verified line. Killed anywhere, it is run again.
    Raises ConfigurationError: nothing is verified, or something was changed since. Raises OSError: the file is as it
    was."""
    verified = next((one for one in reversed(journal.records) if isinstance(one, ValuesVerified)), None)
    if verified is None or not verified.variables:
        raise ConfigurationError(f"{env.path} has nothing that is verified; expected vault-estate migrate verify first")
    places = _places(journal)
    chosen = [name for name in verified.variables if name in env.variables]
    is_old = any(places[name][0].version != verified.variables[name] for name in chosen)
    if chosen and (is_old or digest(journal.begun.salt, env.content) != verified.env_digest):
        raise ConfigurationError(f"{env.path} is not as it was verified; expected vault-estate migrate verify again")
    example = env.path.with_name(f"{env.path.name}.example")
    if chosen:
        _write_example(example, env, {name: places[name] for name in chosen})
        text = "".join(_marked(line, *places[line.name]) if line.name in chosen else line.text for line in env.lines)
        files.replace(env.path, text.encode(), like=env.about)
    # A run that was killed has changed the file, and not said so.
    taken = [name for name in verified.variables if name in chosen or name in env.marks]
    if taken:
        journal.append(LinesRedacted(at=now(), variables=taken))
    return Redaction(variables=taken, example=example, in_git=in_git(env.path))


def _places(journal: Journal) -> Mapping[str | None, tuple[ValuesHeld, str]]:
    return {name: (held, key) for held in journal.all_held() for name, key in held.variables.items()}


def _marked(line: EnvLine, held: ValuesHeld, key: str) -> str:
    blank = line.text[: len(line.text) - len(line.text.lstrip())]
    export = "export " if line.is_exported else ""
    return f"{blank}# {export}{line.name} -> vault {held.path}#{key} v{held.version}{line.end}"


def _write_example(file: Path, env: EnvFile, taken: Mapping[str | None, tuple[ValuesHeld, str]]) -> None:
    """What a `.env` needs, without a value: an example that is there is changed where a variable went to Vault."""
    notes = {name: f"# {name} -> vault {held.path}#{key}" for name, (held, key) in taken.items()}
    if not file.exists():
        lines = [notes.get(name, f"{name}=") for name in env.variables]
        files.replace(file, "\n".join([*lines, ""]).encode(), mode=_READABLE)
        return
    there = dotenv_file.load(file, resolve=dict.fromkeys(env.variables, ""))
    kept = [f"{notes[line.name]}{line.end}" if line.name in notes else line.text for line in there.lines]
    text = "".join(kept)
    missing = [note for name, note in notes.items() if name not in there.variables and note not in text]
    end = "" if not text or text.endswith("\n") else "\n"
    files.replace(file, (text + end + "".join(f"{note}\n" for note in missing)).encode(), like=there.about)


def in_git(file: Path) -> InGit:
    """Whether any commit has had a file; unknown where there is no git, or not the whole history."""
    log = ("log", "--all", "--full-history", "-n", "1", "--format=%h", "--", file.name)
    if _git(file, "rev-parse", "--is-inside-work-tree") is None:
        return "unknown" if any((one / ".git").exists() for one in file.absolute().parents) else "no"
    found, shallow = _git(file, *log), _git(file, "rev-parse", "--is-shallow-repository")
    if found:
        return "yes"
    return "no" if found == "" and shallow == "false" else "unknown"


def _git(file: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *words],
            cwd=file.absolute().parent,
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def rebuild(env: EnvFile, journal: Journal, manifest: ClientManifest, session: Session) -> Sequence[str]:
    """Put the values that the journal knows in the place of their marks; the variables' names.
    Raises MigrationError: a version is gone, or isn't what it was. Raises ConfigurationError: a `.env` can't hold a
    value."""
    try:
        lines = _rebuilt(env, journal, manifest, session)
    except VaultEstateError as error:
        failed = copy(error)  # without frames, whose variables are values
    else:
        if env.marks:
            files.replace(env.path, "".join(lines).encode(), like=env.about)
        redacted = [name for one in journal.records if isinstance(one, LinesRedacted) for name in one.variables]
        names = [*env.marks, *(name for name in dict.fromkeys(redacted) if name in env.variables)]
        if names:
            journal.append(LinesRebuilt(at=now(), variables=names))
        return names
    raise failed


def _rebuilt(env: EnvFile, journal: Journal, manifest: ClientManifest, session: Session) -> Sequence[str]:
    known = {(one.path, one.version): one for one in journal.records if isinstance(one, ValuesHeld)}
    values: dict[tuple[str, int], Mapping[str, object]] = {}
    for name, mark in env.marks.items():
        where = (mark["path"], int(mark["version"]))
        held = known.get(where)
        if held is None:
            raise MigrationError(f"{name} went to {where[0]} v{where[1]}, which is not in {journal.file}")
        if where not in values:
            found = KeptSecret(session=session, place=manifest.secret(held.secret)).values(held.version)
            if values_digest(journal.begun.salt, found) != held.digest:
                raise MigrationError(
                    f"{where[0]} does not hold in version {where[1]} what was written; {name} stays out"
                )
            values[where] = found
    return [
        "".join(_line(one, env, values) for one in line.text.splitlines(keepends=True))
        if line.name is None
        else line.text
        for line in env.lines
    ]


def _line(text: str, env: EnvFile, values: Mapping[tuple[str, int], Mapping[str, object]]) -> str:
    mark = dotenv_file.MARK.fullmatch(text.strip())
    if mark is None or mark["name"] not in env.marks:
        return text
    value = str(values[mark["path"], int(mark["version"])][mark["key"]])
    written = formats.dotenv({mark["name"]: value}).rstrip("\n")
    return f"{mark['export'] or ''}{written}{text[len(text.rstrip()) :]}"
