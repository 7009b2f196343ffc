"""Logins of the fake Vault provider: one for each provider instance, given back; and what it must never undo."""

import threading
import time
from collections.abc import Iterator

import grpc
import hvac
import psycopg
import pytest

from fake_providers.attach import attach
from fake_providers.servicer import RefusedError
from fake_providers.vault.session import VaultSession
from tests.engine.fake_providers.filling import asked, write
from tests.engine.fake_providers.wire import Values, Wire
from tests.support.servers import PostgresServer, VaultServer

MOUNT, POLICY = "vault:index/mount:Mount", "vault:index/policy:Policy"
CONNECTION = "vault:database/secretBackendConnection:SecretBackendConnection"
ENDPOINT = "vault:generic/endpoint:Endpoint"
TEXT = 'path "a" { capabilities = ["read"] }'


def tokens(client: hvac.Client) -> set[str]:
    """Accessors of every token there is."""
    answer = client.adapter.list("/v1/auth/token/accessors")
    assert isinstance(answer, dict)
    return set(answer["data"]["keys"])


@pytest.fixture
def before(vault_server: VaultServer) -> Iterator[set[str]]:
    """Tokens before the test; the same ones must be left after it."""
    found = tokens(vault_server.client)
    yield found
    assert tokens(vault_server.client) == found


def test_a_burst_logs_in_once_and_gives_it_back(settings: Values, vault_server: VaultServer, before: set[str]) -> None:
    with attach(["vault"]) as environment, Wire(environment, "vault", settings) as wire:
        assert tokens(vault_server.client) == before, "configuring alone must not log in"
        burst = [
            threading.Thread(target=wire.create, args=(POLICY, {"name": f"burst-{number}", "policy": TEXT}))
            for number in range(20)
        ]
        for thread in burst:
            thread.start()
        for thread in burst:
            thread.join()
        assert len(tokens(vault_server.client) - before) == 1
        assert wire.load(POLICY, "burst-19") is not None


def test_two_instances_are_two_logins_and_cancel_ends_one(
    settings: Values, vault_server: VaultServer, before: set[str]
) -> None:
    with (
        attach(["vault"]) as environment,
        Wire(environment, "vault", settings) as one,
        Wire(environment, "vault", settings) as other,
    ):
        one.load(POLICY, "default")
        other.load(POLICY, "default")
        assert len(tokens(vault_server.client) - before) == 2
        one.cancel()
        assert len(tokens(vault_server.client) - before) == 1
        assert other.load(POLICY, "default") is not None
        with pytest.raises(grpc.RpcError, match="was not configured"):
            one.load(POLICY, "default")


def test_a_token_that_died_early_is_replaced(settings: Values, vault_server: VaultServer, before: set[str]) -> None:
    with attach(["vault"]) as environment, Wire(environment, "vault", settings) as wire:
        wire.load(POLICY, "default")
        (accessor,) = tokens(vault_server.client) - before
        write(vault_server.client, "auth/token/revoke-accessor", {"accessor": accessor})
        assert wire.load(POLICY, "default") is not None


def test_a_token_near_its_end_is_replaced(settings: Values, before: set[str]) -> None:
    assert before
    session = VaultSession(settings)
    session.read("sys/policies/acl/default")
    first = session._client.token
    session._ends = time.monotonic() - 1
    session.read("sys/policies/acl/default")
    second = session._client.token
    assert first != second
    session.close()
    forgotten = VaultSession({"address": settings["address"], "caCertFile": settings["caCertFile"], "token": first})
    forgotten.write("auth/token/revoke-self", {})
    forgotten.close()


def test_what_a_token_may_not_is_refused_and_not_tried_again(settings: Values, vault_server: VaultServer) -> None:
    made = vault_server.client.auth.token.create(policies=["default"], ttl="5m")
    given = {
        "address": settings["address"],
        "caCertFile": settings["caCertFile"],
        "token": made["auth"]["client_token"],
    }
    session = VaultSession(given)
    with pytest.raises(RefusedError, match="permission denied"):
        session.read("sys/policies/acl/default")
    session.close()
    still = vault_server.client.auth.token.lookup(made["auth"]["client_token"])
    assert still["data"]["policies"] == ["default"], "a token that was given isn't ours to revoke"
    vault_server.client.auth.token.revoke(made["auth"]["client_token"])


def test_a_new_path_moves_the_mount_with_its_contents(wire: Wire, vault_server: VaultServer) -> None:
    inputs = {"path": "before", "type": "kv"}
    made = wire.create(MOUNT, inputs)
    write(vault_server.client, "before/kept", {"value": "1"})
    moved = {"path": "after", "type": "kv"}
    assert not wire.diff(made, moved).replaces
    known = wire.update(made, moved)
    assert asked(vault_server.client, "after/kept") == {"value": "1"}
    assert wire.read(known) == known
    wire.delete(known)
    assert asked(vault_server.client, "sys/mounts/after") is None


def test_kv_v2_by_its_short_name(wire: Wire) -> None:
    inputs = {"path": "short", "type": "kv-v2"}
    made = wire.create(MOUNT, inputs)
    assert wire.read(made) == made
    wire.delete(made)


def test_a_rotated_root_password_is_never_undone(
    wire: Wire, vault_server: VaultServer, postgres_server: PostgresServer
) -> None:
    root = postgres_server.dsn(postgres_server.root_username, postgres_server.root_password, "app")
    first = "-".join(("first", "password"))
    with psycopg.connect(root, autocommit=True) as session:
        session.execute(psycopg.sql.SQL("CREATE ROLE keeper LOGIN SUPERUSER PASSWORD {}").format(first))
    write(vault_server.client, "sys/mounts/database", {"type": "database"})
    place = f"{postgres_server.host}:{postgres_server.port}/app?sslmode=disable"
    block = {
        "connectionUrl": f"postgresql://{{{{username}}}}:{{{{password}}}}@{place}",
        "username": "keeper",
        "passwordWo": first,
        "passwordWoVersion": 1,
    }
    inputs = {"backend": "database", "name": "app", "allowedRoles": ["*"], "postgresql": block}
    made = wire.create(CONNECTION, inputs)
    assert made.inputs.secret == {"postgresql.passwordWo"}
    assert first not in str(made.outputs.values)

    rotate = {"path": "database/rotate-root/app", "dataJson": "{}", "disableRead": True, "disableDelete": True}
    rotated = wire.create(ENDPOINT, rotate)
    assert wire.read(rotated) == rotated
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres_server.dsn("keeper", first, "app"))

    other = inputs | {"postgresql": block | {"passwordWo": "typed again", "maxOpenConnections": 5}}
    assert list(wire.diff(made, inputs | {"postgresql": block | {"passwordWo": "typed again"}}).diffs) == []
    changed = wire.update(made, other)
    details = asked(vault_server.client, "database/config/app")
    assert details is not None
    assert details["connection_details"]["max_open_connections"] == 5
    write(vault_server.client, "database/reset/app", {})
    role = {"db_name": "app", "creation_statements": ["CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'"]}
    write(vault_server.client, "database/roles/any", role)
    assert asked(vault_server.client, "database/creds/any"), "Vault must still know the rotated password"

    wire.delete(rotated)
    assert asked(vault_server.client, "database/config/app") is not None
    renewed = inputs | {"postgresql": block | {"passwordWoVersion": 2}}
    assert list(wire.diff(changed, renewed).diffs) == ["postgresql"]
    with pytest.raises(grpc.RpcError, match="error verifying connection"):
        wire.update(changed, renewed)


def test_an_endpoint_sees_what_others_wrote(wire: Wire, vault_server: VaultServer) -> None:
    write(vault_server.client, "sys/mounts/plain", {"type": "kv", "options": {"version": "1"}})
    made = wire.create(ENDPOINT, {"path": "plain/a", "dataJson": '{"x": 1, "y": [true]}'})
    assert wire.read(made) == made
    assert not wire.diff(made, {"path": "plain/a", "dataJson": '{ "y": [true], "x": 1 }'}).diffs
    write(vault_server.client, "plain/a", {"x": 2, "y": [True]})
    spoilt = wire.read(made)
    assert spoilt is not None
    assert list(wire.diff(spoilt, {"path": "plain/a", "dataJson": '{"x": 1, "y": [true]}'}).diffs) == ["dataJson"]
    wire.delete(made)
    assert wire.read(made) is None


def test_a_bad_text_is_refused(wire: Wire) -> None:
    with pytest.raises(grpc.RpcError, match="expected a JSON object"):
        wire.create(ENDPOINT, {"path": "plain/b", "dataJson": "{"})
    with pytest.raises(grpc.RpcError, match="not list"):
        wire.create(ENDPOINT, {"path": "plain/b", "dataJson": "[]"})


def test_a_rate_limit_that_is_replaced_stops_nobody(settings: Values, vault_server: VaultServer) -> None:
    """OpenBao answers whoever asks in that moment with 500, "store is stopped"."""
    ended = threading.Event()
    refused: list[str] = []

    def replace() -> None:
        for rate in range(1_000, 1_300):
            vault_server.client.adapter.post("/v1/sys/quotas/rate-limit/replaced", json={"rate": rate})
        ended.set()

    def ask() -> None:
        while not ended.is_set() and not refused:
            session = VaultSession(settings)
            try:
                for _ in range(5):
                    session.read("sys/mounts/sys")
            except RefusedError as error:
                refused.append(str(error))
            finally:
                session.close()

    threads = [threading.Thread(target=work) for work in (replace, ask, ask, ask)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    vault_server.client.adapter.delete("/v1/sys/quotas/rate-limit/replaced")
    assert refused == []
