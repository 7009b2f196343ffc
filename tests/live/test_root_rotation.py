"""A root password that Vault rotated stays rotated, and leased logins do what their SQL says.

The writes are those of pulumi-vault's connection resource (terraform-provider-vault,
`setDatabaseConnectionDataWithUserPass`): the password at create and with a new `password_wo_version`, and at no other
time. Doesn't prove the provider itself; `tests/engine` runs it.
"""

from collections.abc import Iterator
from typing import Any, get_args

import hvac
import psycopg
import pytest
from hvac.exceptions import VaultError

from components.render.sql import Access, creation_statements, revocation_statements
from tests.support.servers import PostgresServer, VaultServer

FIRST_PASSWORD = "-".join(("first", "password", "of", "vault"))
MOUNT = "sql"


@pytest.fixture(scope="module")
def owner(postgres_server: PostgresServer) -> Iterator[psycopg.Connection[Any]]:
    """The superuser in the database `app`, with one table and a login for Vault that is no superuser."""
    dsn = postgres_server.dsn(postgres_server.root_username, postgres_server.root_password, "app")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE items (id serial PRIMARY KEY, name text)")
        connection.execute("INSERT INTO items (name) VALUES ('one')")
        connection.execute(f"CREATE ROLE vault_login LOGIN CREATEROLE PASSWORD '{FIRST_PASSWORD}'")
        connection.execute("CREATE ROLE legacy LOGIN PASSWORD 'x'")
        connection.execute("GRANT legacy TO vault_login WITH ADMIN OPTION")
        connection.execute("GRANT USAGE ON SCHEMA public TO vault_login WITH GRANT OPTION")
        connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO vault_login WITH GRANT OPTION")
        connection.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO vault_login WITH GRANT OPTION")
        yield connection


@pytest.fixture(scope="module")
def engine(
    vault_server: VaultServer, postgres_server: PostgresServer, owner: psycopg.Connection[Any]
) -> Iterator[hvac.Client]:
    """A connection that was made with the first password and rotated, two dynamic roles and a static one."""
    client = vault_server.client
    client.sys.enable_secrets_engine("database", path=MOUNT)
    write(client, "config/main", {**_connection(postgres_server), "password": FIRST_PASSWORD})
    write(client, "rotate-root/main", {"password_version": 1})
    for access in get_args(Access):
        statements = {
            "creation_statements": list(creation_statements(access, "public")),
            "revocation_statements": list(revocation_statements()),
        }
        write(client, f"roles/{access}", {"db_name": "main", "default_ttl": 60, "max_ttl": 120, **statements})
    write(client, "static-roles/legacy", {"db_name": "main", "username": "legacy", "rotation_period": 86400})
    yield client
    client.adapter.delete(f"/v1/sys/mounts/{MOUNT}")


def _connection(server: PostgresServer, **changes: Any) -> dict[str, Any]:
    url = f"postgresql://{{{{username}}}}:{{{{password}}}}@{server.host}:{server.port}/app"
    return {
        "plugin_name": "postgresql-database-plugin",
        "allowed_roles": "readonly,readwrite,legacy",
        "verify_connection": True,
        "connection_url": url,
        "username": "vault_login",
        "max_open_connections": 4,
        **changes,
    }


def write(client: hvac.Client, path: str, body: dict[str, Any]) -> Any:
    """One write below the mount."""
    return client.adapter.request("post", f"/v1/{MOUNT}/{path}", json=body)


def lease(client: hvac.Client, server: PostgresServer, role: str) -> tuple[str, str, psycopg.Connection[Any]]:
    """A leased login, and a session with it."""
    answer = client.adapter.get(f"/v1/{MOUNT}/creds/{role}")
    user, password = answer["data"]["username"], answer["data"]["password"]
    return answer["lease_id"], user, psycopg.connect(server.dsn(user, password, "app"), autocommit=True)


def test_the_first_password_is_dead(engine: hvac.Client, postgres_server: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres_server.dsn("vault_login", FIRST_PASSWORD, "app"))


def test_a_later_change_of_another_field_keeps_the_rotated_password(
    engine: hvac.Client, postgres_server: PostgresServer
) -> None:
    write(engine, "config/main", _connection(postgres_server, max_open_connections=7))

    stored = engine.adapter.get(f"/v1/{MOUNT}/config/main")["data"]["connection_details"]
    _, _, session = lease(engine, postgres_server, "readonly")
    assert stored["max_open_connections"] == 7
    with session:
        assert session.execute("SELECT name FROM items WHERE id = 1").fetchall() == [("one",)]


def test_sending_the_first_password_again_is_what_would_break_it(
    engine: hvac.Client, postgres_server: PostgresServer
) -> None:
    """Why the version is constant: this is the write that a plain `password` can bring."""
    with pytest.raises(VaultError, match="password authentication failed"):
        write(engine, "config/main", {**_connection(postgres_server), "password": FIRST_PASSWORD})

    lease(engine, postgres_server, "readonly")[2].close()


def test_a_reader_reads(engine: hvac.Client, postgres_server: PostgresServer) -> None:
    _, _, session = lease(engine, postgres_server, "readonly")

    with session:
        assert session.execute("SELECT count(*) FROM items").fetchone()
        for statement in (
            "INSERT INTO items (name) VALUES ('two')",
            "UPDATE items SET name = 'two'",
            "DELETE FROM items",
            "CREATE TABLE mine (id int)",
            "TRUNCATE items",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(statement)


def test_a_writer_writes_rows_and_no_tables(engine: hvac.Client, postgres_server: PostgresServer) -> None:
    _, _, session = lease(engine, postgres_server, "readwrite")

    with session:
        session.execute("INSERT INTO items (name) VALUES ('three')")
        session.execute("UPDATE items SET name = 'drei' WHERE name = 'three'")
        session.execute("DELETE FROM items WHERE name = 'drei'")
        for statement in ("CREATE TABLE mine (id int)", "DROP TABLE items", "CREATE ROLE other", "TRUNCATE items"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(statement)


def test_a_lease_ends_with_its_session_and_leaves_what_it_owned(
    engine: hvac.Client, postgres_server: PostgresServer, owner: psycopg.Connection[Any]
) -> None:
    lease_id, user, session = lease(engine, postgres_server, "readwrite")
    owner.execute("CREATE TABLE left_behind (id int)")
    owner.execute(f'ALTER TABLE left_behind OWNER TO "{user}"')

    engine.adapter.put("/v1/sys/leases/revoke", json={"lease_id": lease_id})

    with pytest.raises(psycopg.OperationalError, match="terminating connection"):
        session.execute("SELECT 1")
    assert owner.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (user,)).fetchone() is None
    assert owner.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'left_behind'").fetchone() == (
        "vault_login",
    )


def test_a_static_login_gets_a_password_of_vaults(engine: hvac.Client, postgres_server: PostgresServer) -> None:
    password = engine.adapter.get(f"/v1/{MOUNT}/static-creds/legacy")["data"]["password"]

    psycopg.connect(postgres_server.dsn("legacy", password, "app")).close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres_server.dsn("legacy", "x", "app"))
