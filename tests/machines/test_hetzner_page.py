"""The commands of docs/hetzner.md that need root or a node, run as they stand there.

Not proven: those that need an account at Hetzner.
"""

import datetime
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from ops.local.authority import ensure_authority
from ops.paths import ROOT
from tests.support.booting import BootedNode, booted_node
from tests.support.certificates import issue
from tests.support.dev_checkouts import dev_checkout
from tests.support.documents import blocks
from tests.support.servers import eventually

pytestmark = pytest.mark.timeout(900)

BLOCKS = {
    block.note.removeprefix("no-run: ").partition(", run by ")[0]: block.text
    for block in blocks(ROOT / "docs" / "hetzner.md")
    if block.note.endswith(", run by tests/machines/test_hetzner_page.py")
}


@pytest.fixture(scope="module")
def own_node(machines_boot: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BootedNode]:
    """A node whose certificate may be changed."""
    with booted_node(tmp_path_factory.mktemp("page")) as booted:
        booted.wait_for_cloud_init()
        yield booted


def served(node: BootedNode) -> x509.Certificate:
    """The certificate a new connection gets."""
    return x509.load_pem_x509_certificate(ssl.get_server_certificate((node.ip_address, 8200)).encode())


def pid(node: BootedNode) -> str:
    """The server's process."""
    return node.sh("systemctl show --property MainPID --value vault.service")


def test_every_block_is_run_here() -> None:
    assert BLOCKS.keys() == {"needs root", "on the node with a new pair", "on the node"}


def test_the_nodes_own_certificate_is_made_anew(own_node: BootedNode) -> None:
    before, process = served(own_node), pid(own_node)

    said = own_node.sh(BLOCKS["on the node"])

    assert said.lower().startswith("sha256 fingerprint=")
    assert eventually(lambda: served(own_node).serial_number != before.serial_number)
    assert pid(own_node) == process
    left = served(own_node).not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(days=3649) < left <= datetime.timedelta(days=3650)


def test_a_provided_pair_is_put_in_place(own_node: BootedNode, tmp_path: Path) -> None:
    ensure_authority(tmp_path)
    pair = issue(tmp_path, begin=datetime.datetime.now(datetime.UTC), lifetime=datetime.timedelta(days=90))
    process = pid(own_node)
    for name, content in {"server.key": pair.key, "server.crt": pair.certificate}.items():
        own_node.machine.run(["sh", "-c", f"umask 077; cat >/root/{name}"], input=content.decode())

    own_node.sh(f"cd /root\n{BLOCKS['on the node with a new pair']}")

    assert eventually(lambda: served(own_node).serial_number == pair.serial)
    assert pid(own_node) == process


def test_the_stack_comes_up_without_an_account(machines_boot: None, tmp_path_factory: pytest.TempPathFactory) -> None:
    commands = [line.split()[1:] for line in BLOCKS["needs root"].splitlines()]

    with dev_checkout(tmp_path_factory.mktemp("dev")) as made:
        said = {name: made.run(name, *rest, timeout=600) for name, *rest in commands}

    assert {name: answer.returncode for name, answer in said.items()} == {"up": 0, "status": 0, "down": 0}, said
