"""`vault-estate migrate`: what it prints, where, and its exit codes. Vault is in memory."""

import io
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

import vault_estate
from tests.support.migrating import PAKE_KEYS, PAKE_MAP, PERSON, ScriptedKv, canary, manifest, pake_env
from tests.support.scripted_vault import ADDRESS
from tests.unit.vault_estate.readers import DoubleReader
from vault_estate import persons_login
from vault_estate.cli import main, migrate, migrate_secrets_to_vault
from vault_estate.errors import ConfigurationError, PermissionDenied
from vault_estate.manifest import ClientManifest
from vault_estate.migration import plans
from vault_estate.models import Secret
from vault_estate.session import Session
from vault_estate.tls import Trust

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedKv:
    """The PAKE system's folder, and a Vault that its command asks."""
    found = ScriptedKv()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    @contextmanager
    def session(*_: object) -> Iterator[Session]:
        yield found.session()

    monkeypatch.setattr(Trust, "context", lambda _: context)
    monkeypatch.setattr(persons_login, "session", session)
    monkeypatch.setattr(plans, "_COST", 2)
    monkeypatch.delenv("VAULT_ESTATE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(pake_env().encode())
    (tmp_path / "vault-estate.json").write_text(manifest(PAKE_KEYS).render())
    return found


def run(*words: str) -> int:
    """The command."""
    return main.main(["migrate", *words])


@pytest.mark.usefixtures("vault")
def test_what_is_not_mapped_is_exit_code_3_and_no_plan(tmp_path: Path, capsys: Captured) -> None:
    assert run("plan") == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("vault-estate: USE_VAULT, VAULT_URL, SECRET_KEY, DATABASE_URL, ")
    assert said.err.endswith(
        "; expected each in migration.yaml, as NAME: secret#key or NAME: stays; like a secret looks: SECRET_KEY, "
        "DATABASE_URL, REDIS_URL, FIRECRAWL_API_KEY\n"
    )
    assert "q7Z" not in said.err
    assert not (tmp_path / migrate.FOLDER).exists()


def test_plan_apply_and_status_show_no_value(vault: ScriptedKv, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "migration.yaml").write_text(PAKE_MAP)
    assert [run("plan"), run("apply"), run("apply"), run("status")] == [0, 0, 0, 0]
    said = capsys.readouterr()
    assert said.out.splitlines()[0].split() == ["variable", "place", "state", "length", "fingerprint", "looks"]
    assert said.out.splitlines()[3].split()[:4] == ["SECRET_KEY", "security#secret_key", "new", "33-64"]
    assert "security  agenticverz/security  1        written\n" in said.out
    assert "security  agenticverz/security  1        there already\n" in said.out
    assert "SECRET_KEY         agenticverz/security#secret_key  1        held\n" in said.out
    assert "q7Z" not in said.out + said.err
    assert vault.versions("security") == [{"secret_key": canary("SECRET_KEY")}]


def test_verify_redact_and_rollback(
    vault: ScriptedKv, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "migration.yaml").write_text(PAKE_MAP)
    text = (tmp_path / ".env").read_text()
    environs: list[dict[str, str]] = []

    class Application(DoubleReader):
        """Reads what is in memory."""

        def __init__(self, *, manifest: ClientManifest, environ: dict[str, str]) -> None:
            environs.append(environ)
            values = {name: vault.versions(name)[-1] for name in ("security", "database")}
            super().__init__(
                {name: Secret(one, name=name, path=name, version=1) for name, one in values.items()}
                | {"redis": PermissionDenied("denied")},
                manifest,
            )

    monkeypatch.setattr(vault_estate, "VaultClient", Application)
    monkeypatch.setenv("VAULT_TOKEN", PERSON)
    assert [run("plan"), run("apply"), run("verify"), run("redact")] == [0, 0, 1, 0]
    assert "VAULT_TOKEN" not in environs[0]
    said = capsys.readouterr().out
    assert "REDIS_URL     agenticverz/redis#url            1        denied\n" in said
    assert said.endswith("in git: no\nrotate now: none\n")
    assert [canary(name) in (tmp_path / ".env").read_text() for name in ("SECRET_KEY", "REDIS_URL")] == [False, True]
    assert run("rollback") == 0
    assert dotenv_values(stream=io.StringIO(text)) == dotenv_values(tmp_path / ".env")
    assert "q7Z" not in said + "".join(capsys.readouterr())


@pytest.mark.usefixtures("vault")
def test_for_programs_it_is_json(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "migration.yaml").write_text(PAKE_MAP)
    found: dict[str, Any] = {}
    for step in ("plan", "apply", "status"):
        assert run(step, "--json") == 0
        found[step] = json.loads(capsys.readouterr().out)
    assert found["plan"]["plan"] == str(tmp_path / migrate.FOLDER / plans.FILE)
    assert {row["variable"]: row["state"] for row in found["plan"]["rows"]}["SECRET_KEY"] == "new"
    assert found["apply"]["rows"][0] == {
        "secret": "security",
        "path": "agenticverz/security",
        "version": 1,
        "done": "written",
    }
    assert {row["stage"] for row in found["status"]["rows"]} == {"held", "stays", "empty"}


def test_scan_asks_vault_where_somebody_is_logged_in(
    vault: ScriptedKv, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "migration.yaml").write_text(PAKE_MAP)
    (tmp_path / "a.sh").write_text("echo $SECRET_KEY $FIRECRAWL_API_KEY\n")
    (tmp_path / ".env").unlink()
    vault.put("security", {"secret_key": "x"})
    monkeypatch.setenv("VAULT_TOKEN", PERSON)
    assert run("scan") == 1
    assert [line.split() for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["FIRECRAWL_API_KEY", "a.sh:1", "no", "no", "api_keys#firecrawl_api_key", "yes"],
        ["SECRET_KEY", "a.sh:1", "no", "yes", "security#secret_key", "no"],
    ]


@pytest.mark.usefixtures("vault")
def test_what_is_refused_is_one_line_and_exit_code_2(tmp_path: Path, capsys: Captured) -> None:
    assert run("apply") == 2
    (tmp_path / ".env").write_text(f"A={canary('a')}\nA=2\n")
    assert run("plan") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert [line.partition(": ")[0] for line in said.err.splitlines()] == ["vault-estate"] * 2
    assert "q7Z" not in said.err


def login(folder: Path, content: str, mode: int = 0o600) -> Path:
    """What `./estate login` keeps."""
    file = folder / "token.json"
    file.touch(mode=mode)
    file.chmod(mode)
    file.write_text(content)
    return file


def test_a_person_writes_by_a_token_or_a_kept_login(tmp_path: Path) -> None:
    known = manifest()
    kept = login(tmp_path, json.dumps({"address": ADDRESS, "token": PERSON}))
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(PERSON)
    vault = ScriptedKv()
    for environ, file in ({}, kept), ({"VAULT_TOKEN": PERSON}, None), ({"BAO_TOKEN_FILE": str(token)}, None):
        with persons_login.session(known, {"VAULT_SECRET_ID_FILE": "x", **environ}, file) as session:
            assert session.method.log_in(vault.transport()).value == PERSON
            assert PERSON not in repr(session) + repr(session.method)


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (f'{{"address": "https://other", "token": "{PERSON}"}}', 0o600, "a login of another Vault"),
        (f'{{"address": "{ADDRESS}", "token": "{PERSON}"}}', 0o640, "open to others"),
        (PERSON, 0o600, "is no login"),
    ],
)
def test_a_login_that_can_not_be_used_is_refused(content: str, mode: int, words: str, tmp_path: Path) -> None:
    file = login(tmp_path, content, mode)
    with pytest.raises(ConfigurationError, match=words) as caught, persons_login.session(manifest(), {}, file):
        pass
    assert PERSON not in str(caught.value)


def test_the_applications_own_login_does_not_write() -> None:
    environ = {"VAULT_SECRET_ID_FILE": "secret-id"}
    with pytest.raises(ConfigurationError, match=r"^nobody is logged in"), persons_login.session(manifest(), environ):
        pass


def test_a_script_of_that_name_plans_and_applies_and_takes_nothing_out(
    vault: ScriptedKv, tmp_path: Path, capsys: Captured
) -> None:
    text = (tmp_path / ".env").read_bytes()
    assert migrate_secrets_to_vault.main([]) == 3, "nothing is guessed"
    assert not vault.versions("security")
    (tmp_path / "mine.yaml").write_text(PAKE_MAP)
    assert migrate_secrets_to_vault.main(["--map", "mine.yaml"]) == 0
    assert vault.versions("security") == [{"secret_key": canary("SECRET_KEY")}]
    assert (tmp_path / ".env").read_bytes() == text
    said = capsys.readouterr()
    assert said.err.endswith(".env is as it was; expected next: vault-estate migrate verify, redact\n")
    assert "q7Z" not in said.out + said.err
    vault.sealed = True
    assert migrate_secrets_to_vault.main(["--map=mine.yaml"]) == 2
    assert "Vault is sealed" in capsys.readouterr().err
