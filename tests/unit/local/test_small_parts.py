"""Private files, rotation, logs, ports and operators' keys."""

import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from composition.private_files import create_private, private_directory, write_private
from ops.errors import EstateError
from ops.keys.pgp import ensure_operator, read_public_key
from ops.local.servers import LocalServers
from ops.processes.logs import last_error, redact, size
from ops.processes.ports import holder, is_free, require_free
from ops.processes.rotation import RotatedLog, expire, rotate
from tests.support.servers import free_ports

FAKE_TOKEN = "hvs" + "." + "CAESI" + "x" * 20
FAKE_KEY = "A1b2" * 11


def test_a_private_file_is_replaced_whole_and_stays_private(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, b"new")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_keeps_the_old_content_and_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device") as raised:
        write_private(path, b"new")
    assert raised.value.filename == str(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_created_once(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert create_private(path, b"first") is True
    assert create_private(path, b"second") is False
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_of_two_who_create_one_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"first")
    monkeypatch.setattr(Path, "exists", lambda _: False)  # as it looked just before the other one wrote
    assert create_private(path, b"second") is False
    assert path.read_bytes() == b"first"


def test_a_directory_is_closed(tmp_path: Path) -> None:
    assert stat.S_IMODE(private_directory(tmp_path / "a" / "b").stat().st_mode) == 0o700
    (tmp_path / "open").mkdir(mode=0o755)
    assert stat.S_IMODE(private_directory(tmp_path / "open").stat().st_mode) == 0o700


@pytest.mark.parametrize("by_rename", [True, False])
def test_rotation_keeps_so_many_and_loses_no_line(tmp_path: Path, by_rename: bool) -> None:
    log = RotatedLog(path=tmp_path / "log", max_bytes=10, keep=2, by_rename=by_rename)
    assert rotate(log) is False
    for number in range(4):
        log.path.write_text(f"lines of {number}\n")
        assert rotate(log) is True
        assert log.path.exists() is not by_rename
    assert (tmp_path / "log.1").read_text() == "lines of 3\n"
    assert (tmp_path / "log.2").read_text() == "lines of 2\n"
    assert not (tmp_path / "log.3").exists()


def test_a_small_log_is_left_alone(tmp_path: Path) -> None:
    log = RotatedLog(path=tmp_path / "log", max_bytes=10, keep=2)
    log.path.write_text("123456789")
    assert rotate(log) is False
    log.path.write_text("1234567890")
    assert rotate(log) is True
    assert log.path.read_text() == ""


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    log = RotatedLog(path=tmp_path / "log", max_bytes=1, keep=4, max_age_seconds=60)
    log.path.touch()
    for number, age in ((1, 1_000), (2, 59), (3, 61), (4, 1_000)):
        old = tmp_path / f"log.{number}"
        old.touch()
        os.utime(old, (time.time() - age,) * 2)
    expire(log)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["log", "log.2"]
    expire(RotatedLog(path=tmp_path / "log", max_bytes=1, keep=4))
    assert (tmp_path / "log.2").exists()


def test_a_writer_that_appends_goes_on_after_a_copy(tmp_path: Path) -> None:
    log = RotatedLog(path=tmp_path / "log", max_bytes=1, keep=1)
    with log.path.open("a") as writer:
        writer.write("one\n")
        writer.flush()
        rotate(log)
        writer.write("two\n")
    assert (tmp_path / "log.1").read_text() == "one\n"
    assert log.path.read_text() == "two\n"


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (f"token {FAKE_TOKEN} used", "token [redacted] used"),
        (f"key {FAKE_KEY}", "key [redacted]"),
        ("password=hunter2 x", "[redacted] x"),
        ('{"token": "short"} x', '{"[redacted] x'),
        ("the token was revoked", "the token was revoked"),
        ("bind: address already in use", "bind: address already in use"),
    ],
)
def test_secrets_in_log_lines_are_redacted(line: str, kept: str) -> None:
    assert redact(line) == kept


def test_the_last_error_of_this_start_is_found(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert (last_error(log), size(log)) == (None, 0)
    log.write_text("error: of an earlier start\n")
    since = size(log)
    assert last_error(log, since) is None
    with log.open("a") as stream:
        stream.write('{"@level":"info","@message":"starting"}\n')
        assert last_error(log, since) is None
        stream.flush()
        assert last_error(log, since) == "info: starting"
        stream.write('{"@level":"error","@message":"no","error":"bind: address in use"}\n==> shut down\n{"half')
    assert last_error(log, since) == "error: no: bind: address in use"
    log.write_text("==> Error parsing\n")
    assert last_error(log) == "Error parsing"


def test_a_ports_holder_is_named() -> None:
    (port,) = free_ports(1)
    assert is_free(port)
    code = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); print(flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        assert not is_free(port)
        assert (holder(port) or "").startswith(f"process {process.pid} (python")
        with pytest.raises(EstateError, match=rf"^api_port is {port}, which is held by process {process.pid} "):
            require_free("api_port", port)
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


@pytest.mark.parametrize("port", [0, 1023, 65536])
def test_a_port_that_cant_be_is_refused(port: int) -> None:
    with pytest.raises(EstateError, match=rf"^api_port is {port}; expected a port between 1024 and 65535$"):
        require_free("api_port", port)


def test_a_free_port_has_no_holder() -> None:
    (port,) = free_ports(1)
    assert holder(port) is None
    with socket.create_server(("127.0.0.1", port)):
        assert (holder(port) or "").startswith(f"process {os.getpid()} ")


def test_equal_ports_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EstateError, match=r"^local ports are .*8200.*; expected three that differ$"):
        LocalServers(tmp_path, api_port=8200, cluster_port=8200, postgres_port=5432)


def test_an_operators_pair_is_made_once_and_never_replaced(tmp_path: Path) -> None:
    public = ensure_operator(tmp_path / "operator")
    private = tmp_path / "operator" / "private.asc"
    before = private.read_bytes()
    public.unlink()
    assert ensure_operator(tmp_path / "operator") == public
    assert private.read_bytes() == before
    assert "PUBLIC KEY" in read_public_key("ada", public)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    private.write_text("damaged")
    with pytest.raises(EstateError, match=r"private\.asc is no PGP private key; expected"):
        ensure_operator(tmp_path / "operator")
    private.unlink()
    kept = public.read_bytes()
    with pytest.raises(EstateError, match=r"private\.asc is missing, while public\.asc is there; expected both"):
        ensure_operator(tmp_path / "operator")
    assert (public.read_bytes(), private.exists()) == (kept, False)


def test_what_isnt_a_public_key_is_named_with_its_operator(tmp_path: Path) -> None:
    ensure_operator(tmp_path)
    (tmp_path / "text").write_text("not a key")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name, words in {
        "missing": "can't be read; expected an armored PGP public key",
        "binary": "can't be read; expected an armored PGP public key",
        "text": "holds none; expected an armored PGP public key",
        "private.asc": "holds a private key",
    }.items():
        with pytest.raises(EstateError, match=rf"^operator 'ada': .*{name} {words}"):
            read_public_key("ada", tmp_path / name)
