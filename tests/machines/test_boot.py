"""A node's life: it boots, keeps its data over reboots and replacements, and leaves nothing on the host."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import hvac
import pytest

from fake_providers import machines
from fake_providers.machines import MachineError, Volume, network
from tests.support.booting import (
    NAME,
    SERVER,
    BootedNode,
    booted_node,
    first_secret_limit,
    keep_journal,
    last_words,
    left_on_this_host,
)
from tests.support.bootstrapping import KILLER
from tests.support.operated_machines import OperatedMachine
from tests.support.servers import eventually, living_tokens

MARK = "/var/lib/vault/raft/vault.db"


@pytest.fixture(scope="module")
def own_node(machines_boot: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BootedNode]:
    """A node that is rebooted and replaced here."""
    with booted_node(tmp_path_factory.mktemp("own")) as booted:
        yield booted


@pytest.fixture(scope="module")
def first_secret(own_node: BootedNode) -> float:
    """Seconds from asking for the server to its first secret read back."""
    return _write_first_secret(own_node)


def _write_first_secret(node: BootedNode) -> float:
    """Write it and read it back; seconds since the server was asked for."""
    client = node.wait_until_ready()
    client.sys.enable_secrets_engine("kv", path="secret", options={"version": "2"})
    _until_written(node)
    return time.monotonic() - node.started


def _until_written(node: BootedNode) -> None:
    """Write a secret and read it back; a version 2 engine upgrades itself for a moment first."""
    kv = node.client().secrets.kv.v2
    deadline = time.monotonic() + 10
    while True:
        try:
            kv.create_or_update_secret(path="first", secret={"word": "kept"}, mount_point="secret")
            break
        except hvac.exceptions.VaultError as error:
            if "Upgrading" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    assert _word(node) == "kept"


def _word(node: BootedNode) -> str:
    read = node.client().secrets.kv.v2.read_secret_version(
        path="first", mount_point="secret", raise_on_deleted_version=True
    )
    return str(read["data"]["data"]["word"])


def _filesystem(node: BootedNode) -> str:
    """Identity of the filesystem on the volume, made with it."""
    return node.sh("blkid --output value --match-tag UUID /dev/sdb")


def test_from_nothing_to_the_first_secret(own_node: BootedNode, first_secret: float) -> None:
    print(f"boot to first secret: {first_secret:.1f} s")
    assert first_secret < first_secret_limit()


def _ended_without_an_error(node: BootedNode) -> None:
    said = node.wait_for_cloud_init()
    assert "status: done" in said
    assert "DEPRECATED" not in said
    assert node.sh("systemctl is-system-running --wait || true") == "running"
    assert node.sh("systemctl --failed --no-legend") == ""
    assert node.sh("hostname") == NAME


def test_the_first_boot_ended_without_an_error(own_node: BootedNode) -> None:
    _ended_without_an_error(own_node)
    read = own_node.wire.read(own_node.server)
    assert read is not None
    assert read.outputs.values["status"] == "running"
    assert read.outputs.values["ipv4Address"] == own_node.ip_address


def test_a_reboot_keeps_address_and_data_and_unseals_by_itself(own_node: BootedNode, first_secret: float) -> None:
    _is_kept_over_a_reboot(own_node)


def _is_kept_over_a_reboot(node: BootedNode) -> None:
    started = time.monotonic()
    filesystem = _filesystem(node)

    node.machine.reboot()

    node.wait_until_ready()
    print(f"reboot to unsealed: {time.monotonic() - started:.1f} s")
    assert _word(node) == "kept"
    assert _filesystem(node) == filesystem
    assert len(node.sh("journalctl --list-boots --no-pager | tail --lines=+2").splitlines()) == 2
    node.wait_for_cloud_init()
    assert node.sh("journalctl -b 0 --no-pager -u vault-bootstrap").count('"initialised"') == 0
    assert node.sh("nft list ruleset | grep --count 'policy drop'") == "3"


@pytest.mark.parametrize("image", [image for image in machines.IMAGES if image != "debian-12"])
def test_another_image_goes_from_nothing_to_the_first_secret_and_over_a_reboot(
    nodes: Callable[[str], BootedNode], image: str
) -> None:
    """The user-data is the same. Each host item of the hardening is looked at afterwards, in a module of its own."""
    node = nodes(image)

    seconds = _write_first_secret(node)

    print(f"boot to first secret: {seconds:.1f} s")
    assert seconds < first_secret_limit()
    name, version = image.split("-")
    assert {f"ID={name}", f'VERSION_ID="{version}"'} <= set(node.sh("cat /etc/os-release").splitlines())
    _ended_without_an_error(node)
    _is_kept_over_a_reboot(node)


def test_a_replaced_server_has_the_same_data_address_and_filesystem(own_node: BootedNode, first_secret: float) -> None:
    filesystem, shares = _filesystem(own_node), own_node.sh("sha256sum /var/lib/vault/custody/shares.json")
    number = own_node.server.identity
    old_certificate = own_node.certificate().read_text()

    own_node.replace(lambda text: f"{text}# changed\n")

    own_node.wait_until_ready()
    assert own_node.server.identity != number
    assert own_node.server.outputs.values["ipv4Address"] == own_node.ip_address == own_node.machine.address
    assert own_node.machine.identity == own_node.server.identity
    assert own_node.sh("cat /var/lib/cloud/data/instance-id") == own_node.server.identity
    assert _word(own_node) == "kept"
    assert _filesystem(own_node) == filesystem
    assert own_node.sh("sha256sum /var/lib/vault/custody/shares.json") == shares
    assert own_node.certificate().read_text() == old_certificate
    assert "status: done" in own_node.wait_for_cloud_init()


def test_a_disk_pulled_while_in_use_loses_nothing_that_was_confirmed(own_node: BootedNode, first_secret: float) -> None:
    # Hetzner detaches a volume from a server that runs as one pulls out a disk.
    own_node.wire.delete(own_node.attachment)
    assert own_node.machine.run(["test", "-e", own_node.place.volume_device]).returncode != 0

    own_node.machine.power_off()
    own_node.attachment = own_node.attach()
    own_node.machine.power_on()

    own_node.wait_until_ready()
    assert _word(own_node) == "kept"


def _is_dirty(volume: Volume) -> bool:
    """Whether the filesystem was cut off while it was mounted: it has to be recovered from its journal."""
    command = ["dumpe2fs", "-h", str(volume.file)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return "needs_recovery" in next(line for line in said.splitlines() if line.startswith("Filesystem features:"))


def test_a_deleted_server_is_shut_down_in_order_and_then_lets_go_of_its_volume(
    own_node: BootedNode, first_secret: float, tmp_path: Path
) -> None:
    volume = Volume(own_node.machines.resolve(), own_node.volume.identity)
    assert volume.loops()
    assert _is_dirty(volume)
    journal = keep_journal(own_node.machine, tmp_path)
    begun = time.monotonic()

    own_node.wire.delete(own_node.server)

    print(f"shutdown and deletion: {time.monotonic() - begun:.1f} s")
    ended = last_words(journal).partition("Stopping vault.service")[2]
    stopped, _, after = ended.partition("Stopped vault.service")
    assert "vault.service: Deactivated successfully" in stopped
    assert "Unmounted var-lib-vault.mount" in after
    assert not _is_dirty(volume)
    assert volume.loops() == []
    assert own_node.wire.read(own_node.attachment) is None
    assert own_node.wire.read(own_node.server) is None
    with pytest.raises(MachineError, match="there is no machine"):
        OperatedMachine.find(own_node.machines, NAME)
    own_node.server = own_node.wire.create(SERVER, own_node.server.inputs.values | {"shutdownBeforeDeletion": False})
    own_node.attachment = own_node.attach()
    own_node.wait_until_ready()
    assert _word(own_node) == "kept"


def test_a_server_deleted_without_a_shutdown_loses_its_power(
    own_node: BootedNode, first_secret: float, tmp_path: Path
) -> None:
    """As Hetzner does; what Vault has confirmed is on the volume even then."""
    volume = Volume(own_node.machines.resolve(), own_node.volume.identity)
    assert not own_node.server.inputs.values["shutdownBeforeDeletion"]
    journal = keep_journal(own_node.machine, tmp_path)

    own_node.wire.delete(own_node.server)

    assert "Stopping vault.service" not in last_words(journal)
    assert _is_dirty(volume)
    assert volume.loops() == []
    own_node.server = own_node.wire.create(SERVER, own_node.server.inputs.values | {"shutdownBeforeDeletion": True})
    own_node.attachment = own_node.attach()
    own_node.wait_until_ready()
    assert _word(own_node) == "kept"


def _power_cut(node: BootedNode) -> None:
    machine = node.machine
    for process in reversed(machine._processes()):
        process.kill()
    deadline = time.monotonic() + 10
    while machine.is_running:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    machine.power_on()


def _start_bootstrap(node: BootedNode) -> None:
    node.sh("systemctl start --no-block vault-bootstrap.service")


FIRST_BOOT = "/usr/local/lib/vault-estate/bootstrap.py /etc/vault-estate/bootstrap.json"


@pytest.mark.parametrize(
    ("step", "go_on", "begins_anew"),
    [
        ("initialised", _start_bootstrap, True),
        ("key-shares-written", _power_cut, True),
        ("root-token-dead", _start_bootstrap, True),
        ("read-back", _power_cut, True),
        ("login-enabled", _power_cut, False),
    ],
)
def test_a_first_boot_that_was_killed_goes_on_by_itself(
    own_node: BootedNode, first_secret: float, step: str, go_on: Callable[[BootedNode], None], begins_anew: bool
) -> None:
    """On a node whose storage and key shares are taken away first, so that it is new again."""
    own_node.wait_for_cloud_init()
    own_node.sh("systemctl stop vault-bootstrap.service vault.service")
    own_node.sh("find /var/lib/vault/raft /var/lib/vault/custody -mindepth 1 -delete; systemctl start vault.service")
    killed = own_node.machine.run(["sh", "-c", f"python3 -I - {FIRST_BOOT} {step} 9"], input=KILLER)
    assert json.loads(killed.stdout.splitlines()[-1])["step"] == step
    own_node.sh("sync")
    cluster = _cluster_id(own_node)

    go_on(own_node)

    client = own_node.wait_until_ready()
    deadline = time.monotonic() + 60
    while own_node.machine.run(["test", "-e", "/var/lib/vault/custody/shares.json.complete"]).returncode != 0:
        assert time.monotonic() < deadline, own_node.machine.journal()[-3000:]
        time.sleep(0.2)
    assert (_cluster_id(own_node) != cluster) is begins_anew
    # A server that was restarted ends the leases that ran out in the meantime one after the other.
    assert eventually(lambda: _token_policies(client) == {("administrator", "default")})
    assert len(own_node.shares()) == 1
    own_node.sh("systemctl is-active vault-bootstrap.service")


def _token_policies(client: hvac.Client) -> set[tuple[str, ...]]:
    """Of every token that is alive."""
    return {tuple(one["policies"]) for one in living_tokens(client)}


def _cluster_id(node: BootedNode) -> str:
    client = hvac.Client(url=f"https://{node.ip_address}:8200", verify=str(node.certificate()))
    answer = client.sys.read_health_status(method="GET")
    return str((answer if isinstance(answer, dict) else answer.json())["cluster_id"])


def test_nothing_is_left_after_remove(machines_boot: None, tmp_path: Path) -> None:
    folder = tmp_path / "machines"
    root = machines.prepare(machines.default_cache(), "debian-12", print)
    gateway = machines.gateway(folder)
    own = network.find(folder)
    assert own is not None
    try:
        volume = Volume(folder, "7")
        volume.create(1)
        machine = OperatedMachine.create(
            folder, name="short", identity="1", address=own.reserve("short"), root=root, user_data="#cloud-config\n"
        )
        machine.attach(volume, "scsi-0HC_Volume_7")
        assert machine.run(["mkfs.ext4", "-q", "/dev/disk/by-id/scsi-0HC_Volume_7"]).returncode == 0
        assert machine.run(["mount", "/dev/disk/by-id/scsi-0HC_Volume_7", "/mnt"]).returncode == 0
        there = left_on_this_host(folder, own.bridge)
        assert all(word in there for word in (f"link {own.bridge}", "namespace", "volumes/7.img", "systemd-nspawn"))
        assert gateway == own.gateway == machines.gateway(folder)
    finally:
        machines.remove(folder)

    assert left_on_this_host(folder, own.bridge) == ""
    assert not folder.exists()
    machines.remove(folder)


def test_a_machine_outlives_a_kill_and_the_next_process_finds_and_cleans_it(
    machines_boot: None, tmp_path: Path
) -> None:
    folder = tmp_path / "machines"
    root = machines.prepare(machines.default_cache(), "debian-12", print)
    machines.gateway(folder)
    own = network.find(folder)
    assert own is not None
    try:
        machine = OperatedMachine.create(
            folder, name="short", identity="1", address=own.reserve("short"), root=root, user_data="#cloud-config\n"
        )
        for process in reversed(machine._processes()):
            process.kill()
        deadline = time.monotonic() + 10
        while machine.is_running:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        found = OperatedMachine.find(folder, "short")
        with pytest.raises(MachineError, match="is off"):
            found.run(["true"])
        found.power_on()
        assert found.run(["hostname"]).stdout.strip() == "short"
    finally:
        machines.remove(folder)

    assert left_on_this_host(folder, own.bridge) == ""


def test_a_package_the_root_lacks_is_refused_by_name(machines_boot: None, tmp_path: Path) -> None:
    root = machines.prepare(machines.default_cache(), "debian-12", print)
    text = "#cloud-config\npackages: [chrony, no-such-package]\n"
    with pytest.raises(MachineError, match=r"packages no-such-package aren't in the machines' root"):
        OperatedMachine.create(tmp_path, name="a", identity="1", address="198.18.1.9", root=root, user_data=text)
    assert not any(tmp_path.iterdir())


def test_an_image_nobody_has_is_refused(machines_boot: None, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"image 'debian-11': expected debian-12 or ubuntu-24\.04"):
        machines.prepare(tmp_path, "debian-11", print)
    assert not any(tmp_path.iterdir())
