"""`vault-estate rotate` and `rotate_secret.sh`: words, tables, exit codes, and no value on them. Vault is in memory."""

import io
import json
import os
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from ops.paths import ROOT
from tests.support.migrating import MOUNT, PERSON
from tests.support.rotating import EVERY, KEY, Rotating, in_one_thread, rotated_manifest
from vault_estate import origins
from vault_estate.cli import main, rotate
from vault_estate.manifest import ClientManifest
from vault_estate.models import ROTATION_NOTE
from vault_estate.rotation import schedule
from vault_estate.rotation.record import RotationNote
from vault_estate.session import Session
from vault_estate.tls import Trust

Captured = pytest.CaptureFixture[str]
CANARY = "q7Zq7Z"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rotating:
    """An application's folder, and a Vault that its command asks."""
    found = Rotating(by="random")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    @contextmanager
    def session(*_: object) -> Iterator[Session]:
        yield found.vault.session()

    monkeypatch.setattr(Trust, "context", lambda _: context)
    in_one_thread(monkeypatch)
    monkeypatch.setattr(rotate, "session", session)
    monkeypatch.delenv("VAULT_ESTATE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vault-estate.json").write_text(found.manifest().render())
    return found


def run(*words: str) -> int:
    """The command."""
    return main.main(["rotate", *words])


def test_a_secret_is_rotated_and_told_without_its_value(here: Rotating, capsys: Captured) -> None:
    assert run("external-apis") == 0
    said = capsys.readouterr()
    head, row = said.out.splitlines()
    assert head.split("  ")[0] == "secret"
    assert row.split()[:4] == ["external-apis", KEY, "2", "idle"]
    assert here.present not in said.out + said.err


def test_what_is_due_is_rotated(here: Rotating, capsys: Captured) -> None:
    assert run("--due", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"rows": []}
    here.vault.clock.advance(EVERY)
    assert run("--due", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["secret"], row["keys"], row["version"], row["phase"]) == ("external-apis", [KEY], 2, "idle")
    here.vault.clock.advance(EVERY)
    here.vault.denied.add(f"GET {MOUNT}/data/external-apis")
    assert run("--due") == 1
    assert "permission denied" in capsys.readouterr().out


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "closed"])
def test_what_a_program_prints_is_not_where_the_document_is(
    is_open: bool, here: Rotating, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """By itself and by a process that it starts; also where standard error is closed."""
    found = SimpleNamespace(name="anthropic", load=lambda: lambda: here.provider)
    monkeypatch.setattr("vault_estate.rotation.rotator.entry_points", lambda group: [found] if group else [])
    (tmp_path / "vault-estate.json").write_text(rotated_manifest(by="hook:anthropic").render())

    def chatter(_: str) -> None:
        print("printed")
        os.write(1, b"written\n")
        subprocess.run(["echo", "started"], check=True)

    here.provider.before = chatter
    kept = os.dup(2)
    try:
        if not is_open:
            os.close(2)
        assert run("external-apis", "--json") == 0
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    print("after it")
    said = capfd.readouterr()
    document, after = said.out.splitlines()
    assert json.loads(document)["rows"][0]["phase"] == "grace"
    assert after == "after it"
    if is_open:
        assert [said.err.count(one) for one in ("printed", "written", "started")] == [3, 3, 3]


def test_a_value_comes_by_standard_input(here: Rotating, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"brought-q7Zq7Z\n")))
    assert run("external-apis", "OTHER", "--value-stdin") == 0
    assert here.vault.versions("external-apis")[-1]["OTHER"] == "brought-q7Zq7Z"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff-q7Zq7Z")))
    assert run("external-apis", "OTHER", "--value-stdin") == 2
    said = capsys.readouterr()
    assert CANARY not in said.out + said.err
    assert said.err == "vault-estate: the value is no text in UTF-8; expected base64 for anything else\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "0 things are to be rotated; expected one of NAME, status"),
        (("external-apis", "--due"), "2 things are to be rotated"),
        (("--due", "--now"), "--value-stdin, --now or --abandon is given without NAME"),
        (("external-apis", "--value-stdin"), "--value-stdin is given with 0 KEYs; expected one"),
        (("external-apis", KEY, "--abandon"), "--abandon is given with more than NAME"),
        (("external-apis", "--by-hand"), "--by-hand is given without --abandon; expected both"),
        (("external-apis", "--textfile", "x"), "--textfile is given without status"),
        (("external-apis", CANARY), "KEY is none of external-apis's; expected one of"),
        (("--static-role", CANARY), "--static-role names none; expected one of: none is"),
        (("--database-root", "main"), "--database-root is given; expected an application with databases: aos"),
        (("external-apis", "--abandon"), "secret external-apis has no run that is not at its end"),
    ],
    ids=["none", "two", "now", "value", "abandon", "by-hand", "textfile", "key", "static-role", "root", "no-run"],
)
@pytest.mark.usefixtures("here")
def test_what_is_refused_is_one_line_and_exit_code_2(words: tuple[str, ...], said: str, capsys: Captured) -> None:
    assert run(*words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"vault-estate: {said}")
    assert told.err.count("\n") == 1
    assert CANARY not in told.err


def test_status_and_schedule_are_reckoned_from_vault(here: Rotating, tmp_path: Path, capsys: Captured) -> None:
    assert run("status", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["state"], row["by"], row["due"]) == ("waiting", "random", "2026-09-22T14:30:00Z")
    here.vault.clock.advance(EVERY)
    assert run("schedule") == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["2026-09-22T14:30:00Z", "external-apis", KEY, "86400"]
    here.vault.clock.advance(EVERY // 10 + 1)
    file = tmp_path / "rotation.prom"
    assert run("status", "--textfile", str(file)) == 1
    said = capsys.readouterr().out
    assert " overdue" in said
    assert here.present not in said
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    assert lines == [
        'vault_estate_rotation_due_timestamp_seconds{application="aos"} 1790087400',
        'vault_estate_rotation_last_success_timestamp_seconds{application="aos"} 0',
        'vault_estate_rotation_overdue{application="aos"} 1',
        'vault_estate_rotation_failed{application="aos"} 0',
    ]
    assert [one.name for one in tmp_path.iterdir() if one.name.endswith(".new")] == []
    assert run("external-apis") == 0
    assert run("status", "--textfile", str(file)) == 0
    assert " waiting" in capsys.readouterr().out


@pytest.mark.parametrize("file", ["absent/x.prom", ".", "/"], ids=["absent", "folder", "root"])
@pytest.mark.usefixtures("here")
def test_a_textfile_that_cannot_be_written_is_named_as_it_was_given(file: str, capsys: Captured) -> None:
    assert run("status", "--textfile", file) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"vault-estate: --textfile is {file!r}, which can't be written (")


def test_a_transit_key_is_rotated(here: Rotating, capsys: Captured) -> None:
    assert run("--transit", "main") == 2
    assert capsys.readouterr().err.startswith("vault-estate: transit/keys/main/rotate: ")
    assert here.vault.asked[-1] == "POST transit/keys/main/rotate"
    assert run("--transit", "nope") == 2


def test_database_users_whose_passwords_vault_keeps(here: Rotating, tmp_path: Path, capsys: Captured) -> None:
    server = {"host": "db.internal", "port": 5432, "database": "app", "ssl_mode": "verify-full"}
    legacy = {**server, "username": "shop", "rotation_period_seconds": 43_200}
    document = json.loads(here.manifest().render())
    document["database"] = {"mount": "database", "roles": {}, "static_roles": {"legacy": legacy}}
    (tmp_path / "vault-estate.json").write_text(json.dumps(document))
    assert run("--static-role", "legacy") == 0
    assert capsys.readouterr().out.splitlines()[1] == "static role  legacy  a new password of shop"
    assert run("--database-root", "main", "--json") == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["engine"] == "database root"
    asked = [one for one in here.vault.asked if one.startswith("POST database/")]
    assert asked == ["POST database/rotate-role/legacy", "POST database/rotate-root/main"]


def _state(metadata: dict[str, object], now: int = 2_000_000_000) -> schedule.ScheduledSecret:
    policy = rotated_manifest().secrets["external-apis"].rotation
    assert policy is not None
    return schedule.scheduled("external-apis", policy, metadata, now)


def _metadata(note: RotationNote, created: str = "2033-05-17T00:00:00Z") -> dict[str, object]:
    return {"current_version": 3, "created_time": created, "custom_metadata": {ROTATION_NOTE: note.render()}}


@pytest.mark.parametrize(
    ("note", "state", "is_waiting", "is_well"),
    [
        (RotationNote(rotated_at=1_999_990_000), "waiting", True, True),
        (RotationNote(rotated_at=1_999_913_600), "due", False, True),
        (RotationNote(rotated_at=1_999_900_000), "overdue", False, False),
        (RotationNote(rotated_at=1_999_999_900, phase="grace", grace_until=2_000_000_500), "in grace", True, True),
        (RotationNote(rotated_at=1_999_999_000, phase="grace", grace_until=1_999_999_600), "in grace", False, True),
        (RotationNote(rotated_at=1_999_990_000, phase="pending", begun_at=1_999_999_000), "unfinished", False, True),
        (RotationNote(error="VaultTimeout", failures=1, next_try_at=2_000_000_300), "failed", True, False),
        (RotationNote(error="VaultTimeout", failures=1, next_try_at=1_999_999_000), "failed", False, False),
    ],
    ids=["waiting", "due", "overdue", "in-grace", "grace-over", "unfinished", "failed", "failed-again"],
)
def test_states(note: RotationNote, state: str, *, is_waiting: bool, is_well: bool) -> None:
    found = _state(_metadata(note))
    assert (found.state, found.is_waiting, found.is_well) == (state, is_waiting, is_well)


def test_a_secret_without_a_value_is_missing_and_waits() -> None:
    found = _state({})
    assert (found.state, found.is_waiting, found.is_well, found.is_due) == ("missing", True, True, False)


def test_a_value_that_a_person_gave_counts_as_new() -> None:
    by_ada = "given 2033-05-18T03:00:00Z version 3 by ada"
    metadata = _metadata(RotationNote(rotated_at=1_999_900_000))
    custom = metadata["custom_metadata"]
    assert isinstance(custom, dict)
    custom |= {KEY: by_ada, origins.WRITERS: "3 ada"}
    assert _state(metadata).state == "waiting"


def test_a_note_that_can_not_be_read_counts_as_none() -> None:
    metadata = {"current_version": 1, "created_time": "2033-05-18T00:00:00Z", "custom_metadata": {ROTATION_NOTE: "{"}}
    assert _state(metadata).state == "waiting"


def test_who_rotates_is_a_person_or_the_documents_own_login(
    here: Rotating, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(Trust, "context", lambda _: context)
    for name in ("VAULT_TOKEN", "BAO_TOKEN", "VAULT_SECRET_ID", "VAULT_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    secret_id = tmp_path / "secret-id"
    secret_id.touch(mode=0o600)
    secret_id.write_text("fake-secret-id")
    known: ClientManifest = here.manifest()
    monkeypatch.setenv("VAULT_SECRET_ID_FILE", str(secret_id))
    with rotate.session(known, None) as own:
        assert own.method.kind == "approle"
    monkeypatch.setenv("VAULT_TOKEN", PERSON)
    with rotate.session(known, None) as persons:
        assert persons.method.kind == "token"


# --- rotate_secret.sh, with a command that stands for ours

_STAND_IN = """#!/bin/sh
echo "words: $*"
case "$*" in *--value-stdin*) echo "read: $(cat)" ;; esac
exit "${ENDS:-0}"
"""


def shim(tmp_path: Path, *words: str, ends: int = 0) -> subprocess.CompletedProcess[str]:
    """It, in a shell that traces."""
    command = tmp_path / "command"
    command.write_text(_STAND_IN)
    command.chmod(0o755)
    return subprocess.run(
        ["sh", "-x", str(ROOT / "vault_estate/cli/rotate_secret.sh"), *words],
        env={"PATH": os.environ["PATH"], "VAULT_ESTATE": str(command), "ENDS": str(ends)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_value_is_made_and_verified(tmp_path: Path) -> None:
    done = shim(tmp_path, "app-prod", "TOKEN")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "words: rotate app-prod TOKEN\nVault verification: PASS\n"


def test_a_value_among_the_words_is_warned_of_and_handed_on_by_standard_input(tmp_path: Path) -> None:
    done = shim(tmp_path, "app-prod", "TOKEN", "a $b 'c'")
    assert done.stdout.splitlines()[:2] == ["words: rotate app-prod TOKEN --value-stdin", "read: a $b 'c'"]
    assert done.stderr.startswith("rotate_secret.sh: warning: every process of this machine could read VALUE")
    assert "expected it by standard input: vault-estate rotate app-prod TOKEN --value-stdin" in done.stderr
    assert "'c'" not in done.stderr


def test_what_fails_is_not_verified(tmp_path: Path) -> None:
    assert (shim(tmp_path, "app-prod", "TOKEN", ends=2).returncode) == 2
    assert "PASS" not in shim(tmp_path, "app-prod", "TOKEN", ends=2).stdout
    wrong = shim(tmp_path, "app-prod")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("rotate_secret.sh: 1 words are given; expected NAME KEY")


def test_a_run_for_another_value_of_the_secret_puts_nothing_off() -> None:
    metadata = _metadata(RotationNote(rotated_at=1_999_999_900))
    custom = metadata["custom_metadata"]
    assert isinstance(custom, dict)
    custom |= {KEY: "generated 2033-05-16T03:00:00Z version 2 by rotator", origins.WRITERS: "2 rotator, 3 ada"}
    assert _state(metadata).state == "overdue"
