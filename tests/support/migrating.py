"""A Vault in memory that is written to, and shapes of `.env` that teams have, for tests of a migration.

`ScriptedKv` is a fake: KV version 2 with check-and-set and notes, as OpenBao 2.7 answers
(`tests/live/vault_estate/test_migration.py` asks it). It can end a run before or after any of its answers.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.manifests import GOOD
from tests.support.scripted_vault import ROLE_ID, ScriptedVault, _stamp, _Token
from vault_estate.answers import Answer
from vault_estate.auth.token import TokenAuth
from vault_estate.manifest import ClientManifest, parse
from vault_estate.migration import applying, dotenv_file, journal, mapping, plans
from vault_estate.migration.applying import AppliedSecret
from vault_estate.migration.journal import Journal, JournalRecord
from vault_estate.migration.plans import MigrationPlan
from vault_estate.session import Session
from vault_estate.transport import Call

PERSON = "fake-token-of-ada"
MOUNT = "agenticverz"
AOS_KEYS: Mapping[str, tuple[str, ...]] = {
    "app-prod": ("AOS_API_KEY", "MACHINE_SECRET_TOKEN", "OIDC_CLIENT_SECRET"),
    "database": ("POSTGRES_USER", "POSTGRES_PASSWORD", "DATABASE_URL", "KEYCLOAK_DB_USER", "KEYCLOAK_DB_PASSWORD"),
    "external-apis": ("ANTHROPIC_API_KEY",),
    "keycloak-admin": ("KEYCLOAK_ADMIN", "KEYCLOAK_ADMIN_PASSWORD"),
}
"""As aos has its secrets (`estate.base.yaml`)."""
PAKE_KEYS: Mapping[str, tuple[str, ...]] = {
    "database": ("url",),
    "redis": ("url",),
    "security": ("secret_key",),
    "api_keys": ("firecrawl_api_key",),
}
PAKE_MAP = """\
DATABASE_URL: database#url
REDIS_URL: redis#url
SECRET_KEY: security#secret_key
FIRECRAWL_API_KEY: api_keys#firecrawl_api_key
PAKE_DEBUG: stays
USE_VAULT: stays
VAULT_URL: stays
"""


def canary(name: str) -> str:
    """The value of a variable, to be looked for."""
    return f"canary-{name.lower()}-" + "q7Z" * 5


def aos_env() -> str:
    """What AOS has in its `.env`: each value is a canary, written in another way."""
    names = [name for keys in AOS_KEYS.values() for name in keys]
    forms = ("{}={}", "export {}={}", '{}="{}"', "{} = '{}'  # the old one")
    lines = [forms[number % len(forms)].format(name, canary(name)) for number, name in enumerate(names)]
    return "# AOS backend\n\n" + "\n".join(lines) + "\n"


def pake_env() -> str:
    """What the PAKE system has, with what stays, and an empty one."""
    return (
        "# Vault Configuration\nUSE_VAULT=true\nVAULT_URL=http://127.0.0.1:8200\n\n"
        f"SECRET_KEY={canary('SECRET_KEY')}\r\n"
        f"DATABASE_URL=postgresql://test:{canary('DATABASE_URL')}@localhost/test\n"
        f'REDIS_URL="redis://:{canary("REDIS_URL")}@localhost:6379/1"\nFIRECRAWL_API_KEY=\nPAKE_DEBUG=true'
    )


def manifest(keys: Mapping[str, tuple[str, ...]] = AOS_KEYS, **changes: Any) -> ClientManifest:
    """An application's document with these secrets, and one of another application's."""
    secrets = {
        name: {"mount": MOUNT, "path": name, "keys": list(one), "access": "read", "owner": "aos"}
        for name, one in keys.items()
    }
    other = {"mount": "secret", "path": "shared", "keys": ["SHARED"], "access": "read", "owner": "other"}
    login = {**GOOD["login"], "role_id": ROLE_ID}
    return parse(json.dumps({**GOOD, "login": login, "secrets": {**secrets, "other/shared": other}, **changes}))


class Killed(BaseException):
    """The process ends here. No `except Exception` sees it, as none would see SIGKILL."""


@dataclass(kw_only=True)
class ScriptedKv(ScriptedVault):
    """What it holds by mount and path; versions are never lost."""

    notes: dict[str, dict[str, str]] = field(default_factory=dict)
    deleted: set[tuple[str, int]] = field(default_factory=set)
    after: Callable[[Call], None] = lambda _: None
    """Called when what was asked is done, and nobody has the answer yet."""

    def __post_init__(self) -> None:
        self.tokens[PERSON] = _Token(ends_at=1e9, max_at=1e9, batch=False)

    def session(self) -> Session:
        """Ada's."""
        return Session(self.transport(), TokenAuth(environ={"VAULT_TOKEN": PERSON}))

    def answer(self, call: Call) -> Answer:
        """What it says, unless somebody ends it then."""
        found = super().answer(call)
        self.after(call)
        return found

    def put(self, name: str, values: Mapping[str, Any], notes: Mapping[str, str] | None = None) -> None:
        """A version that somebody else wrote."""
        self.write(f"{MOUNT}/{name}", **values)
        if notes is not None:
            self.notes.setdefault(f"{MOUNT}/{name}", {}).update(notes)

    def versions(self, name: str) -> list[dict[str, Any]]:
        """What a secret has held."""
        return self.kv.get(f"{MOUNT}/{name}", [])

    def _allowed(self, call: Call, path: str, body: Mapping[str, Any], token: _Token) -> Answer:
        mount, _, rest = path.partition("/")
        kind, _, name = rest.partition("/")
        if any(f"{call.method} {path}".startswith(one) for one in self.denied):
            return self._said(403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]})
        if path == "auth/token/lookup-self":
            data = {"ttl": 3_600, "policies": ["aos-owners"], "renewable": True, "meta": {"username": "ada"}}
            return self._said(200, {"data": data})
        if kind not in ("data", "metadata"):
            return super()._allowed(call, path, body, token)
        whole = f"{mount}/{name}"
        if kind == "metadata":
            return self._metadata(call, whole, body)
        return self._write(whole, body) if call.method == "POST" else self._version(whole, call.path)

    def _metadata(self, call: Call, whole: str, body: Mapping[str, Any]) -> Answer:
        if whole not in self.kv:
            return self._said(404, {"errors": []})
        if call.method == "PATCH":
            if call.headers.get("Content-Type") != "application/merge-patch+json":
                return self._said(415, {"errors": ["PATCH requires merge-patch+json"]})
            notes = self.notes.setdefault(whole, {})
            for key, text in body["custom_metadata"].items():
                if text is None:
                    notes.pop(key, None)
                else:
                    notes[key] = text
            return self._said(204, None)
        told = {"current_version": len(self.kv[whole]), "custom_metadata": self.notes.get(whole)}
        return self._said(200, {"data": told})

    def _write(self, whole: str, body: Mapping[str, Any]) -> Answer:
        if body.get("options", {}).get("cas") != len(self.kv.get(whole, [])):
            said = "check-and-set parameter did not match the current version"
            return self._said(400, {"errors": [said]})
        self.write(whole, **body["data"])
        return self._said(200, {"data": {"version": len(self.kv[whole])}})

    def _version(self, whole: str, asked: str) -> Answer:
        versions = self.kv.get(whole, [])
        number = int(asked.partition("version=")[2] or len(versions))
        if not 0 < number <= len(versions):
            return self._said(404, {"errors": []})
        metadata = {
            "version": number,
            "created_time": _stamp(self.clock.wall() - self.clock.now() + self.written_at[whole][number - 1]),
            "custom_metadata": self.notes.get(whole),
            "deletion_time": "",
            "destroyed": False,
        }
        if (whole, number) in self.deleted:
            gone = {"data": None, "metadata": {**metadata, "deletion_time": "2026-01-03T00:00:00Z"}}
            return self._said(404, {"data": gone})
        return self._said(200, {"data": {"data": versions[number - 1], "metadata": metadata}})


class Ends:
    """Ends a run at one of its steps: before and after each request, and around each line of the journal."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.steps: list[str] = []

    def step(self, what: str) -> None:
        """One more. Raises Killed: it is the one."""
        self.steps.append(what)
        if len(self.steps) == self.at:
            raise Killed


class EndingJournal(Journal):
    """The journal, which can be ended before, in the midst of and after a line."""

    ends = Ends()

    def append(self, record: JournalRecord) -> None:
        """As the base."""
        self.ends.step(f"before {record.event}")
        try:
            self.ends.step(f"within {record.event}")
        except Killed:
            os.write(self._descriptor, record.model_dump_json().encode()[:40])
            raise
        super().append(record)
        self.ends.step(f"after {record.event}")


@dataclass(kw_only=True)
class Move:
    """A migration of one file."""

    vault: ScriptedKv
    folder: Path
    known: ClientManifest
    map_file: Path | None = None

    @property
    def env(self) -> Path:
        """The file."""
        return self.folder / ".env"

    @property
    def own(self) -> Path:
        """Plan and journal."""
        return self.folder / "migration"

    def plan(self) -> MigrationPlan:
        """Made, and saved."""
        env = dotenv_file.load(self.env)
        mapped = mapping.places(self.known, env.variables, self.map_file)
        plans.save(plans.make(env, mapped, self.known, self.vault.session()), self.own)
        return plans.load(self.own)

    def states(self) -> Mapping[str, str]:
        """Of each variable, now."""
        return {one.name: one.state for one in self.plan().variables}

    def apply(self, *replace: str, ends: Ends | None = None) -> list[AppliedSecret]:
        """What was planned."""
        run = ends or Ends()
        self.vault.before = lambda call: run.step(f"before {call.method} {call.path}")
        self.vault.after = lambda call: run.step(f"after {call.method} {call.path}")
        EndingJournal.ends = run
        plan, env = plans.load(self.own), dotenv_file.load(self.env)
        with self.journal() as lines:
            return list(applying.apply(plan, env, self.known, self.vault.session(), lines, replace=replace))

    def journal(self) -> Journal:
        """Open for writing."""
        whose = {"application": self.known.application, "environment": self.known.environment}
        return EndingJournal(self.own, env_file=self.env, **whose)

    def records(self, event: str) -> list[dict[str, Any]]:
        """Lines of the journal."""
        lines = (self.own / journal.FILE).read_text().splitlines()
        return [one for one in map(json.loads, lines) if one["event"] == event]
