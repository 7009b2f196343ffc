"""The local PostgreSQL: databases, who gets in, and where its first password isn't."""

import contextlib
import os
import signal
import threading
import time

import psutil
import psycopg
import pytest

from ops.local.postgres import ROOT_ROLE, _short_path
from ops.local.servers import LocalServers
from tests.support.servers import processes_of, supervisor_pid


def test_databases_are_made_once_and_closed_to_others(platform: LocalServers) -> None:
    platform.start()
    platform.ensure_databases(["one", "two"])
    platform.ensure_databases(["one", "two", 'th"ree'])
    with platform.postgres.maintenance() as session:
        session.execute("create role guest login password 'guest'")
        owners = session.execute(
            "select datname, pg_get_userbyid(datdba) from pg_database where not datistemplate and datname <> 'postgres'"
        ).fetchall()
    assert sorted(owners) == [("one", "one"), ('th"ree', 'th"ree'), ("two", "two")]
    guest = f"host=127.0.0.1 port={platform.postgres_port} user=guest password=guest dbname=one"
    with psycopg.connect(guest) as session:
        rights = session.execute(
            "select has_schema_privilege('public', 'usage'), has_schema_privilege('public', 'create'),"
            " has_database_privilege('one', 'temporary')"
        ).fetchone()
    assert rights == (False, False, False)


def test_databases_can_be_made_after_vault_took_the_password_over(platform: LocalServers) -> None:
    platform.start()
    with platform.postgres.maintenance() as session:
        session.execute(psycopg.sql.SQL("alter role {} password 'rotated'").format(psycopg.sql.Identifier(ROOT_ROLE)))
    platform.stop()
    platform.start()
    platform.ensure_databases(["later"])
    kept = f"host=127.0.0.1 port={platform.postgres_port} user={ROOT_ROLE} password=rotated dbname=later"
    with psycopg.connect(kept) as session:
        assert session.execute("select 1").fetchone() == (1,)


def test_nobody_gets_in_without_a_password_over_the_network(platform: LocalServers) -> None:
    platform.start()
    for user in ("estate_maintenance", ROOT_ROLE):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(host="127.0.0.1", port=platform.postgres_port, user=user, dbname="postgres", password="x")


def test_the_first_password_is_in_no_log(platform: LocalServers) -> None:
    platform.start()
    password = platform.postgres.password_file.read_text()
    assert len(password) > 30
    assert password not in platform.postgres.log.read_text()
    assert all(password not in argument for process in processes_of(platform) for argument in process.cmdline())


def test_the_socket_is_for_the_maintenance_role_only(platform: LocalServers) -> None:
    platform.start()
    port = platform.postgres_port
    with (
        _short_path(platform.postgres.home / "socket", port) as host,
        pytest.raises(psycopg.OperationalError, match="pg_hba"),
    ):
        psycopg.connect(host=host, port=port, user=ROOT_ROLE, dbname="postgres", password="x")


def test_a_session_that_outlives_its_killed_server_is_ended(platform: LocalServers) -> None:
    """A computing session doesn't notice that its server is gone; a new server must not meet it."""
    platform.start()
    with platform.postgres.maintenance() as session:
        pid = session.info.backend_pid
        busy = threading.Thread(target=_compute, args=[session])
        busy.start()
        time.sleep(0.3)
        for killed in (supervisor_pid(platform), platform.status().postgres.pid):
            os.kill(killed or 0, signal.SIGKILL)
        assert psutil.pid_exists(pid)
        platform.stop()
        busy.join()
    assert processes_of(platform) == []


def _compute(session: psycopg.Connection) -> None:
    with contextlib.suppress(psycopg.OperationalError):
        session.execute("select count(*) from generate_series(1, 1000000000000) where generate_series % 7 = 8")
