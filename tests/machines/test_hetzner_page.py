"""The commands of docs/hetzner.md that `tests/engine/test_readme.py` can't run: they need root, a node or an account.

Those that need root or a node are run as they stand there. Those that need an account are run in a sandbox, with
`--sandbox` added; not proven is that Hetzner's own API does the same.
"""

import datetime
import os
import re
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from ops.keys.certificates import ensure_authority
from ops.paths import ROOT
from tests.support.booting import BootedNode, booted_node
from tests.support.certificates import issue
from tests.support.dev_checkouts import DevCheckout, dev_checkout
from tests.support.documents import blocks
from tests.support.servers import eventually

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


SHARE = "needs a node"
FIRST_RUN, REBUILD = "needs an account at Hetzner; with --sandbox", "needs a server to rebuild; with --sandbox"


def test_every_block_is_run_here() -> None:
    assert BLOCKS.keys() == {"needs root", "on the node with a new pair", "on the node", SHARE, FIRST_RUN, REBUILD}


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


def test_an_operator_gets_their_share(own_node: BootedNode, tmp_path: Path) -> None:
    """What SSH would run on the node is run there, and the rest where the operator's key is; SSH itself isn't."""
    over_ssh, _, own = BLOCKS[SHARE].partition("\n")
    command = re.fullmatch(r"ssh estate@NODE sudo (.+) >shares\.json", over_ssh)
    assert command
    (tmp_path / "shares.json").write_text(own_node.sh(command[1]))
    keyring = tmp_path / "gnupg"
    keyring.mkdir(mode=0o700)
    environment = {**os.environ, "GNUPGHOME": str(keyring)}
    private = own_node.world / "operator/private.asc"
    subprocess.run(["gpg", "--batch", "--quiet", "--import", str(private)], env=environment, check=True, timeout=600)
    try:
        opened = subprocess.run(
            ["sh", "-c", own], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True, timeout=600
        )
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=True, timeout=600)

    assert [bytes.fromhex(opened.stdout)] == [bytes.fromhex(share.decode()) for share in own_node.shares()]


def run_all(made: DevCheckout, block: str, *more: str) -> list[str]:
    """Run a block's commands in order, each of which must succeed; what they printed."""
    printed = []
    for line in block.splitlines():
        launcher, *arguments = line.split()
        assert launcher == "./estate"
        done = made.run(*arguments, *more, timeout=600)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        printed.append(done.stdout)
    return printed


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose name is short: a socket's takes 107 bytes at most."""
    return tmp_path_factory.mktemp("dev")


def test_the_stack_comes_up_without_an_account(machines_boot: None, folder: Path) -> None:
    with dev_checkout(folder) as made:
        assert len(run_all(made, BLOCKS["needs root"])) == 3


def test_a_first_run_and_a_rebuild(machines_boot: None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`keys` as it stands: it is about the stack's file, whose state elsewhere is a folder here."""
    (folder / "state").mkdir()
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{folder / 'state'}")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "-".join(("pass", "phrase")))
    keys, _, others = BLOCKS[FIRST_RUN].partition("\n")
    assert keys == "./estate keys dev"
    with dev_checkout(folder) as made:
        run_all(made, keys)
        assert "private_key_secret" in made.written()["bootstrap"]["administrator"]
        _, _, status = run_all(made, others, "--sandbox")
        assert ["reachable", "✓"] in [line.split() for line in status.splitlines()]
        identity, address = made.node.identity, made.node.address

        preview, rebuilt = run_all(made, BLOCKS[REBUILD], "--sandbox")

        assert "hcloud:index/server:Server platform-server" in preview
        assert "3 replace" in rebuilt
        assert made.node.identity != identity
        assert made.node.address == address
        said = made.run("up", "dev", "--sandbox", "--replace", "platform-sever").stderr
        assert said.splitlines()[-1].startswith(
            "estate: --replace platform-sever: stack 'dev' has no such resource; expected one such as platform-server, "
        )
