"""Database logins: each opens a session, and a leased one may do there what its role says and nothing else."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import hvac
import psycopg

from components.vault.database import DatabaseConnection
from ops.processes.servers import eventually
from ops.vault.api import call
from ops.vault.checks.outcome import CheckError
from settings.grants import DatabaseGrant, StaticDatabaseGrant

REVOCATION_SECONDS = 10.0
"""How long a revoked login may still work; measured here: under 0.1 s."""


@dataclass(frozen=True, kw_only=True)
class LeasedLogin:
    """A login that ends with its token."""

    label: str
    """The grant's."""
    conninfo: str = field(repr=False)
    """Connection string, with the password."""


def check(client: hvac.Client, grant: DatabaseGrant, leased: list[LeasedLogin]) -> None:
    """Lease a login, which is added to `leased` before it is used, and open a session with it.
    Raises CheckError: the session is another user's, or has other rights than the role says."""
    credentials = call(client, "get", f"{grant.mount}/creds/{grant.name}")["data"]
    conninfo = _conninfo(grant.connection, credentials["username"], credentials["password"])
    leased.append(LeasedLogin(label=grant.label, conninfo=conninfo))
    with psycopg.connect(conninfo) as session:
        _check_user(session, credentials["username"])
        _check_rights(session, grant)


def check_static(client: hvac.Client, grant: StaticDatabaseGrant) -> None:
    """Read the login of an existing user and open a session with it. There is no lease to end.

    What that user may do is the database's own business.
    Raises CheckError: the login is another user's than the role's."""
    credentials = call(client, "get", f"{grant.mount}/static-creds/{grant.name}")["data"]
    if credentials["username"] != grant.role.username:
        raise CheckError(f"is the login of {credentials['username']}; expected {grant.role.username}")
    with psycopg.connect(_conninfo(grant.connection, credentials["username"], credentials["password"])) as session:
        _check_user(session, grant.role.username)


def check_revoked(leased: Sequence[LeasedLogin]) -> None:
    """Look whether logins are dead, after the token that leased them was revoked.
    Raises CheckError: one still works."""
    for login in leased:
        if not eventually(partial(_is_dead, login.conninfo), REVOCATION_SECONDS, poll_seconds=0.1):
            raise CheckError(f"a revoked login of {login.label} still works")


def _conninfo(connection: DatabaseConnection, username: str, password: str) -> str:
    return psycopg.conninfo.make_conninfo(
        host=connection.host,
        port=connection.port,
        dbname=connection.database,
        user=username,
        password=password,
        connect_timeout=5,
    )


def _check_user(session: psycopg.Connection, username: str) -> None:
    found = session.execute("select current_user").fetchone()
    if found is None or found[0] != username:
        raise CheckError("the session is another user's")


def _check_rights(session: psycopg.Connection, grant: DatabaseGrant) -> None:
    readonly = grant.role.access == "readonly"
    wanted = "select" if readonly else "select, insert, update, delete"
    tables = session.execute(
        "select c.oid::regclass::text, has_table_privilege(c.oid, 'select'),"
        " has_table_privilege(c.oid, 'insert'), has_table_privilege(c.oid, 'update'),"
        " has_table_privilege(c.oid, 'delete')"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = %s and c.relkind = 'r'",
        [grant.role.schema_name],
    ).fetchall()
    for table, *rights in tables:
        if rights != [True, *[not readonly] * 3]:
            raise CheckError(f"should have {wanted} on {table}, and nothing else")
    if readonly and _can_create(session, grant.role.schema_name):
        raise CheckError("is readonly, but could create a table")


def _can_create(session: psycopg.Connection, schema: str) -> bool:
    name = psycopg.sql.Identifier(schema, f"estate_check_{secrets.token_hex(4)}")
    try:
        session.execute(psycopg.sql.SQL("create table {} (n int)").format(name))
    except psycopg.errors.InsufficientPrivilege:
        return False
    else:
        return True
    finally:
        session.rollback()


def _is_dead(conninfo: str) -> bool:
    try:
        psycopg.connect(conninfo).close()
    except psycopg.OperationalError:
        return True
    return False
