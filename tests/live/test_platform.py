"""The local platform against real processes: data that survives, ports, permissions, faults, and nothing left behind.

Doesn't prove: a machine's reboot (killing everything at once stands in for it).
"""

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from composition.private_files import private_directory
from ops.errors import EstateError
from ops.keys.certificates import ensure_authority
from ops.local import servers
from ops.local.bootstrap import bootstrap
from ops.local.servers import LocalServers
from ops.processes import supervisor
from tests.support.servers import (
    ADMINISTRATOR_POLICY,
    administrator_client,
    call,
    eventually,
    free_ports,
    new_platform,
    processes_of,
    supervisor_pid,
)


def remember(platform: LocalServers) -> None:
    """Store something on both servers."""
    bootstrap(platform, policy=ADMINISTRATOR_POLICY)
    client = administrator_client(platform)
    call(client, "post", "sys/mounts/kept", {"type": "kv"})
    call(client, "post", "kept/it", {"value": "still here"})
    platform.ensure_databases(["kept"])
    with platform.postgres.maintenance("kept") as session:
        session.execute("create table it as select 'still here' as value")


def remembered(platform: LocalServers) -> list[str]:
    with platform.postgres.maintenance("kept") as session:
        row = session.execute("select value from it").fetchone()
    return [call(administrator_client(platform), "get", "kept/it")["data"]["value"], *(row or ())]


def child_pids(platform: LocalServers) -> tuple[int, int]:
    status = platform.status()
    assert status.openbao.pid is not None
    assert status.postgres.pid is not None
    return status.openbao.pid, status.postgres.pid


def test_starting_twice_is_starting_once_and_stopping_leaves_nothing(platform: LocalServers) -> None:
    platform.start()
    before = (supervisor_pid(platform), *child_pids(platform))
    platform.start()
    assert (supervisor_pid(platform), *child_pids(platform)) == before
    assert len(processes_of(platform)) >= 3
    platform.stop()
    platform.stop()
    assert eventually(lambda: processes_of(platform) == [], 5)
    status = platform.status()
    assert (status.supervised, status.openbao.running, status.postgres.running) == (False, False, False)


def test_data_survives_a_stop_and_every_kind_of_kill(platform: LocalServers) -> None:
    platform.start()
    remember(platform)
    platform.stop()
    platform.start()
    assert remembered(platform) == ["still here"] * 2

    for pid in child_pids(platform):  # the supervisor brings them back by itself
        os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: platform.openbao.is_ready() and platform.postgres.is_ready())
    assert remembered(platform) == ["still here"] * 2
    assert platform.status().openbao.restarts == 1

    os.kill(supervisor_pid(platform), signal.SIGKILL)
    assert eventually(lambda: not platform.status().supervised)
    orphans = child_pids(platform)
    platform.start()
    assert set(child_pids(platform)).isdisjoint(orphans)
    assert remembered(platform) == ["still here"] * 2

    for pid in (supervisor_pid(platform), *child_pids(platform)):  # as a power cut does
        os.kill(pid, signal.SIGKILL)
    platform.start()
    assert remembered(platform) == ["still here"] * 2


def test_stop_ends_servers_whose_supervisor_was_killed(platform: LocalServers) -> None:
    platform.start()
    os.kill(supervisor_pid(platform), signal.SIGKILL)
    platform.stop()
    assert eventually(lambda: processes_of(platform) == [], 5)


def test_interrupted_while_starting_it_leaves_nothing_running(platform: LocalServers) -> None:
    ports = [str(port) for port in (platform.api_port, platform.cluster_port, platform.postgres_port)]
    code = (
        "import sys; from pathlib import Path; from ops.local.servers import LocalServers;"
        "LocalServers(Path(sys.argv[1]), api_port=int(sys.argv[2]), cluster_port=int(sys.argv[3]),"
        " postgres_port=int(sys.argv[4])).start()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(platform.directory), *ports], stderr=subprocess.PIPE, text=True
    )
    assert eventually((platform.directory / supervisor.PID).exists)
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate()[1]
    assert eventually(lambda: processes_of(platform) == [], 5)
    platform.start()


def test_a_recycled_pid_is_never_killed(platform: LocalServers) -> None:
    innocent = subprocess.Popen(["sleep", "60"])
    try:
        private_directory(platform.directory)
        (platform.directory / supervisor.PID).write_text(f"{innocent.pid}\nanother-boot/1\n")
        platform.stop()
        assert innocent.poll() is None
    finally:
        innocent.kill()
        innocent.wait()


def test_everything_is_closed_to_others(platform: LocalServers) -> None:
    platform.start()
    remember(platform)
    open_to_others = [
        str(path)
        for path in [platform.directory, *platform.directory.rglob("*")]
        if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077 and not path.is_socket()
    ]
    assert open_to_others == []


def test_a_directory_left_open_is_closed(platform: LocalServers) -> None:
    platform.directory.chmod(0o755)
    platform.start()
    assert stat.S_IMODE(platform.directory.stat().st_mode) == 0o700


@pytest.mark.parametrize("setting", ["api_port", "cluster_port", "postgres_port"])
def test_a_port_in_use_is_named_with_its_holder_before_anything_is_written(tmp_path: Path, setting: str) -> None:
    platform = new_platform(tmp_path / "estate")
    port = getattr(platform, setting)
    code = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); print(flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(
            EstateError, match=rf"^platform.{setting} is {port}, which is held by process {holder.pid} \(python"
        ):
            platform.start()
        assert sorted(path.name for path in platform.directory.iterdir()) == ["platform.lock"]
    finally:
        holder.kill()
        holder.wait()


def test_a_server_that_is_not_ours_on_our_port_is_noticed(platform: LocalServers, tmp_path: Path) -> None:
    platform.start()
    other = new_platform(tmp_path / "other")
    other.api_port = platform.api_port
    stranger = LocalServers(
        tmp_path / "other", api_port=platform.api_port, cluster_port=free_ports(1)[0], postgres_port=free_ports(1)[0]
    )
    with pytest.raises(EstateError, match="a server that is not ours"):
        stranger.start()
    ensure_authority(private_directory(stranger.directory / "tls"))
    with pytest.raises(
        EstateError, match=rf"^platform.api_port is {platform.api_port}, where a server answers that is not ours"
    ):
        stranger.openbao.health()


def test_changed_ports_are_taken_up_by_the_next_start(platform: LocalServers) -> None:
    platform.start()
    remember(platform)
    api_port, cluster_port, postgres_port = free_ports(3)
    moved = LocalServers(platform.directory, api_port=api_port, cluster_port=cluster_port, postgres_port=postgres_port)
    moved.start()
    assert remembered(moved) == ["still here"] * 2
    assert platform.openbao.health() is None


@pytest.mark.parametrize("setting", ["api_port", "cluster_port", "postgres_port"])
def test_a_changed_port_that_is_in_use_leaves_the_servers_running(platform: LocalServers, setting: str) -> None:
    platform.start()
    before = child_pids(platform)
    with socket.create_server(("127.0.0.1", 0)) as other:
        ports = {name: getattr(platform, name) for name in ("api_port", "cluster_port", "postgres_port")}
        moved = LocalServers(platform.directory, **ports | {setting: other.getsockname()[1]}, section="a file: x")
        with pytest.raises(
            EstateError, match=rf"^a file: x\.{setting} is \d+, which is held by process {os.getpid()} "
        ):
            moved.start()
    assert child_pids(platform) == before
    assert platform.openbao.is_ready()


def test_a_second_command_at_the_same_time_is_refused(platform: LocalServers) -> None:
    with platform._lock(), pytest.raises(EstateError, match="is being started or stopped by another command; expected"):
        platform.start()


def test_a_long_path_works(tmp_path: Path, postgres_template: Path) -> None:
    directory = tmp_path / ("long-" * 20) / ("longer-" * 20) / "estate"
    assert len(str(directory)) > 260
    platform = new_platform(directory, postgres_template)
    try:
        platform.start()
        remember(platform)
        assert remembered(platform) == ["still here"] * 2
    finally:
        platform.stop()


@pytest.mark.parametrize("name", ["blank space", 'quo"te', "ünï"])
def test_an_unusual_path_works(tmp_path: Path, postgres_template: Path, name: str) -> None:
    platform = new_platform(tmp_path / name, postgres_template)
    try:
        platform.start()
        assert bootstrap(platform, policy=ADMINISTRATOR_POLICY)
    finally:
        platform.stop()


def test_a_lost_seal_key_is_named_and_never_replaced(platform: LocalServers) -> None:
    platform.start()
    platform.stop()
    key = platform.directory / "openbao" / "seal.key"
    key.unlink()
    with pytest.raises(EstateError, match=r"seal\.key is missing, while .*data holds data that only it can open"):
        platform.start()
    assert not key.exists()
    assert processes_of(platform) == []


def test_a_wrong_seal_key_is_told_by_the_server(platform: LocalServers) -> None:
    platform.start()
    bootstrap(platform, policy=ADMINISTRATOR_POLICY)
    platform.stop()
    (platform.directory / "openbao" / "seal.key").write_bytes(os.urandom(32))
    with pytest.raises(EstateError, match=r"openbao stays sealed: .*message authentication failed"):
        platform.start()
    assert processes_of(platform) == []


def test_one_that_waits_for_its_first_boot_is_not_taken_for_one_that_stays_sealed(
    platform: LocalServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "UNSEAL_SECONDS", 0.0)

    platform.start()

    assert (platform.status().initialized, platform.status().sealed) == (False, True)


def test_damaged_storage_is_told_by_the_server(platform: LocalServers) -> None:
    platform.start()
    bootstrap(platform, policy=ADMINISTRATOR_POLICY)
    platform.stop()
    (platform.directory / "openbao" / "data" / "vault.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(EstateError, match=r"openbao could not start .*invalid database"):
        platform.start()
    assert processes_of(platform) == []


def test_a_damaged_database_is_told_by_the_server(platform: LocalServers) -> None:
    platform.start()
    platform.stop()
    (platform.directory / "postgres" / "db" / "global" / "pg_control").write_bytes(b"")
    with pytest.raises(EstateError, match=r"postgres could not start .*pg_control"):
        platform.start()
    assert processes_of(platform) == []


def test_a_directory_that_cant_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    platform = new_platform(tmp_path / "file" / "estate")
    with pytest.raises(EstateError, match=r"file.*: (Not a directory|File exists)"):
        platform.start()


def test_wiping_removes_all_of_ours_and_nothing_else(platform: LocalServers) -> None:
    platform.start()
    bootstrap(platform, policy=ADMINISTRATOR_POLICY)
    others = platform.directory / "someone-elses"
    others.write_text("")
    (platform.directory / ".administrator.key.0a1b2c3d").write_text("half a write")
    platform.wipe()
    assert list(platform.directory.iterdir()) == [others]
    others.unlink()
    platform.wipe()
    assert not platform.directory.exists()
    platform.wipe()


def test_logs_and_audit_are_rotated_while_it_runs(platform: LocalServers) -> None:
    platform.start()
    bootstrap(platform, policy=ADMINISTRATOR_POLICY)
    audit = platform.directory / "openbao" / "audit.log"
    with audit.open("ab") as stream:  # what months of use would have written
        stream.truncate(33 << 20)
    with platform.openbao.log.open("ab") as stream:
        stream.truncate(9 << 20)
    os.kill(supervisor_pid(platform), signal.SIGHUP)
    assert eventually(lambda: audit.with_name("audit.log.1").exists() and audit.exists())
    assert eventually(lambda: platform.openbao.log.stat().st_size < 1 << 20)
    before = audit.stat().st_size
    administrator_client(platform)
    assert eventually(lambda: audit.stat().st_size > before)
    assert stat.S_IMODE(audit.stat().st_mode) == 0o600
    assert stat.S_IMODE(audit.with_name("audit.log.1").stat().st_mode) == 0o600


def test_only_tls_13_is_spoken(platform: LocalServers) -> None:
    platform.start()
    tried = {}
    for version in ("1_2", "1_3"):
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{platform.api_port}", f"-tls{version}", "-brief"]
        tried[version] = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode
    assert tried["1_2"] != 0
    assert tried["1_3"] == 0


def test_a_renewed_certificate_is_taken_up_without_a_restart(platform: LocalServers) -> None:
    platform.start()
    pids = child_pids(platform)
    for path in (platform.directory / "tls").iterdir():
        path.unlink()
    platform.start()
    assert child_pids(platform) == pids
    assert platform.openbao.is_ready()


def test_a_certificate_renewed_by_a_start_that_was_killed_is_taken_up_by_the_next(platform: LocalServers) -> None:
    platform.start()
    pids = child_pids(platform)
    for path in (platform.directory / "tls").iterdir():
        path.unlink()
    assert ensure_authority(platform.directory / "tls").renewed
    platform.start()
    assert child_pids(platform) == pids
    assert platform.openbao.is_ready()
