"""The local stack from nothing to nothing, by the operator's own commands and the real engine.

Proves what the founding issue promises of it, except what `tests/live` proves of the server alone. Not proven: the
official plugin, which these commands use where it can be had.
"""

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import hvac
import psutil
import pytest

from ops.commands import session
from ops.commands.session import Choices
from ops.console import Console
from ops.paths import ROOT
from tests.support.access_checks import amiss
from tests.support.checkouts import Checkout
from tests.support.limits import retry_after
from vault_estate import manifest


def up(checkout: Checkout, *options: str) -> dict[str, Any]:
    """One successful `up`, as its JSON document."""
    answer = checkout.run("up", "--json", *options)
    assert answer.returncode == 0, answer.stderr
    document: dict[str, Any] = json.loads(answer.stdout)
    return document


def export(checkout: Checkout) -> str:
    """The stack's state as `pulumi stack export` prints it, secrets encrypted."""
    with session.opened(checkout.local, Console(as_json=True), "preview", Choices()) as opened:
        return json.dumps(opened.run.deployment())


@pytest.fixture(scope="module")
def first(local_checkout: Checkout) -> Mapping[str, Any]:
    """What the first `up` of the copy said."""
    return up(local_checkout)


def test_the_first_up_builds_everything_and_checks_every_application(first: Mapping[str, Any]) -> None:
    assert first["changes"].keys() == {"create"}
    assert first["passed"] is True
    assert set(first["access_checks"]) == {
        "bike-data-flow",
        "dagster",
        "greenlang-api",
        "greenlang-agents",
        "greenlang-jobs",
        "pake-system",
        "aos",
    }
    assert amiss(first["access_checks"]) == {}


def test_the_first_up_gives_what_the_estate_may_choose_and_lists_the_rest(first: Mapping[str, Any]) -> None:
    assert first["values"]["aos"]["app-prod"] == {
        "AOS_API_KEY": "generated",
        "MACHINE_SECRET_TOKEN": "generated",
        "OIDC_CLIENT_SECRET": "missing",
    }
    found = [origin for secrets in first["values"].values() for keys in secrets.values() for origin in keys.values()]
    assert (found.count("generated"), found.count("missing")) == (7, 24)


@pytest.mark.usefixtures("first")
def test_the_committed_stack_file_is_left_alone(local_checkout: Checkout) -> None:
    before = local_checkout.stack_file.read_bytes()
    up(local_checkout)
    assert local_checkout.stack_file.read_bytes() == before


@pytest.mark.usefixtures("first")
def test_a_second_up_changes_nothing_and_says_so(local_checkout: Checkout) -> None:
    answer = local_checkout.run("up")
    assert answer.returncode == 0, answer.stderr
    assert "0 changes" in answer.stdout
    assert answer.stdout.count("✓") == 1 + 7 * 6, "each application's checks but that of its secrets"
    assert "values that a person has yet to give" in answer.stdout


@pytest.mark.usefixtures("first")
def test_preview_and_refresh_find_nothing_to_do(local_checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    assert json.loads(local_checkout.run("preview", "--json").stdout)["changed"] == 0
    monkeypatch.chdir(local_checkout.directory)
    console = Console(as_json=True)
    with (
        session.opened(local_checkout.local, console, "up", Choices()) as opened,
        console.stage("refreshing") as steps,
    ):
        assert opened.run.operate("refresh", steps).total == 0


@pytest.mark.parametrize("arguments", [("dev",), ("local", "--replace", "application-policies-aos")])
def test_a_preview_lists_what_it_counts(local_checkout: Checkout, arguments: tuple[str, ...]) -> None:
    shutil.copy(ROOT / "Pulumi.dev.yaml", local_checkout.directory)
    document = json.loads(local_checkout.run("preview", *arguments, "--json").stdout)
    listed = Counter(one["change"] for one in document["resources"])
    assert listed == Counter({kind: number for kind, number in document["changes"].items() if kind != "same"})
    assert listed.total() == document["changed"] > 0
    (local_checkout.directory / "Pulumi.dev.yaml").unlink()
    for folder in ("dev", "previews"):  # of another stack: they outlive this one
        shutil.rmtree(local_checkout.paths.own / folder, ignore_errors=True)


def _secrets(checkout: Checkout) -> dict[str, str]:
    """Everything on this machine that must not stand in plain state, by what it is."""
    local = checkout.paths.local
    root_token = "hvs" + "."
    found = {
        "first database password": (local / "postgres" / "initial-password").read_text().strip(),
        "administrator's key": (local / "administrator.key").read_text().splitlines()[1],
        "authority's key": (local / "tls" / "ca.key").read_text().splitlines()[1],
        "state's passphrase": (checkout.paths.own / "passphrase").read_text(),
        "a token": root_token,
        "a service token": '"s' + ".",
        "a private key": "PRIVATE" + " KEY",
    }
    custody = json.loads((local / "custody.json").read_text())
    for number, share in enumerate(custody["shares"]):
        text = share if isinstance(share, str) else json.dumps(share)
        found[f"share {number}"] = text[:60]
    return found


@pytest.mark.usefixtures("first")
def test_the_exported_state_holds_no_secret(local_checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(local_checkout.directory)
    state = export(local_checkout)
    assert "vault:index/policy:Policy" in state, "the export is empty, so nothing was looked at"
    for what, text in _secrets(local_checkout).items():
        assert text, what
        assert text not in state, what


@pytest.mark.usefixtures("first")
def test_after_the_servers_were_killed_up_brings_the_same_data_back(local_checkout: Checkout) -> None:
    status = local_checkout.local.servers.status()
    before, audited = _value_of_a_secret(local_checkout), _audited(local_checkout)
    processes = [psutil.Process(status.openbao.pid), psutil.Process(status.postgres.pid)]
    supervisor = processes[0].parent()
    for process in [supervisor, *processes]:
        assert process is not None
        process.kill()
    psutil.wait_procs(processes, timeout=10)

    document = up(local_checkout)

    assert document["changed"] == 0
    assert document["passed"] is True
    assert _value_of_a_secret(local_checkout) == before
    assert len(audited) > 100
    assert audited < _audited(local_checkout)


def _audited(checkout: Checkout) -> set[str]:
    """The id of each request that the audit log has."""
    answer = checkout.run("audit", "--json", "--most", "100000")
    return {one["request"] for one in json.loads(answer.stdout)["entries"]}


@pytest.mark.usefixtures("first")
def test_a_librarys_document_is_of_the_built_stack_and_no_secret(local_checkout: Checkout, tmp_path: Path) -> None:
    file = tmp_path / "vault-estate.json"
    answer = local_checkout.run("client-config", "aos", "--output", str(file))
    assert (answer.returncode, answer.stdout) == (0, f"{file}: aos of local, 4 secrets\n"), answer.stderr
    assert file.stat().st_mode & 0o777 == 0o644

    found = manifest.load(file)

    assert found.render() == local_checkout.run("client-config", "aos").stdout
    assert found.addresses == (local_checkout.local.servers.address,)
    assert found.ca_certificate == local_checkout.local.servers.ca_file.read_text()
    assert isinstance(found.login, manifest.ManifestAppRole)
    with local_checkout.administering() as administrator:
        assert found.login.role_id == administrator.auth.approle.read_role_id("aos")["data"]["role_id"]
    for what, text in _secrets(local_checkout).items():
        assert text not in file.read_text(), what


def _value_of_a_secret(checkout: Checkout) -> str:
    """One secret as its application reads it, through the documented way: a wrapped SecretID."""
    issued = json.loads(checkout.run("secret-id", "aos", "--json").stdout)
    local = checkout.local.servers
    client = hvac.Client(url=local.address, verify=str(local.ca_file))
    client.token = issued["wrapping_token"]
    unwrapped = cast("dict[str, Any]", client.write_data("sys/wrapping/unwrap", data={}))
    secret_id = unwrapped["data"]["secret_id"]
    with checkout.administering() as administrator:
        role_id = administrator.auth.approle.read_role_id("aos")["data"]["role_id"]
    client.auth.approle.login(role_id=role_id, secret_id=secret_id)
    answer = client.secrets.kv.v2.read_secret_version(
        path="app-prod", mount_point="agenticverz", raise_on_deleted_version=True
    )
    client.auth.token.revoke_self()
    return str(answer["data"]["data"]["AOS_API_KEY"])


@pytest.mark.usefixtures("first")
def test_a_request_is_found_by_its_trace(local_checkout: Checkout) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01", "X-Request-Id": "r-1"}
    with local_checkout.administering() as client:
        client.adapter.get("/v1/sys/mounts", headers=headers)

    (found,) = json.loads(local_checkout.run("audit", "--trace", trace, "--json").stdout)["entries"]

    assert (found["who"], found["path"]) == ("certificate administrator", "sys/mounts")
    assert found["trace"] == {"traceparent": headers["traceparent"], "x-request-id": "r-1"}


@pytest.mark.usefixtures("first")
def test_who_is_over_a_limit_is_told_when_to_come_again(local_checkout: Checkout) -> None:
    with local_checkout.administering() as client:
        assert 0 < retry_after(client) <= 60


@pytest.mark.usefixtures("first")
def test_a_change_of_another_field_leaves_the_rotated_database_password_alone(local_checkout: Checkout) -> None:
    settings = local_checkout.settings()
    settings["database"]["roles"]["another-readonly"] = {"connection": "postgresql", "access": "readonly"}
    settings["applications"]["aos"]["database_roles"] = ["aos-readwrite", "another-readonly"]
    local_checkout.write(settings)

    document = up(local_checkout)

    assert document["changed"] > 0
    assert document["access_checks"]["aos"]["database"] == "passed"


@pytest.mark.usefixtures("first")
def test_drift_made_by_hand_is_mended(local_checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    with local_checkout.administering() as client:
        client.write_data("sys/policies/acl/aos", data={"policy": 'path "secret/*" { capabilities = ["read"] }'})
    monkeypatch.chdir(local_checkout.directory)
    console = Console(as_json=True)
    with (
        session.opened(local_checkout.local, console, "up", Choices()) as opened,
        console.stage("refreshing") as steps,
    ):
        changes = opened.run.operate("refresh", steps)
    assert changes.counts.get("update") == 1

    document = up(local_checkout)

    assert document["changes"]["update"] == 1
    assert document["access_checks"]["aos"]["denied"] == "passed"


@pytest.mark.usefixtures("first")
def test_the_administrators_login_follows_the_settings_and_outlives_its_replacement(local_checkout: Checkout) -> None:
    settings = local_checkout.settings()
    settings["bootstrap"]["administrator"]["token_ttl"] = "30m"
    local_checkout.write(settings)

    document = up(local_checkout, "--replace", "administrator-login")

    assert document["changes"].keys() - {"same"} == {"replace"}
    with local_checkout.administering() as client:
        own = client.auth.token.lookup_self()["data"]
    assert own["creation_ttl"] == 1_800
    assert up(local_checkout)["changed"] == 0


def test_down_leaves_no_process_and_no_state(first: Mapping[str, Any], local_checkout: Checkout) -> None:
    assert first["passed"] is True
    answer = local_checkout.run("down", "--json")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["changes"].keys() == {"delete"}
    assert _processes_of(local_checkout.directory) == []
    left = {str(file.relative_to(local_checkout.paths.own)) for file in _files(local_checkout.paths.own)}
    assert {name for name in left if not name.startswith("shims/")} <= {"lock", "plugins-refused.json"}
    again = local_checkout.run("down")
    assert again.returncode == 0, again.stderr


def _files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


def _processes_of(directory: Path) -> list[str]:
    """Command lines of every process that works for a copy."""
    own = os.getpid()
    found: list[str] = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if process.info["pid"] != own and str(directory) in line:
            found.append(line)
    return found


def test_a_protected_estate_can_not_be_taken_down_by_accident(
    tmp_path_factory: pytest.TempPathFactory, local_checkout: Checkout
) -> None:
    settings = local_checkout.settings()
    local_checkout.write({**settings, "protect": True})
    up(local_checkout)

    answer = local_checkout.run("down")

    assert answer.returncode == 2
    assert "protect" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert up(local_checkout)["passed"] is True
    local_checkout.write({**settings, "protect": False})
    assert up(local_checkout)["passed"] is True
    assert local_checkout.run("down").returncode == 0


def test_pulumi_answers_for_itself(local_checkout: Checkout) -> None:
    """The variables `env` prints are all that plain `pulumi` needs to see the same stack."""
    up(local_checkout)
    exports = local_checkout.run("env").stdout
    script = f"{exports}\npulumi stack ls --json"
    answer = subprocess.run(
        ["sh", "-c", script], cwd=local_checkout.directory, capture_output=True, text=True, check=False, timeout=600
    )
    assert answer.returncode == 0, answer.stderr
    assert [stack["name"] for stack in json.loads(answer.stdout)] == ["local"]
