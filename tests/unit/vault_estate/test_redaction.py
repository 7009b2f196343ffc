"""Verify, redact and rollback, in memory: only what the application reads is taken out, and it comes back as it was.

Not proven: an application's own login (`tests/live/vault_estate/test_migration.py`).
"""

import os
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from dotenv import dotenv_values

from tests.support.migrating import MOUNT, EndingJournal, Ends, Killed, Move, ScriptedKv, aos_env, canary, manifest
from vault_estate.errors import ConfigurationError, MigrationError, PermissionDenied, SecretNotFound, VaultUnavailable
from vault_estate.migration import dotenv_file, files, journal, plans, redacting, status, verifying
from vault_estate.migration.redacting import Redaction
from vault_estate.models import Secret
from vault_estate.tls import Trust


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """A digest is slow on purpose, and who vouches for a server that isn't there takes long to be read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(plans, "_COST", 2)
    monkeypatch.setattr(Trust, "context", lambda _: context)


@pytest.fixture
def aos(tmp_path: Path) -> Move:
    """AOS's, when everything is in Vault."""
    (tmp_path / ".env").write_text(aos_env() + "\n\nAOS_PORT=8000\n")
    (tmp_path / "migration.yaml").write_text("AOS_PORT: stays\n")
    move = Move(vault=ScriptedKv(), folder=tmp_path, known=manifest(), map_file=tmp_path / "migration.yaml")
    move.plan()
    move.apply()
    return move


def reader(move: Move) -> Callable[[str], Secret]:
    """The application, which may read all but what is denied."""

    def read(name: str) -> Secret:
        path = f"{MOUNT}/{name}"
        if path in move.vault.denied:
            raise PermissionDenied(f"{path}: denied")
        if not move.vault.versions(name):
            raise SecretNotFound(f"{path}: none")
        versions = move.vault.versions(name)
        return Secret(versions[-1], name=name, path=path, version=len(versions))

    return read


def verify(move: Move) -> dict[str, str]:
    """Verdicts by variable."""
    with move.journal() as lines:
        found = verifying.verify(dotenv_file.load(move.env), lines, reader(move))
    return {one.name: one.verdict for one in found}


def redact(move: Move) -> Redaction:
    """As the command does."""
    with move.journal() as lines:
        return redacting.redact(dotenv_file.load(move.env), lines)


def rebuild(move: Move) -> list[str]:
    """As the command does."""
    with move.journal() as lines:
        return list(redacting.rebuild(dotenv_file.load(move.env), lines, move.known, move.vault.session()))


def stages(move: Move) -> set[str]:
    """Of all variables but the one that stays."""
    found = status.look(plans.load(move.own), journal.load(move.own))
    return {one.stage for one in found if one.name != "AOS_PORT"}


def test_what_the_application_reads_is_taken_out_and_comes_back(aos: Move) -> None:
    before = dotenv_values(aos.env)
    aos.env.chmod(0o640)
    assert set(verify(aos).values()) == {"verified"}
    assert stages(aos) == {"verified"}
    assert sorted(redact(aos).variables) == sorted(set(before) - {"AOS_PORT"})
    assert stages(aos) == {"redacted"}
    text = aos.env.read_text()
    assert text.startswith(
        f"# AOS backend\n\n# AOS_API_KEY -> vault {MOUNT}/app-prod#AOS_API_KEY v1\n"
        f"# export MACHINE_SECRET_TOKEN -> vault {MOUNT}/app-prod#MACHINE_SECRET_TOKEN v1\n"
    )
    assert text.endswith("\n\nAOS_PORT=8000\n")
    assert "q7Z" not in text
    assert dotenv_values(aos.env) == {"AOS_PORT": "8000"}
    assert aos.env.stat().st_mode & 0o777 == 0o640
    example = (aos.folder / ".env.example").read_text()
    assert f"# DATABASE_URL -> vault {MOUNT}/database#DATABASE_URL\n" in example
    assert example.endswith("AOS_PORT=\n")

    assert len(rebuild(aos)) == len(before) - 1
    assert stages(aos) == {"rebuilt"}
    assert dotenv_values(aos.env) == before
    assert "\nexport MACHINE_SECRET_TOKEN='" in aos.env.read_text()
    assert aos.env.stat().st_mode & 0o777 == 0o640
    assert set(verify(aos).values()) == {"verified"}


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (lambda vault: vault.denied.add(f"{MOUNT}/external-apis"), "denied"),
        (lambda vault: vault.kv.pop(f"{MOUNT}/external-apis"), "missing"),
        (lambda vault: vault.versions("external-apis")[0].clear(), "missing"),
        (lambda vault: vault.versions("external-apis")[0].update(ANTHROPIC_API_KEY="other"), "differs"),
        (lambda vault: vault.put("external-apis", vault.versions("external-apis")[0]), "newer"),
    ],
)
def test_what_the_application_does_not_read_stays(
    change: Callable[[ScriptedKv], object], verdict: str, aos: Move
) -> None:
    change(aos.vault)
    found = verify(aos)
    assert found["ANTHROPIC_API_KEY"] == verdict
    assert set(found.values()) == {"verified", verdict}
    redact(aos)
    assert dotenv_values(aos.env) == {
        "ANTHROPIC_API_KEY": canary("ANTHROPIC_API_KEY"),
        "AOS_PORT": "8000",
    }


def test_nothing_is_taken_out_that_was_not_verified_as_it_is(aos: Move) -> None:
    with pytest.raises(ConfigurationError, match="expected vault-estate migrate verify first"):
        redact(aos)
    verify(aos)
    text = aos.env.read_text()
    aos.env.write_text(text.replace(canary("DATABASE_URL"), "another"))
    with pytest.raises(ConfigurationError, match="expected vault-estate migrate verify again"):
        redact(aos)
    aos.env.write_text(text)
    aos.vault.put("app-prod", {**aos.vault.versions("app-prod")[0], "OTHER": "x"})
    aos.plan()
    aos.apply()
    with pytest.raises(ConfigurationError, match="expected vault-estate migrate verify again"):
        redact(aos)
    assert "q7Z" in aos.env.read_text()
    assert not (aos.folder / ".env.example").exists()


def test_verifying_needs_something_that_was_applied(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\n")
    move = Move(vault=ScriptedKv(), folder=tmp_path, known=manifest())
    with pytest.raises(ConfigurationError, match="expected vault-estate migrate apply first"):
        verify(move)


@pytest.mark.parametrize("replaced", [0, 1, 2])
def test_redaction_is_ended_anywhere_and_run_again(replaced: int, aos: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    verify(aos)
    real = files.replace
    done: list[Path] = []

    def ending(path: Path, *given: object, **more: object) -> None:
        if len(done) == replaced:
            raise Killed
        real(path, *given, **more)  # type: ignore[arg-type]
        done.append(path)

    with monkeypatch.context() as patch:
        patch.setattr(files, "replace", ending)
        EndingJournal.ends = Ends(1)
        with pytest.raises(Killed):
            redact(aos)
        EndingJournal.ends = Ends()
    assert len(redact(aos).variables) == 11
    assert stages(aos) == {"redacted"}
    assert dotenv_values(aos.env) == {"AOS_PORT": "8000"}
    assert (aos.folder / ".env.example").read_text().count("AOS_API_KEY") == 2


def test_a_file_that_can_not_be_replaced_is_as_it_was(aos: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    verify(aos)
    before = aos.env.read_bytes()

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refused)
        with pytest.raises(PermissionError) as caught:
            redact(aos)
    assert caught.value.filename == str(aos.folder / ".env.example")
    assert aos.env.read_bytes() == before
    assert sorted(one.name for one in aos.folder.iterdir()) == [".env", "migration", "migration.yaml"]


def test_what_a_killed_run_left_beside_the_file_is_gone_with_the_next(aos: Move) -> None:
    verify(aos)
    beside = aos.folder / ".env.migrating"
    beside.write_text(canary("left"))
    redact(aos)
    assert not beside.exists()
    assert "q7Z" not in aos.env.read_text()


def test_an_example_that_is_there_keeps_the_rest(aos: Move) -> None:
    example = aos.folder / ".env.example"
    example.write_text("# How to start\nAOS_API_KEY=ask-ops\nAOS_PORT=8000\nDEBUG=1")
    example.chmod(0o664)
    verify(aos)
    redact(aos)
    lines = example.read_text().splitlines()
    assert lines[:4] == [
        "# How to start",
        f"# AOS_API_KEY -> vault {MOUNT}/app-prod#AOS_API_KEY",
        "AOS_PORT=8000",
        "DEBUG=1",
    ]
    assert len(lines) == 4 + 10
    assert example.stat().st_mode & 0o777 == 0o664


def git(folder: Path, *words: str) -> None:
    """Git, as nobody in particular."""
    identity = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com"}
    committer = {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.com"}
    environment = {**os.environ, **identity, **committer}
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, env=environment)


def test_what_git_has_ever_had_is_to_be_rotated(aos: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    verify(aos)
    assert redacting.in_git(aos.env) == "no"
    git(aos.folder, "init", "-q")
    assert redacting.in_git(aos.env) == "no"
    git(aos.folder, "add", "-f", ".env")
    git(aos.folder, "commit", "-qm", "by mistake")
    git(aos.folder, "rm", "-q", "--cached", ".env")
    git(aos.folder, "commit", "-qm", "Remove it")
    done = redact(aos)
    assert done.in_git == "yes"
    assert done.rotate_now == done.variables
    monkeypatch.setenv("PATH", "/nowhere")
    assert redacting.in_git(aos.env) == "unknown"


def test_a_value_that_is_not_what_was_written_stays_out(aos: Move) -> None:
    verify(aos)
    redact(aos)
    before = aos.env.read_bytes()
    aos.vault.versions("database")[0]["POSTGRES_USER"] = "another"
    with pytest.raises(MigrationError, match="does not hold in version 1 what was written"):
        rebuild(aos)
    aos.env.write_text("# A -> vault agenticverz/elsewhere#A v1\n")
    with pytest.raises(MigrationError, match="which is not in"):
        rebuild(aos)
    aos.env.write_bytes(before)
    aos.vault.sealed = True
    with pytest.raises(VaultUnavailable):
        rebuild(aos)
    assert aos.env.read_bytes() == before
