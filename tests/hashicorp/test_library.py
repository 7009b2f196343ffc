"""The library at HashiCorp's server, in development mode: reads, refusals, logins, leases, what is sealed, a rotation.

What both servers are asked alike is in `tests/live/vault_estate/test_contract.py`, for OpenBao and the fake. Not proven
here: lives of seconds, and certificates.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.building.compiled import HASHICORP_SERVER
from tests.support.manifests import GOOD
from tests.support.servers import PostgresServer, local_platform, postgres_server, postgres_template
from vault_estate import errors
from vault_estate.auth.token import TokenAuth
from vault_estate.client import VaultClient
from vault_estate.manifest import ClientManifest
from vault_estate.rotation import Runner
from vault_estate.rotation.record import MOUNT
from vault_estate.session import Session
from vault_estate.testing import LiveVault
from vault_estate.testing.live import LiveServer

__all__ = ["local_platform", "postgres_server", "postgres_template"]

ROLE = "aos-readwrite"
ROTATION = {"by": "random", "every_seconds": 86_400, "grace_seconds": 600, "keys": ["AOS_API_KEY"]}


def known(**more: Any) -> ClientManifest:
    """The application's document."""
    document = json.loads(json.dumps({**GOOD, "flavor": "vault", **more}))
    document["secrets"]["app-prod"]["rotation"] = ROTATION
    return ClientManifest.model_validate_json(json.dumps(document))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    found = LiveServer(tmp_path_factory.mktemp("hashicorp"), str(HASHICORP_SERVER.find(print)))
    yield found
    found.close()


@pytest.fixture
def vault(server: LiveServer) -> Iterator[LiveVault]:
    """With one secret."""
    live = LiveVault(server, manifest=known())
    live.put("app-prod", AOS_API_KEY="first")
    yield live
    live.close()


@pytest.fixture
def client(vault: LiveVault) -> Iterator[VaultClient]:
    with vault.client() as made:
        yield made


def test_versions_and_what_becomes_of_them(vault: LiveVault, client: VaultClient) -> None:
    first = client.get_secret("app-prod")
    assert vault.put("app-prod", AOS_API_KEY="second") == 2
    assert client.get_secret("app-prod") is first
    assert client.get_secret("app-prod", min_version=2)["AOS_API_KEY"] == "second"
    assert [one.version for one in client.accepted("app-prod")] == [2, 1]
    with pytest.raises(errors.SecretNotFound):
        client.get_secret("app-prod", version=9)
    vault.delete("app-prod")
    with pytest.raises(errors.SecretDeleted, match="is deleted since") as deleted:
        client.refresh("app-prod")
    assert (deleted.value.version, deleted.value.destroyed) == (2, False)
    vault.destroy("app-prod", 2)
    with pytest.raises(errors.SecretDeleted, match="is destroyed"):
        client.refresh("app-prod")


def test_a_refusal_of_a_living_token_and_a_dead_one(vault: LiveVault, client: VaultClient) -> None:
    client.get_secret("app-prod")
    vault.deny("app-prod")
    with pytest.raises(errors.PermissionDenied):
        client.refresh("app-prod")
    assert client._session.logins == 1
    vault.allow("app-prod")
    vault.clock.advance(6)  # whether a token is dead is asked each 5 s at most
    vault.expire()
    assert client.refresh("app-prod")["AOS_API_KEY"] == "first"
    assert client._session.logins == 2
    with pytest.raises(errors.InvalidRequest):
        client._transport.send("POST", "auth/approle/login", body={"role_id": vault._role_id, "secret_id": "wrong"})


def test_a_token_is_renewed_and_ends_with_its_client(vault: LiveVault) -> None:
    client = vault.client()
    client.get_secret("app-prod")
    token = client._session.token()
    vault.clock.advance(2_700)
    assert client._session.token() == token
    assert "POST auth/token/renew-self" in vault.requests
    client.close()
    with pytest.raises(errors.PermissionDenied):
        vault._administration.send("GET", "auth/token/lookup-self", token=token)


def test_sealed_it_serves_what_it_has(vault: LiveVault, client: VaultClient) -> None:
    client.get_secret("app-prod")
    vault.seal()
    with pytest.raises(errors.VaultSealed):
        client.refresh("app-prod")
    vault.clock.advance(301)
    assert client.get_secret("app-prod").stale
    assert (client.health().sealed, client.health().reachable) == (True, True)
    vault.unseal()
    vault.clock.advance(2)
    assert not client.get_secret("app-prod").stale


def test_what_is_encrypted_is_decrypted(client: VaultClient) -> None:
    ciphertext = client.encrypt("main", b"\x00any")
    assert client.decrypt("main", ciphertext) == b"\x00any"
    with pytest.raises(errors.InvalidRequest):
        client.decrypt("main", ciphertext[:-4] + "AAAA")


def test_a_rotation_keeps_its_record_and_its_note(vault: LiveVault, client: VaultClient) -> None:
    vault.administer("POST", f"sys/mounts/{MOUNT}", {"type": "kv", "options": {"version": "2"}})
    vault._await_mount(MOUNT)
    session = Session(client._transport, TokenAuth(environ={"VAULT_TOKEN": vault._root_token}))
    client.get_secret("app-prod")
    done = Runner(session, known()).rotate("app-prod")
    assert (done.version, done.phase) == (2, "idle")
    assert client.accepts("app-prod", "AOS_API_KEY", vault.peek("app-prod")["AOS_API_KEY"])
    assert [one.version for one in client.accepted("app-prod")] == [2, 1]
    Runner(session, known()).rotate("app-prod", now=True)
    client.refresh("app-prod")
    assert [one.version for one in client.accepted("app-prod")] == [3]
    assert "rotation state" in vault.metadata("app-prod")["custom_metadata"]


def test_a_database_login_opens_the_database(server: LiveServer, postgres_server: PostgresServer) -> None:
    role = {
        "host": postgres_server.host,
        "port": postgres_server.port,
        "database": "app",
        "ssl_mode": "disable",
        "access": "readonly",
        "ttl_seconds": 3_600,
        "max_ttl_seconds": 7_200,
    }
    live = LiveVault(server, manifest=known(database={"mount": "database", "roles": {ROLE: role}, "static_roles": {}}))
    live.administer("POST", "sys/mounts/database", {"type": "database"})
    connection = {
        "plugin_name": "postgresql-database-plugin",
        "allowed_roles": ROLE,
        "connection_url": f"postgresql://{{{{username}}}}:{{{{password}}}}@{role['host']}:{role['port']}/app",
        "username": postgres_server.root_username,
        "password": postgres_server.root_password,
    }
    live.administer("POST", "database/config/app", connection)
    made = "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"
    live.administer(
        "POST",
        f"database/roles/{ROLE}",
        {"db_name": "app", "creation_statements": [made], "default_ttl": "1h", "max_ttl": "2h"},
    )
    with live.client() as client, client.database(ROLE) as login:
        first = login.credentials
        with login.connect(connect_timeout=5) as session:
            assert session.execute("SELECT current_user").fetchone()[0] == first.username
        live.clock.advance(2_700)
        client._leases.look()
        assert login.credentials.username == first.username, "the lease is renewed"
        live.expire()
        live.clock.advance(6)
        client._leases.look()
        client._session.request("GET", "auth/token/lookup-self")
        client._leases.look()
        assert login.credentials.username != first.username, "it ended with its token"
    live.close()


def test_a_wrapping_token_is_opened_once(vault: LiveVault, tmp_path: Path) -> None:
    path = "auth/approle/role/application/secret-id"
    headers = {"X-Vault-Wrap-TTL": "60s"}
    call = vault._administration.prepared("POST", path, token=vault._root_token, body={}, headers=headers)
    wrapped = vault._administration.answered(call).document()["wrap_info"]["token"]
    looked = vault._administration.send("POST", "sys/wrapping/lookup", body={"token": wrapped})
    assert looked["data"]["creation_path"] == path
    assert vault._administration.send("POST", "sys/wrapping/unwrap", token=wrapped)["data"]["secret_id"]
    with pytest.raises(errors.VaultEstateError):
        vault._administration.send("POST", "sys/wrapping/unwrap", token=wrapped)
