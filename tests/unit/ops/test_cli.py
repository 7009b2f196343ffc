"""The command line: exit codes, one line for what went wrong, tables or JSON. What acts is replaced by fakes."""

import json
import subprocess
from pathlib import Path

import pytest

from ops.cli import main
from ops.commands.doctor import Finding
from ops.commands.lifecycle import Built
from ops.commands.session import Choices
from ops.engine.listening import Changes, Kept
from ops.platforms.driver import Status, Table
from ops.vault.access_checks import AccessChecks, CheckResult
from ops.vault.checks.outcome import NOT_GRANTED, PASSED, CheckOutcome, CheckStatus
from ops.vault.secret_ids import WrappedSecretId
from ops.vault.values import Value, ValueOrigin
from tests.unit.ops.fakes import asked_of

Captured = pytest.CaptureFixture[str]
URN = "urn:pulumi:local::vault-estate::vault-estate:index:KvMount$vault:index/mount:Mount::kv-secret-mount"


pytestmark = pytest.mark.usefixtures("command_line")


ORIGINS: dict[str, ValueOrigin] = {"AOS_API_KEY": "generated", "OIDC_CLIENT_SECRET": "missing"}
VALUES = [
    Value(application="aos", secret="app-prod", key=key, origin=origin, note=None) for key, origin in ORIGINS.items()
]


def _built(results: list[CheckResult]) -> Built:
    return Built(
        stack="local",
        changes=Changes(counts={"create": 2, "same": 3}, warnings=("look here",)),
        adopted=1,
        exports={"address": "https://127.0.0.1:8200", "root_certificate": "-----BEGIN\nCERTIFICATE"},
        checks=AccessChecks(results=results, seeded=4, values=VALUES),
        providers="asked for with --sandbox",
    )


def test_up_tells_what_was_built_and_checked(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    asked = asked_of(monkeypatch, "ops.cli.main.lifecycle.up", _built([]))

    assert main.main(["up"]) == 0

    said = capsys.readouterr()
    assert "2 changes (2 create, 3 unchanged)" in said.out
    assert "address: https://127.0.0.1:8200\n" in said.out
    assert "CERTIFICATE" not in said.out
    (row,) = [line.split() for line in said.out.splitlines() if "app-prod" in line]
    assert row == ["aos", "app-prod", "OIDC_CLIENT_SECRET"]
    assert "values: 1 generated, 0 given, 1 missing\n" in said.out
    assert "access checks (✓ passed, - not granted, ? can't be checked)" in said.out
    assert said.err == "warning: look here\n"
    _, stack, _, choices = asked[0]
    assert (stack, choices) == ("local", Choices(sandbox=False, policies=True))


def test_up_as_json_is_one_document(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    asked = asked_of(monkeypatch, "ops.cli.main.lifecycle.up", _built([]))

    assert main.main(["up", "staging", "--sandbox", "--no-policies", "--replace", "a", "--replace=b", "--json"]) == 0

    said = json.loads(capsys.readouterr().out)
    assert said == {
        "stack": "local",
        "changes": {"create": 2, "same": 3},
        "changed": 2,
        "adopted": 1,
        "fake_providers": "asked for with --sandbox",
        "replaced": [],
        "warnings": [],
        "exports": {"address": "https://127.0.0.1:8200", "root_certificate": "-----BEGIN\nCERTIFICATE"},
        "access_checks": {},
        "values": {"aos": {"app-prod": {"AOS_API_KEY": "generated", "OIDC_CLIENT_SECRET": "missing"}}},
        "passed": True,
    }
    _, stack, console, choices = asked[0]
    assert (stack, choices) == ("staging", Choices(sandbox=True, policies=False, replace=("a", "b")))
    assert console.as_json


UNKNOWN = CheckOutcome(CheckStatus.NOT_CHECKED, "it logs in elsewhere")
RESULTS = [
    CheckResult(application="aos", login=PASSED, secret=PASSED, denied=PASSED, encryption=PASSED, revoked=PASSED),
    CheckResult(
        application="dagster", login=PASSED, database=CheckOutcome(CheckStatus.FAILED, "no route"), revoked=PASSED
    ),
    CheckResult(application="pod", login=UNKNOWN, secret=UNKNOWN, revoked=UNKNOWN),
]


def test_an_application_that_does_not_get_its_due_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    asked_of(monkeypatch, "ops.cli.main.lifecycle.up", _built(RESULTS))

    assert main.main(["up"]) == 2

    said = capsys.readouterr()
    lines = [line.split() for line in said.out.splitlines()]
    assert ["application", "login", "secret", "denied", "db", "crypto", "cert", "revoked"] in lines
    assert ["aos", "✓", "✓", "✓", "-", "✓", "-", "✓"] in lines
    assert ["dagster", "✓", "-", "-", "failed", "-", "-", "✓"] in lines
    assert ["pod", "?", "?", "-", "-", "-", "-", "?"] in lines
    assert "dagster, database: failed: no route\n" in said.out
    assert "pod, login, secret, revoked: not checked: it logs in elsewhere\n" in said.out
    assert said.err.splitlines()[-1] == (
        "estate: the estate is built, but checks failed; expected each application to get its grants"
    )


def test_what_cant_be_checked_is_told_and_fails_nothing(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    asked_of(monkeypatch, "ops.cli.main.lifecycle.up", _built([RESULTS[0], RESULTS[2]]))

    assert main.main(["up", "--json"]) == 0

    said = json.loads(capsys.readouterr().out)
    unknown = "not checked: it logs in elsewhere"
    assert said["passed"] is True
    assert said["access_checks"]["pod"] == {
        "login": unknown,
        "secret": unknown,
        "denied": "not granted",
        "database": "not granted",
        "encryption": "not granted",
        "certificate": "not granted",
        "revoked": unknown,
    }
    assert set(said["access_checks"]["aos"].values()) == {"passed", str(NOT_GRANTED)}


def test_preview_lists_what_would_change(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    changes = Changes(counts={"create": 1}, resources=(("create", URN),))
    asked_of(monkeypatch, "ops.cli.main.lifecycle.preview", (changes, ""))

    assert main.main(["preview"]) == 0
    text = capsys.readouterr().out
    assert ["create", "vault:index/mount:Mount", "kv-secret-mount"] in [line.split() for line in text.splitlines()]
    assert text.endswith("1 change (1 create, 0 unchanged)\n")

    assert main.main(["preview", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "stack": "local",
        "changes": {"create": 1},
        "changed": 1,
        "resources": [{"change": "create", "urn": URN}],
        "fake_providers": "",
    }


def test_down_tells_what_is_gone(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    kept = (Kept(kind="a bucket", identity="snapshots"), Kept(kind="a key", identity="0123", days=30))
    asked = asked_of(monkeypatch, "ops.cli.main.lifecycle.down", Changes(counts={"delete": 9}, kept=kept))

    assert main.main(["down", "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == {
        "stack": "local",
        "changes": {"delete": 9},
        "changed": 9,
        "kept": [{"kind": "a bucket", "id": "snapshots", "days": None}, {"kind": "a key", "id": "0123", "days": 30}],
    }
    assert asked[0][3] == Choices(sandbox=False, policies=False)

    assert main.main(["down"]) == 0
    told = capsys.readouterr().out
    assert "what stays" in told
    assert "30 days, or until its deletion is cancelled" in told
    assert main.main(["down", "--sandbox"]) == 0
    assert "nothing of a sandbox stays; an account would keep" in capsys.readouterr().out


def test_down_of_what_leaves_nothing_tells_no_table(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    asked_of(monkeypatch, "ops.cli.main.lifecycle.down", Changes(counts={"delete": 9}))

    assert main.main(["down"]) == 0

    assert capsys.readouterr().out == "9 changes (9 delete, 0 unchanged)\n"


def test_status_tells_what_runs(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    table = Table(title="stack local", columns=("server", "state"), rows=[["OpenBao", "running"]])
    found = Status(document={"sealed": False}, tables=[table], sentence="OpenBao is unsealed")
    asked_of(monkeypatch, "ops.cli.status.lifecycle.status", found)

    assert main.main(["status"]) == 0
    text = capsys.readouterr().out
    assert ["OpenBao", "running"] in [line.split() for line in text.splitlines()]
    assert text.endswith("OpenBao is unsealed\n")

    assert main.main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"stack": "local", "sealed": False}


def test_a_vault_that_is_not_well_fails_the_command(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    asked_of(monkeypatch, "ops.cli.status.lifecycle.status", Status(document={}, trouble="it does not answer"))

    assert main.main(["status", "dev", "--json"]) == 2
    said = capsys.readouterr()
    assert json.loads(said.out) == {"stack": "dev", "error": "it does not answer"}
    assert said.err == "estate: it does not answer\n"


def test_doctor_tells_what_was_taken_and_why(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    found = [Finding(subject="engine", taken="Pulumi 9.9.9, PATH", reason="/opt/pulumi")]
    asked_of(monkeypatch, "ops.cli.main.examine", found)

    assert main.main(["doctor"]) == 0
    assert "Pulumi 9.9.9, PATH" in capsys.readouterr().out
    assert main.main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"engine": {"taken": "Pulumi 9.9.9, PATH", "why": "/opt/pulumi"}}


def test_a_secret_id_comes_wrapped(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    token = "-".join(("wrapping", "token"))
    issued = WrappedSecretId(
        wrapping_token=token,
        role_id="r1",
        accessor="a1",
        ttl_seconds=300,
        creation_path="auth/approle/role/aos/secret-id",
    )
    asked = asked_of(monkeypatch, "ops.cli.main.lifecycle.secret_id", issued)

    assert main.main(["secret-id", "aos", "--wrap-ttl", "10m"]) == 0
    assert capsys.readouterr().out == (
        f"role id: r1\nwrapping token: {token}\ngood for 300 s and one use; it must have been made at "
        "auth/approle/role/aos/secret-id\n"
    )
    assert asked[0][1:4] == ("local", "aos", "10m")
    assert main.main(["secret-id", "aos", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "role_id": "r1",
        "wrapping_token": token,
        "accessor": "a1",
        "ttl_seconds": 300,
        "creation_path": "auth/approle/role/aos/secret-id",
    }


def test_a_secret_id_that_is_installed_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, tmp_path: Path
) -> None:
    token = "-".join(("wrapping", "token"))
    issued = WrappedSecretId(wrapping_token=token, role_id="r1", accessor="a1", ttl_seconds=300, creation_path="p")
    asked_of(monkeypatch, "ops.cli.main.lifecycle.secret_id", issued)

    assert main.main(["secret-id", "aos", "--install", str(tmp_path), "--user", "aos"]) == 0
    said = capsys.readouterr().out
    assert said == f"{tmp_path}: take it to the application's machine within 300 s, and run there\nsudo sh install.sh\n"
    assert main.main(["secret-id", "aos", "--install", str(tmp_path), "--user", "aos", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"role_id": "r1", "ttl_seconds": 300, "folder": str(tmp_path)}


@pytest.mark.parametrize("given", [["--install", "there"], ["--user", "aos"]])
def test_an_install_without_its_user_is_refused(given: list[str], capsys: Captured) -> None:
    assert main.main(["secret-id", "aos", *given]) == 2
    assert "--install and --user go together; expected both, or neither" in capsys.readouterr().err


def test_env_can_be_evaluated_by_a_shell(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    asked_of(
        monkeypatch,
        "ops.cli.main.lifecycle.variables",
        {"PATH": "/my shims:/usr/bin", "PULUMI_BACKEND_URL": "file:///s"},
    )

    assert main.main(["env"]) == 0

    text = capsys.readouterr().out
    assert text == "export PATH='/my shims:/usr/bin'\nexport PULUMI_BACKEND_URL=file:///s\n"
    shell = subprocess.run(["sh", "-c", f'{text}echo "$PATH"'], check=True, capture_output=True, text=True)
    assert shell.stdout == "/my shims:/usr/bin\n"
