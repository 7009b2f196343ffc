"""What the local platform says where it can't be run, on a machine that lacks something."""

import os
import socket
import threading
from pathlib import Path

import psutil
import pytest

from ops.errors import EstateError
from ops.local import postgres
from ops.local.bootstrap import run_script
from ops.local.openbao import OpenBao
from ops.local.postgres import Postgres
from ops.local.servers import LocalServers
from ops.processes import ports


def test_a_denied_user_namespace_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    denied = tmp_path / "unshare"
    denied.write_text("#!/bin/sh\necho unshare failed: Operation not permitted >&2\nexit 1\n")
    denied.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(
        EstateError,
        match=r"user namespace is denied \(unshare failed: Operation not permitted\); expected an ordinary user",
    ):
        postgres.require_namespaces()


def test_a_missing_unshare_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EstateError, match=r"`unshare` \(util-linux\) is missing"):
        postgres.require_namespaces()


def test_an_ordinary_user_needs_no_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    postgres.require_namespaces()
    assert Postgres(directory=tmp_path, port=5432).child().argv[0].endswith("/bin/postgres")


def test_an_initdb_that_fails_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "initdb"
    program.write_text("#!/bin/sh\necho working\necho 'initdb: error: could not create directory' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(postgres, "_program", lambda _: str(program))
    monkeypatch.setattr(postgres, "_as_nobody", list)
    with pytest.raises(EstateError, match=r"^postgres: initdb failed: initdb: error: could not create directory$"):
        Postgres(directory=tmp_path / "estate", port=5432).prepare()
    assert not (tmp_path / "estate" / "postgres" / "db").exists()


def test_a_path_too_long_for_a_socket_is_named_where_there_is_no_way_around(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "is_dir", lambda _: False)
    cluster = Postgres(directory=tmp_path / ("long-" * 30), port=5432)
    with pytest.raises(EstateError, match="is too long a path for a socket; expected"), cluster.maintenance():
        pass


def test_a_database_that_is_not_prepared_is_not_ready_however_long_its_path(tmp_path: Path) -> None:
    assert not Postgres(directory=tmp_path / "estate", port=5432).is_ready()
    assert not Postgres(directory=tmp_path / ("long-" * 30), port=5432).is_ready()


def test_a_seal_key_of_another_size_is_named(tmp_path: Path) -> None:
    server = OpenBao(directory=tmp_path, api_port=8200, cluster_port=8201)
    server.prepare()
    (tmp_path / "openbao" / "seal.key").write_bytes(b"short")
    with pytest.raises(EstateError, match=r"seal\.key is 5 bytes long; expected 32$"):
        server.prepare()


def test_where_only_root_may_ask_the_holder_of_a_port_stays_unnamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "ENDING_SECONDS", 0.1)

    def denied(kind: str) -> list[object]:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", denied)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(
            EstateError, match=rf"^api_port is {port}, which is held by a process that can't be named, "
        ):
            ports.require_free("api_port", port)


def test_a_port_whose_holder_is_just_ending_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "holder", lambda _port: None)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    threading.Timer(0.3, listener.close).start()
    ports.require_free("api_port", port)
    assert ports.is_free(port)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import sys; sys.exit(9)", "ended with 9 and said nothing"),
        ("import sys; sys.exit('one sentence')", "one sentence"),
    ],
)
def test_the_bootstrap_scripts_words_are_told(tmp_path: Path, program: str, words: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(program)
    with pytest.raises(EstateError, match=words):
        run_script(script, tmp_path / "parameters.json")


def test_a_platform_that_was_never_started_runs_nothing(tmp_path: Path) -> None:
    platform = LocalServers(tmp_path / "never", api_port=18200, cluster_port=18201, postgres_port=18202)
    platform.stop()
    platform.wipe()
    status = platform.status()
    assert (status.supervised, status.openbao.running, status.initialized, status.sealed) == (False, False, None, None)
    assert status.openbao.restarts == 0
    assert not platform.directory.exists()


def test_a_database_that_does_not_answer_is_told(tmp_path: Path) -> None:
    platform = LocalServers(tmp_path, api_port=18200, cluster_port=18201, postgres_port=18202)
    (tmp_path / "postgres" / "socket").mkdir(parents=True)
    with pytest.raises(EstateError, match=r"postgres: databases \['app'\] could not be made: "):
        platform.ensure_databases(["app"])
