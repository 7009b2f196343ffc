"""A migration of the shapes of `.env` that teams have, on a real OpenBao, by a person with an owner's ACL policy; and
the commands of docs/migration.md, in order.

Not proven: HashiCorp's server, and the login that `./estate login` keeps (`tests/engine/test_teams.py` has it).
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic_settings import SettingsConfigDict

from components.render.acl import AclPolicy, kv_own, merged, render
from ops.paths import ROOT
from tests.support.documents import blocks
from tests.support.estates import MOUNT, PATIENT, ApplicationEstate, application_estate
from tests.support.migrating import AOS_KEYS, PAKE_KEYS, PAKE_MAP, aos_env, canary, pake_env
from tests.support.servers import VaultServer, call
from vault_estate import origins
from vault_estate.manifest import ClientManifest
from vault_estate.settings_source import VaultField, VaultSettings

PAKE_FOLDER = "pake_system/production/"
_KILLED = """
import os, signal, sys
from vault_estate.cli import main, migrate
from vault_estate.migration.journal import Journal
from vault_estate.session import Session

def apply(point):
    append, request = Journal.append, Session.request
    def end(reached):
        if reached == point:
            os.kill(os.getpid(), signal.SIGKILL)
    def appended(journal, record):
        where = f"{record.event} {getattr(record, 'path', '')}"
        if f"within {where}" == point:
            os.write(journal._descriptor, record.model_dump_json().encode()[:40])
        end(f"within {where}")
        append(journal, record)
        end(f"after {where}")
    def requested(session, method, path, **more):
        answer = request(session, method, path, **more)
        end(f"{method} {path}")
        return answer
    Journal.append, Session.request = appended, requested
    return main.main(["migrate", "apply"])

for point in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        os._exit(apply(point))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
"""One run after the other, each ended where it is said: in the midst of a line of the journal, after one, or when Vault
has done what was asked and nobody knows it yet."""


def points(path: str) -> list[str]:
    """Where a run can end while it writes one secret, in order."""
    return [
        f"within intended {MOUNT}/{path}",
        f"after intended {MOUNT}/{path}",
        f"POST {MOUNT}/data/{path}",
        f"PATCH {MOUNT}/metadata/{path}",
        f"within held {MOUNT}/{path}",
        f"after held {MOUNT}/{path}",
    ]


@pytest.fixture(scope="module")
def estate(vault_server: VaultServer) -> ApplicationEstate:
    """One application, and ada, who owns its secrets and works by a password."""
    made = application_estate(vault_server)
    names = {*AOS_KEYS, *PAKE_KEYS, *(PAKE_FOLDER + name for name in PAKE_KEYS)}
    rules = merged([rule for name in names for rule in kv_own(MOUNT, name, destroys=False)])
    policy = AclPolicy(name="group-aos-owners", administrative=True, rules=rules)
    call(made.root, "PUT", "sys/policies/acl/group-aos-owners", {"policy": render(policy)})
    call(made.root, "POST", "sys/auth/userpass", {"type": "userpass"})
    login = {"password": "correct-horse-battery", "token_policies": ["group-aos-owners"]}
    call(made.root, "POST", "auth/userpass/users/ada", login)
    return made


class Team:
    """A folder with a `.env`, and what the shell of whoever works there has."""

    def __init__(
        self, estate: ApplicationEstate, folder: Path, keys: Mapping[str, tuple[str, ...]], text: str, below: str = ""
    ) -> None:
        self.estate, self.folder = estate, folder
        secret = {"mount": MOUNT, "access": "read", "owner": "aos"}
        secrets = {name: {**secret, "path": below + name, "keys": list(one)} for name, one in keys.items()}
        self.known = ClientManifest.model_validate_json(json.dumps({**estate.document(), "secrets": secrets}))
        (folder / "vault-estate.json").write_text(self.known.render())
        (folder / ".env").write_bytes(text.encode())
        answer = call(estate.root, "POST", "auth/userpass/login/ada", {"password": "correct-horse-battery"})
        self.token = str(answer["auth"]["client_token"])
        kept = folder / "token.json"
        kept.touch(mode=0o600)
        kept.write_text(json.dumps({"address": estate.server.address, "token": self.token}))
        shim = folder / "bin" / "vault-estate"
        shim.parent.mkdir()
        shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m vault_estate "$@"\n')
        shim.chmod(0o755)
        self.environ = {
            "PATH": f"{shim.parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "LOGIN": str(kept),
            "VAULT_ESTATE_CONFIG": str(folder / "vault-estate.json"),
            "VAULT_SECRET_ID_FILE": str(estate.secret_id_file(folder)),
            **PATIENT,
        }

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A command in the folder."""
        return subprocess.run(
            command, cwd=self.folder, env={**self.environ, **more}, capture_output=True, text=True, check=False
        )

    def kept(self, name: str) -> tuple[Any, Any]:
        """A secret's values, and its metadata."""
        found = call(self.estate.root, "GET", f"{MOUNT}/data/{name}")["data"]["data"]
        return found, call(self.estate.root, "GET", f"{MOUNT}/metadata/{name}")["data"]


def test_aos_is_killed_at_each_point_and_comes_in_whole(estate: ApplicationEstate, tmp_path: Path) -> None:
    estate.write("app-prod", {"AOS_API_KEY": "chosen", "OTHER": "kept"})
    note = {"AOS_API_KEY": "generated 2026-11-26T21:57:00Z version 1 by up", origins.WRITERS: "1 up"}
    call(estate.root, "POST", f"{MOUNT}/metadata/app-prod", {"custom_metadata": note})
    team = Team(estate, tmp_path, AOS_KEYS, aos_env())
    planned = team.run("vault-estate", "migrate", "plan", "--json", VAULT_TOKEN=team.token)
    states = {row["variable"]: row["state"] for row in json.loads(planned.stdout)["rows"]}
    assert states.pop("AOS_API_KEY") == "generated"
    assert set(states.values()) == {"new"}

    shown = planned.stdout + planned.stderr + killed_at_each(team, "app-prod", "database")
    for name, keys in AOS_KEYS.items():
        values, metadata = team.kept(name)
        is_first = name == "app-prod"
        assert values == {key: canary(key) for key in keys} | ({"OTHER": "kept"} if is_first else {})
        assert metadata["current_version"] == (2 if is_first else 1)
        assert {origins.read(metadata).values[key].who for key in keys} == {"ada"}
    assert "q7Z" not in shown + "".join(file.read_text() for file in (tmp_path / ".env-migration").iterdir())


def test_the_pake_system_is_killed_at_each_point_and_comes_in_whole(estate: ApplicationEstate, tmp_path: Path) -> None:
    team = Team(estate, tmp_path, PAKE_KEYS, pake_env(), PAKE_FOLDER)
    (tmp_path / "migration.yaml").write_text(PAKE_MAP)
    planned = team.run("vault-estate", "migrate", "plan", "--map", "migration.yaml", VAULT_TOKEN=team.token)
    assert (planned.returncode, planned.stderr) == (0, "")
    shown = planned.stdout + killed_at_each(team, PAKE_FOLDER + "security", PAKE_FOLDER + "database")
    for name in ("database", "redis", "security"):
        values, metadata = team.kept(PAKE_FOLDER + name)
        assert list(values) == list(PAKE_KEYS[name])
        assert "q7Z" in str(values)
        assert metadata["current_version"] == 1
    assert "q7Z" not in shown + "".join(file.read_text() for file in (tmp_path / ".env-migration").iterdir())


def killed_at_each(team: Team, *paths: str) -> str:
    """A run is killed at each point of the two secrets that come first, and goes on; one more ends. What all of them
    said."""
    where = [point for path in paths for point in points(path)]
    assert len(where) == 12
    killed = team.run(sys.executable, "-c", _KILLED, *where, VAULT_TOKEN=team.token)
    assert (killed.stdout.split(), killed.stderr) == ([str(-signal.SIGKILL)] * len(where), "")
    done = team.run("vault-estate", "migrate", "apply", VAULT_TOKEN=team.token)
    assert (done.returncode, done.stderr) == (0, "")
    return killed.stdout + killed.stderr + done.stdout


def test_the_page_of_migration_is_followed_by_the_pake_system(
    estate: ApplicationEstate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every block of docs/migration.md, in one shell; then the application's settings read from Vault."""
    team = Team(estate, tmp_path, PAKE_KEYS, pake_env())
    (tmp_path / "config.py").write_text("import os\nKEY = os.environ['SECRET_KEY']\n")
    script = "".join(one.text for one in blocks(ROOT / "docs" / "migration.md") if one.language == "sh")
    done = team.run("sh", "-eu", "-c", script)
    assert (done.returncode, done.stderr) == (0, "")
    assert "SECRET_KEY         agenticverz/security#secret_key  1        redacted\n" in done.stdout
    assert "SECRET_KEY  config.py:2  yes      no        security#secret_key  no\n" in done.stdout
    assert team.kept("security")[0] == {"secret_key": canary("SECRET_KEY")}
    left = (tmp_path / ".env").read_text() + (tmp_path / ".env.example").read_text()
    assert "q7Z" not in done.stdout + left

    class Settings(VaultSettings):
        model_config = SettingsConfigDict(env_file=tmp_path / ".env")
        SECRET_KEY: str = VaultField("security", "secret_key")
        REDIS_URL: str = VaultField("redis", "url")
        PAKE_DEBUG: bool = False

    for name in ("VAULT_SECRET_ID_FILE", "VAULT_ESTATE_CONFIG"):
        monkeypatch.setenv(name, team.environ[name])
    found = Settings()
    assert found.PAKE_DEBUG
    assert canary("SECRET_KEY") == found.SECRET_KEY
    assert canary("REDIS_URL") in found.REDIS_URL
