"""Each host item of the hardening checklist, asserted on a node of each image, booted from the rendered user-data.

What stays a machine's, and differs from a server of Hetzner's: kernel settings are written to copies, chronyd doesn't
set the clock, limits can't be above the host's, and AppArmor is there only where the host's kernel has it.
"""

import http.server
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from fake_providers import machines
from fake_providers.machines import network
from fake_providers.machines.disks import Volume
from tests.support.booting import MIRROR_PORT, BootedNode, Quiet
from tests.support.servers import eventually

METADATA = "169.254.169.254"
CAP_SYS_RESOURCE = 24
"""Its number in linux/capability.h."""
MAXIMUM_EXPOSURE = 1.5
"""Of `systemd-analyze security`; the issue's gate."""
AS_VAULT = "setpriv --reuid=8200 --regid=8200 --clear-groups --"
WRITABLE_BY_ANYONE = r"^/(proc|sys|dev|tmp|var/tmp|var/crash|run/lock|run/user|run/screen)(/|$)"
"""`/var/crash` is Ubuntu's alone, and like `/tmp`."""


USERS = {"ubuntu-24.04": {"systemd-resolve"}}
PLACES = {"ubuntu-24.04": {"127.0.0.53%lo:53", "127.0.0.54:53"}}
"""What an image's own programs run as, and listen at, beside Debian's: Ubuntu's resolver, for the host itself only."""


@pytest.fixture(scope="module", params=machines.IMAGES)
def node(request: pytest.FixtureRequest, nodes: Callable[[str], BootedNode]) -> BootedNode:
    """A node of each image."""
    return nodes(request.param)


@pytest.fixture(scope="module", autouse=True)
def settled(node: BootedNode) -> None:
    """The first boot is over, so that nothing here is seen half-done."""
    assert "status: done" in node.wait_for_cloud_init()


def process(node: BootedNode) -> str:
    """Number of the server's process, as the node counts."""
    number = node.sh("systemctl show --property MainPID --value vault.service")
    assert int(number) > 1
    return number


def property_of(node: BootedNode, name: str, unit: str = "vault.service") -> str:
    """What systemd says of a unit."""
    return node.sh(f"systemctl show --property {name} --value {unit}")


# 1 and 6: who runs


def test_the_server_runs_as_its_own_user_who_can_not_log_in(node: BootedNode) -> None:
    status = node.sh(f"cat /proc/{process(node)}/status")
    assert re.search(r"^Uid:\s+8200\s+8200\s+8200\s+8200$", status, re.MULTILINE)
    assert re.search(r"^Gid:\s+8200\s+8200\s+8200\s+8200$", status, re.MULTILINE)
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert re.search(rf"^{kind}:\s+0+$", status, re.MULTILINE), kind
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert re.search(r"^Seccomp:\s+2$", status, re.MULTILINE)
    assert node.sh("getent passwd vault").endswith(":/nonexistent:/usr/sbin/nologin")
    assert node.sh("passwd --status vault").split()[1] == "L"


def test_nobody_else_has_a_program_here(node: BootedNode) -> None:
    owners = set(node.sh("ps -eo user:32= | sort -u").split())
    assert owners == {"root", "vault", "_chrony", "messagebus"} | USERS.get(node.image, set())


# 2, 15 and 20: what is writable


def test_the_server_can_write_its_storage_and_its_log_and_nothing_else(node: BootedNode) -> None:
    look = r"find / \( -path /proc -o -path /sys \) -prune -o \( -type f -o -type d \) -writable -print 2>/dev/null"
    inside = f"nsenter --target {process(node)} --mount --wd=/ {AS_VAULT} {look} || true"
    found = [path for path in node.sh(inside).splitlines() if not path.startswith("/dev/")]
    # The log has two paths: its folder on the volume is bound to the one in /var/log.
    own = re.compile(r"^/var/lib/vault/(raft|audit)(/|$)|^/var/log/vault(/|$)|^/run/vault(/|$)|^/(var/)?tmp(/|$)")
    assert [path for path in found if not own.match(path)] == []
    assert "/var/lib/vault/raft/vault.db" in found

    outside = node.sh(f"{AS_VAULT} {look} || true").splitlines()
    others = [path for path in outside if not own.match(path) and not re.match(WRITABLE_BY_ANYONE, path)]
    assert others == []


def test_binary_configuration_and_scripts_belong_to_root(node: BootedNode) -> None:
    listed = node.sh(
        "stat --format '%n %U:%G %a' /usr/local/bin/bao /etc/vault-estate /etc/vault-estate/* "
        "/usr/local/lib/vault-estate /usr/local/lib/vault-estate/* /etc/systemd/system/vault*.service"
    )
    for line in listed.splitlines():
        name, owner, mode = line.split()
        assert owner == "root:root", line
        assert int(mode, 8) & 0o022 == 0, line
        assert name != "/etc/vault-estate/bootstrap.json" or mode == "600"


def test_storage_is_a_volume_of_its_own_and_closed_to_others(node: BootedNode) -> None:
    source, kind, options = node.sh("findmnt --noheadings --output SOURCE,FSTYPE,OPTIONS /var/lib/vault").split()
    assert (source, kind) == ("/dev/sdb", "ext4")
    assert {"nodev", "nosuid", "noexec"} <= set(options.split(","))
    assert node.sh(f"readlink --canonicalize {node.place.volume_device}") == source
    modes = node.sh("cd /var/lib/vault && stat --format '%n %U:%G %a' raft tls tls/server.key custody credentials")
    assert modes.splitlines() == [
        "raft vault:vault 700",
        "tls root:vault 750",
        "tls/server.key root:vault 640",
        "custody root:root 700",
        "credentials root:root 700",
    ]
    assert node.sh(
        "stat --format '%U %a' /var/lib/vault/custody/shares.json /var/lib/vault/credentials/seal-key"
    ).split("\n") == ["root 600", "root 600"]


# 3 and 17: what is spoken


def test_only_tls_13_is_spoken_and_browsers_are_told_so(node: BootedNode) -> None:
    address = (node.ip_address, 8200)
    older = ssl.create_default_context(cafile=str(node.certificate()))
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        pytest.raises(ssl.SSLError, match="version"),
        socket.create_connection(address, timeout=5) as plain,
        older.wrap_socket(plain, server_hostname=node.ip_address),
    ):
        pass
    answer = requests.get(f"https://{node.ip_address}:8200/v1/sys/health", verify=str(node.certificate()), timeout=5)
    assert answer.status_code == 200
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
    with pytest.raises(requests.RequestException):
        requests.get(f"http://{node.ip_address}:8200/v1/sys/health", timeout=5).raise_for_status()


# 4, 5, 29 and 31: memory and limits


def test_nothing_of_the_servers_memory_reaches_a_disk(node: BootedNode) -> None:
    assert len(node.sh("cat /proc/swaps").splitlines()) == 1
    assert node.machine.run(["grep", "--quiet", "swap", "/etc/fstab"]).returncode != 0
    assert property_of(node, "MemorySwapMax") == "0"
    assert node.sh("sysctl --values fs.suid_dumpable kernel.core_pattern vm.swappiness").split("\n") == [
        "0",
        "|/bin/false",
        "0",
    ]
    # Ubuntu's collector of core dumps, which would name itself there at each start.
    collector = node.sh("systemctl is-enabled apport.service 2>/dev/null || true")
    assert collector == ("masked" if node.image.startswith("ubuntu") else "")


def test_limits(node: BootedNode) -> None:
    lines = node.sh(f"cat /proc/{process(node)}/limits").splitlines()[1:]
    limits = {line[:26].strip(): line[26:].split()[:2] for line in lines}
    assert limits["Max core file size"] == ["0", "0"]
    assert property_of(node, "LimitNOFILE") == "65536"
    # A machine's limits are at most its host's, and only a host with CAP_SYS_RESOURCE raises them.
    first = node.sh("awk '/^Max open files/ { print $5 }' /proc/1/limits")
    assert limits["Max open files"] == [str(min(65536, int(first)))] * 2
    assert limits["Max processes"] == ["4096", "4096"]


def test_the_kernel_was_told_everything(node: BootedNode) -> None:
    wanted = dict(line.split(" = ") for line in node.sh("grep = /etc/sysctl.d/90-vault-estate.conf").splitlines())
    assert len(wanted) > 10
    unknown = {name for name in wanted if node.machine.run(["sysctl", "--values", name]).returncode}
    # Parts a kernel may be built without.
    assert unknown <= {"kernel.yama.ptrace_scope", "kernel.unprivileged_bpf_disabled"}
    for name in wanted.keys() - unknown:
        assert node.sh(f"sysctl --values {name}") == wanted[name], name


# 7 and 25: who comes in, what goes out


def test_only_the_api_is_reached_from_outside(node: BootedNode) -> None:
    listening = {line.split()[3] for line in node.sh("ss --no-header --listening --tcp --numeric").splitlines()}
    own = PLACES.get(node.image, set())
    assert listening == {"0.0.0.0:8200", "127.0.0.1:8201"} | own
    datagrams = {line.split()[3] for line in node.sh("ss --no-header --listening --udp --numeric").splitlines()}
    assert datagrams <= {"127.0.0.1:323", "[::1]:323"} | own
    socket.create_connection((node.ip_address, 8200), timeout=5).close()


def test_a_program_that_listens_is_not_reached(node: BootedNode) -> None:
    node.sh("systemd-run --quiet --unit=listener python3 -m http.server 9999")
    try:
        node.sh("timeout 10 sh -c 'until curl --silent --output /dev/null http://127.0.0.1:9999/; do sleep 0.1; done'")
        with pytest.raises(TimeoutError):
            socket.create_connection((node.ip_address, 9999), timeout=2)
    finally:
        node.sh("systemctl stop listener")


def test_nothing_goes_out_that_is_not_planned(node: BootedNode) -> None:
    gateway = machines.gateway(node.machines)
    connect = "timeout 3 python3 -c 'import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])))'"
    with socket.create_server((gateway, 9998)) as listening:
        assert listening.getsockname()
        assert node.machine.run(["sh", "-c", f"{connect} {gateway} 9998"]).returncode != 0
    assert node.machine.run(["sh", "-c", f"{connect} {gateway} {MIRROR_PORT}"]).returncode == 0


def test_ssh_is_put_away(node: BootedNode) -> None:
    assert node.sh("dpkg --status openssh-server | grep Status") == "Status: install ok installed"
    for unit in ("ssh.service", "ssh.socket"):
        assert node.sh(f"systemctl is-enabled {unit} || true") == "masked"
        assert node.sh(f"systemctl is-active {unit} || true") == "inactive"
    with pytest.raises(TimeoutError):
        socket.create_connection((node.ip_address, 22), timeout=2)
    assert node.sh("passwd --status root").split()[1] == "L"
    people = [line for line in node.sh("getent passwd").splitlines() if line.endswith(("/bash", "/sh", "/zsh"))]
    assert [line.split(":")[0] for line in people] == ["root"]


@contextmanager
def metadata_service(node: BootedNode) -> Iterator[None]:
    """Something that answers at the metadata address, one hop away as on a server."""
    own = network.find(node.machines.resolve())
    assert own is not None
    subprocess.run(["ip", "address", "add", f"{METADATA}/32", "dev", own.bridge], check=True)
    part = own.part(node.ip_address)
    subprocess.run(["ip", "-n", part, "route", "add", METADATA, "dev", "eth0"], check=True)
    try:
        with http.server.ThreadingHTTPServer((METADATA, 80), Quiet) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()
    finally:
        subprocess.run(["ip", "-n", part, "route", "delete", METADATA], check=True)
        subprocess.run(["ip", "address", "delete", f"{METADATA}/32", "dev", own.bridge], check=True)


def test_metadata_is_refused_to_everyone_but_root(node: BootedNode) -> None:
    ask = f"curl --silent --max-time 2 --output /dev/null http://{METADATA}/hetzner/v1/userdata"
    with metadata_service(node):
        node.sh(ask)
        assert node.machine.run(["sh", "-c", f"{AS_VAULT} {ask}"]).returncode != 0
        nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups --"
        assert node.machine.run(["sh", "-c", f"{nobody} {ask}"]).returncode != 0
    assert property_of(node, "IPAddressDeny") == f"{METADATA}/32"


# 10 and 11: audit and its log


def test_two_audit_devices_of_different_kinds_are_written(node: BootedNode) -> None:
    node.client().sys.read_health_status(method="GET")
    entry = node.sh("tail --lines 1 /var/log/vault/audit.log")
    assert '"type":"response"' in entry
    # The other one is the journal's.
    identity = re.findall(r'"request":\{"id":"([0-9a-f-]+)"', entry)[0]
    deadline = time.monotonic() + 10
    while identity not in node.sh("journalctl --no-pager --output cat --since -2min"):
        assert time.monotonic() < deadline
        time.sleep(0.2)


# 11: logs leave the node, and are rotated on it


def audited(node: BootedNode) -> str:
    """Identity of a request that was made just now, as the audit log has it."""
    node.client().sys.read_health_status(method="GET")
    identity: str = re.findall(r'"request":\{"id":"([0-9a-f-]+)"', node.sh("tail --lines 1 /var/log/vault/audit.log"))[
        0
    ]
    return identity


def test_the_collector_gets_the_audit_log_and_the_journal(node: BootedNode) -> None:
    identity = audited(node)
    assert eventually(lambda: bool(node.collected.having(identity)))
    assert " vault-test " in node.collected.having(identity)[0]
    # From the first boot on: what was written before the collector was reached, too.
    assert node.collected.having("setup: storage")
    assert node.collected.having("root-token-dead")


@pytest.mark.parametrize("node", ["debian-12"], indirect=True)  # half a minute, of one program
def test_what_the_collector_missed_is_sent_later(node: BootedNode) -> None:
    deafened = "nft add table inet deaf; nft add chain inet deaf output '{ type filter hook output priority -1; }'"
    node.sh(f"{deafened}; nft add rule inet deaf output tcp dport 6514 reject with tcp reset")
    try:
        # TCP says that a connection broke only after it has taken a line: what is in flight then isn't sent again.
        noticed = audited(node)
        assert not eventually(lambda: bool(node.collected.having(noticed)), seconds=3)
        identity = audited(node)
        assert not eventually(lambda: bool(node.collected.having(identity)), seconds=3)
    finally:
        node.sh("nft delete table inet deaf")
    # It tries again after 30 seconds.
    assert eventually(lambda: bool(node.collected.having(identity)), seconds=60)


@contextmanager
def without_its_timer(node: BootedNode) -> Iterator[None]:
    """Upkeep isn't at work, and begins when a test says so. Of two at once logrotate refuses the second, and a start
    while one runs is that one's, which may have looked already."""
    unit = "vault-upkeep"
    node.sh(f"systemctl stop {unit}.timer")
    node.sh(f"while systemctl show --property=ActiveState {unit}.service | grep --quiet activating; do sleep 0.1; done")
    try:
        yield
    finally:
        node.sh(f"systemctl start {unit}.timer")


def test_rotation_gives_the_server_a_new_file(node: BootedNode) -> None:
    number = process(node)
    before = node.sh("stat --format %i /var/log/vault/audit.log")

    with without_its_timer(node):
        node.sh("logrotate --force --state /var/lib/logrotate/vault.status /etc/vault-estate/logrotate.conf")
    deadline = time.monotonic() + 10
    while node.machine.run(["test", "-s", "/var/log/vault/audit.log"]).returncode:
        assert time.monotonic() < deadline
        node.client()
    assert node.sh("stat --format %i /var/log/vault/audit.log") != before
    assert node.sh("stat --format %i /var/log/vault/audit.log.1") == before
    assert node.sh("stat --format '%U %a' /var/log/vault/audit.log") == "vault 600"
    size = node.sh("stat --format %s /var/log/vault/audit.log.1")
    node.client()
    assert node.sh("stat --format %s /var/log/vault/audit.log.1") == size
    assert process(node) == number
    assert property_of(node, "ActiveState", "logrotate.timer") == "active"


def test_a_log_is_rotated_by_its_size_as_often_as_needed(node: BootedNode) -> None:
    """Twice within a day, by the unit that a timer starts each minute."""
    assert property_of(node, "ActiveState", "vault-upkeep.timer") == "active"
    log = "/var/log/vault/busy.log"
    for number in (1, 2):
        with without_its_timer(node):
            node.sh(f"fallocate --length 101M {log}; systemctl start vault-upkeep.service")
        kept = node.sh(f"ls {log}.*").split()
        assert len(kept) == number
        assert node.machine.run(["test", "-e", log]).returncode != 0
    node.sh(f"rm {log}.*")
    assert property_of(node, "Result", "vault-upkeep.service") == "success"


def test_the_oldest_logs_go_where_the_volume_is_full_which_is_told(node: BootedNode) -> None:
    """Before the server would stop for want of room; never what it writes to, nor the log before that."""
    logs = "/var/log/vault"
    for number in (2, 3):
        node.sh(f"touch --date '{number} days ago' {logs}/other.log.{number}.gz")
    node.sh(f"touch --date '9 days ago' {logs}/other.log.1")
    size, used = map(int, node.sh(f"df --output=size,used --block-size=1K {logs} | tail -n 1").split())
    with without_its_timer(node):
        node.sh(f"fallocate --length {int(size * 0.82) - used}K {logs}/fill")
        node.sh("systemctl start vault-upkeep.service")

    assert node.sh(f"ls {logs}/other.log.*").split() == [f"{logs}/other.log.1"]
    assert node.sh(f"test -s {logs}/audit.log && echo there") == "there"
    told = node.sh("journalctl --identifier=vault-alarm --priority=alert --output=cat")
    removed = re.findall(r"the volume is full: (\S+) was removed before its time", told)
    assert [name for name in removed if "other" in name] == [f"{logs}/other.log.{number}.gz" for number in (3, 2)]
    node.sh(f"rm {logs}/fill {logs}/other.log.1")


def test_the_filesystem_follows_its_volume_while_it_is_in_use(node: BootedNode) -> None:
    """Where the kernel lets this machine's root: without CAP_SYS_RESOURCE, as in some containers, it gets as far as the
    kernel's refusal, which a server at Hetzner doesn't meet. (Once by hand, with Debian's own kernel in an emulator
    whose disk was made larger from outside: `upkeep` took it from 1 to 3 GB while it was written to.)"""
    volume = Volume(node.machines.resolve(), node.volume.identity)
    size = "df --output=size --block-size=1M /var/lib/vault | tail -n 1"
    before, number = int(node.sh(size)), process(node)
    may = int(node.sh("sed -n 's/^CapBnd:\\s*//p' /proc/1/status"), 16) >> CAP_SYS_RESOURCE & 1

    volume.grow(before // 1024 + 3)
    node.machine.run(["systemctl", "start", "vault-upkeep.service"])

    if may:
        assert int(node.sh(size)) > before + 1500
        assert property_of(node, "Result", "vault-upkeep.service") == "success"
    else:
        said = node.sh("journalctl --no-pager --output=cat -n 20 -u vault-upkeep.service")
        assert "upkeep: resize2fs" in said
        assert "Permission denied to resize filesystem" in said
    assert process(node) == number
    node.client()


# 12: shell history


def test_commands_with_secrets_are_not_remembered(node: BootedNode) -> None:
    word = "-".join(["never", "remembered"])
    script = f"bao write {word}\nvault write {word}\necho kept >/dev/null\nexit\n"
    node.machine.run(["bash", "--login", "-i"], input=script)
    history = node.sh("cat /root/.bash_history")
    assert "echo kept" in history
    assert word not in history
    node.sh("rm /root/.bash_history")


# 14: the clock


def test_chrony_asks_the_times_servers_of_hetzner(node: BootedNode) -> None:
    assert property_of(node, "ActiveState", "chrony.service") == "active"
    asked = node.sh("chronyc -N sources -a")
    for server in ("ntp1.hetzner.de", "ntp2.hetzner.com", "ntp3.hetzner.net"):
        assert server in asked, asked


# 13: upgrades


def test_security_upgrades_come_by_themselves(node: BootedNode) -> None:
    values = node.sh("apt-config dump")
    assert 'APT::Periodic::Update-Package-Lists "1";' in values
    assert 'APT::Periodic::Unattended-Upgrade "1";' in values
    assert 'Unattended-Upgrade::Automatic-Reboot "true";' in values
    for timer in ("apt-daily.timer", "apt-daily-upgrade.timer"):
        assert property_of(node, "ActiveState", timer) == "active"
    node.sh("unattended-upgrade --dry-run --verbose", timeout=480)


# 16, 19 and 21: configuration


def test_the_seal_is_opened_by_a_wrapped_key(node: BootedNode) -> None:
    configuration = node.sh("cat /etc/vault-estate/server.hcl")
    assert "file:///run/credentials/vault.service/seal-key" in configuration
    command = node.sh(f"tr '\\0' ' ' </proc/{process(node)}/cmdline")
    assert command == "/usr/local/bin/bao server -config=/etc/vault-estate/server.hcl"
    kind = node.sh("findmnt --noheadings --output FSTYPE --target /run/credentials/vault.service").splitlines()[-1]
    assert kind in {"ramfs", "tmpfs"}
    assert node.machine.run(["sh", "-c", f"{AS_VAULT} cat /var/lib/vault/credentials/seal-key"]).returncode != 0


# 26 and 28: the sandbox


def test_exposure_of_the_running_server(node: BootedNode) -> None:
    assert property_of(node, "ActiveState") == "active"
    said = node.sh("systemd-analyze --no-pager security vault.service")
    found = re.search(r"Overall exposure level for vault\.service: ([0-9.]+)", said)
    assert found, said
    print(f"exposure: {found[1]}")
    assert float(found[1]) <= MAXIMUM_EXPOSURE


def test_the_server_sees_nobody_elses_processes_homes_or_devices(node: BootedNode) -> None:
    inside = f"nsenter --target {process(node)} --mount --wd=/ {AS_VAULT}"
    assert node.machine.run(["sh", "-c", f"{inside} ls /root"]).returncode != 0
    assert node.machine.run(["sh", "-c", f"{inside} cat /var/lib/vault/custody/shares.json"]).returncode != 0
    assert "sdb" not in node.sh(f"{inside} ls /dev")
    assert "/proc/1/" not in node.sh(f"{inside} sh -c 'ls -d /proc/1/ 2>/dev/null || true'")


def test_apparmor_confines_the_server_where_the_kernel_has_it(node: BootedNode) -> None:
    label = Path("/sys/kernel/security/apparmor/profiles")
    if not label.exists():
        # systemd ignores a profile that the kernel can't know; the file itself is checked by tests of rendered files.
        assert property_of(node, "AppArmorProfile") == "vault-estate"
        return
    assert node.sh(f"cat /proc/{process(node)}/attr/current") == "vault-estate (enforce)"


# b: the alarm


def test_the_alarm_looks_every_five_minutes(node: BootedNode) -> None:
    assert property_of(node, "ActiveState", "vault-alarm.timer") == "active"
    assert node.sh("systemctl list-timers --no-legend vault-alarm.timer").count("vault-alarm.service") == 1
