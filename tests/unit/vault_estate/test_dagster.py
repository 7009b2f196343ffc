"""The Dagster resource in runs of Dagster's own, in this process: one login for many steps, and no value in anything
that Dagster keeps. The server is a fake one; `docs/teams/dagster.md` has a real one.

Not proven: Dagster's executors that start processes (`tests/live/vault_estate/test_processes.py`).
"""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tests.support.answering import Answering, Said, answering
from tests.support.manifests import GOOD
from vault_estate import dagster as resource
from vault_estate.client import VaultClient
from vault_estate.dagster import (
    LoginByAppRole,
    LoginByJwt,
    LoginByKubernetes,
    LoginByToken,
    LoginByUserpass,
    VaultSecretsResource,
)
from vault_estate.errors import ConfigurationError
from vault_estate.testing import FakeVault

pytest_plugins = ("vault_estate.testing.plugin",)

CANARY, SECRET_ID = "canary-1f6a3d8b0c5e7294", "canary-secret-id-8d2e"
LOGGED_IN = Said(
    body=b'{"auth": {"client_token": "canary-token-3b7f", "lease_duration": 3600, "renewable": true, '
    b'"token_type": "service"}}'
)
READ = Said(
    body=json.dumps({"data": {"data": {"AOS_API_KEY": CANARY}, "metadata": {"version": 3}}}).encode(),
)
DENIED = Said(status=403, body=b'{"errors": ["1 error occurred: permission denied"]}')
ALIVE = Said(body=b'{"data": {"ttl": 3600, "renewable": true, "type": "service"}}')


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answering]:
    """One for the module."""
    with answering(tmp_path_factory.mktemp("answering")) as found:
        yield found


@pytest.fixture
def manifest(server: Answering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The document of an application of that server; a SecretID is in a variable. Clients go again afterwards."""
    file = tmp_path / "vault-estate.json"
    document = {**GOOD, "addresses": [server.address], "ca_certificate": server.ca_file.read_text()}
    file.write_text(json.dumps(document))
    for name in ("VAULT_TOKEN", "VAULT_ROLE_ID", "VAULT_AUTH_METHOD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OF_AOS", SECRET_ID)
    yield str(file)
    server.says()
    for client in resource._CLIENTS.values():
        client.close()
    resource._CLIENTS.clear()


@dg.asset
def first(vault: VaultSecretsResource) -> int:
    """Reads a secret."""
    return len(vault.get_secret("app-prod")["AOS_API_KEY"])


@dg.asset
def second(vault: VaultSecretsResource, first: int) -> int:
    """Reads it again, in another step."""
    return first + len(vault.get_secret("app-prod")["AOS_API_KEY"])


def run(vault: VaultSecretsResource, *, good: bool = True) -> list[str]:
    """Both steps in one run; everything that Dagster kept of it."""
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize([first, second], resources={"vault": vault}, instance=instance, raise_on_error=False)
        assert done.success is good
        kept = [repr(one) + str(one.message) for one in instance.all_logs(done.run_id)]
        run_ = instance.get_run_by_id(done.run_id)
    assert len(kept) > 5
    return [*kept, repr(run_), repr(vault), str(vault.model_dump())]


def test_steps_share_a_login_and_a_read_and_nothing_is_kept(
    server: Answering, manifest: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    server.says(LOGGED_IN, READ)
    vault = VaultSecretsResource(config_path=manifest, auth=LoginByAppRole(secret_id_env="OF_AOS"))
    kept = [*run(vault), *run(VaultSecretsResource(config_path=manifest, auth=LoginByAppRole(secret_id_env="OF_AOS")))]
    assert [one.path for one in server.asked] == ["/v1/auth/approle/login", "/v1/agenticverz/data/app-prod"]
    assert json.loads(server.asked[0].body) == {"role_id": "role-1", "secret_id": SECRET_ID}
    said = capfd.readouterr()
    assert "canary" not in " ".join([*kept, caplog.text, said.out, said.err])


def test_a_failing_step_tells_why_and_no_value(server: Answering, manifest: str) -> None:
    server.says(LOGGED_IN, DENIED, ALIVE)
    vault = VaultSecretsResource(config_path=manifest, auth=LoginByAppRole(secret_id_env="OF_AOS"))
    kept = " ".join(run(vault, good=False))
    assert "PermissionDenied" in kept
    assert "agenticverz/data/app-prod" in kept
    assert "canary" not in kept


def test_a_run_may_configure_it(server: Answering, manifest: str) -> None:
    server.says(LOGGED_IN, READ)
    config = {"config_path": manifest, "cache_ttl": 60, "auth": {"approle": {"secret_id_env": "OF_AOS"}}}
    done = dg.materialize(
        [first],
        resources={"vault": VaultSecretsResource.configure_at_launch()},
        run_config={"resources": {"vault": {"config": config}}},
    )
    assert done.success
    (client,) = resource._CLIENTS.values()
    assert client.config.fresh_seconds == 60


@pytest.mark.timeout(60)  # what fails here waits for ever
def test_who_asks_for_the_client_while_it_is_made_has_the_same(manifest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a signal handler may in the same thread, and another thread before a fork."""
    vault = VaultSecretsResource(config_path=manifest, auth=LoginByAppRole(secret_id_env="OF_AOS"))
    made = VaultSecretsResource._made
    inside: list[VaultClient | None] = []

    def interrupted(self: VaultSecretsResource) -> VaultClient:
        if not inside:
            inside.append(None)
            inside.append(self.client)
        return made(self)

    monkeypatch.setattr(VaultSecretsResource, "_made", interrupted)
    assert vault.client is inside[1] is vault.client


LOGINS: list[tuple[dg.Config, str, dict[str, str]]] = [
    (LoginByAppRole(secret_id_file="{file}"), "approle", {"role_id": "role-1", "secret_id": "in-a-file"}),
    (
        LoginByAppRole(secret_id_env="OF_AOS", role_id_env="ROLE", mount="m"),
        "m",
        {"role_id": "r", "secret_id": SECRET_ID},
    ),
    (LoginByKubernetes(role="pod", token_file="{file}"), "kubernetes", {"role": "pod", "jwt": "in-a-file"}),
    (LoginByJwt(role="ci", token_file="{file}", mount="gitlab"), "gitlab", {"role": "ci", "jwt": "in-a-file"}),
    (LoginByUserpass(username="ada", password_file="{file}"), "userpass", {"password": "in-a-file"}),
    (LoginByUserpass(username="ada", password_env="OF_AOS", mount="u"), "u", {"password": SECRET_ID}),
]


@pytest.fixture(params=LOGINS, ids=lambda one: f"{type(one[0]).__name__}-{one[1]}")
def case(request: pytest.FixtureRequest) -> tuple[dg.Config, str, dict[str, str]]:
    """A login, the mount that it is at, and what it sends there."""
    found: tuple[dg.Config, str, dict[str, str]] = request.param
    return found


def test_each_login_sends_what_it_names(
    case: tuple[Any, str, dict[str, str]],
    server: Answering,
    manifest: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    login, mount, sent = case
    file = Path(manifest).with_name("credential")
    file.touch(mode=0o600)
    file.write_text("in-a-file")
    monkeypatch.setenv("ROLE", "r")
    monkeypatch.setenv("BAO_SECRET_ID_FILE", "/of/somebody/else")
    monkeypatch.setenv("VAULT_TOKEN", "of-somebody-else")
    named = {name: value.format(file=file) for name, value in login.model_dump().items() if isinstance(value, str)}
    server.says(LOGGED_IN, READ)
    vault = VaultSecretsResource(config_path=manifest, auth=type(login)(**named))
    assert vault.get_secret("app-prod").version == 3
    suffix = "/ada" if "password" in sent else ""
    assert (server.asked[0].path, json.loads(server.asked[0].body)) == (f"/v1/auth/{mount}/login{suffix}", sent)


def test_a_token_is_looked_up_and_used(server: Answering, manifest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_AOS", "given-token")
    server.says(ALIVE, READ)
    vault = VaultSecretsResource(config_path=manifest, auth=LoginByToken(token_env="OF_AOS"))
    assert vault.get_secret("app-prod").version == 3
    assert {one.headers["X-Vault-Token"] for one in server.asked} == {"given-token"}


@pytest.mark.parametrize(
    ("login", "words"),
    [
        (
            LoginByAppRole(),
            (
                "auth is LoginByAppRole with missing; expected one of secret_id_file, wrapped_secret_id_file, "
                "secret_id_env"
            ),
        ),
        (
            LoginByToken(token_file="f", token_env="E"),
            "auth is LoginByToken with token_file and token_env; expected one of token_file, token_env",
        ),
        (
            LoginByToken(token_env="NOT_SET_HERE"),
            "variable NOT_SET_HERE is not set; expected it, as auth of the resource names it",
        ),
        (
            LoginByToken(token_env="hvs.canary!"),
            "variable of auth is not set; expected it, as auth of the resource names it",
        ),
        (
            LoginByUserpass(username="ada"),
            "auth is LoginByUserpass with missing; expected one of password_file, password_env",
        ),
    ],
)
def test_a_login_that_isnt_whole_is_told_where_it_is_used(login: Any, words: str, manifest: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _ = VaultSecretsResource(config_path=manifest, auth=login).client
    assert str(caught.value) == words


def test_older_pipelines_read_by_a_path(server: Answering, manifest: str) -> None:
    server.says(LOGGED_IN, READ)
    vault = VaultSecretsResource(config_path=manifest, auth=LoginByAppRole(secret_id_env="OF_AOS"))
    with pytest.warns(DeprecationWarning, match="expected get_secret"):
        assert dict(vault.read_secret("agenticverz/data/app-prod")) == {"AOS_API_KEY": CANARY}
    for path, words in (
        ("agenticverz/data/gone", "secret_path is none of the manifest's; expected one of: agenticverz/data/app-prod"),
        ("app-prod", "secret_path is something else; expected MOUNT/data/PATH, such as secret/data/foo/bar"),
    ):
        with pytest.warns(DeprecationWarning, match="get_secret"), pytest.raises(ConfigurationError, match=words):
            vault.read_secret(path)


@pytest.mark.parametrize("value", ["1", "2"])
def test_each_test_of_a_pipeline_has_its_own_fake(vault: FakeVault, value: str) -> None:
    vault.put("app-prod", AOS_API_KEY=value)
    assert VaultSecretsResource(vault_addr="https://a.example").get_secret("app-prod")["AOS_API_KEY"] == value
