"""No secret is on a booted node in the clear: not in user-data, files, arguments, environments or the journal.

What is looked for: the shares of the seal (opened with the operator's private key), the seal's own key (unwrapped on
the node), the administrator's private key, and anything shaped like a token.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.booting import BootedNode

TOKEN = re.compile(rb"\b(?:hvs|hvb|s|b)\.[A-Za-z0-9]{24,}\b")
_CHUNK, _OVERLAP = 1 << 24, 1 << 10


@pytest.fixture(scope="module")
def canaries(node: BootedNode) -> Mapping[str, tuple[bytes, ...]]:
    """Each secret in the forms it could be written in."""
    node.wait_for_cloud_init()
    shares = node.shares()
    assert len(shares) == 1
    key = bytes.fromhex(
        node.sh(
            "systemd-creds decrypt --name=seal-key /var/lib/vault/credentials/seal-key - | od -An -tx1 | tr -d ' \\n'"
        )
    )
    assert len(key) == 32
    private = (node.world / "administrator.key").read_text()
    lines = [line.encode() for line in private.splitlines() if "-----" not in line]
    assert len(lines) >= 2
    return {
        "a share": _forms(shares[0]),
        "the seal's key": (key, *_forms(key.hex().encode()), base64.b64encode(key)),
        "the administrator's private key": (lines[0],),
    }


def _forms(text: bytes) -> tuple[bytes, ...]:
    """As it is, as hexadecimal, as what that hexadecimal writes, and as base64."""
    forms = {text, text.hex().encode(), base64.b64encode(text).rstrip(b"=")}
    if re.fullmatch(rb"[0-9a-f]+", text):
        raw = bytes.fromhex(text.decode())
        forms |= {raw, base64.b64encode(raw)}
    return tuple(sorted(forms))


def _found(content: bytes, canaries: Mapping[str, tuple[bytes, ...]]) -> set[str]:
    return {name for name, forms in canaries.items() if any(form in content for form in forms)}


def _chunks(file: Path) -> Iterator[bytes]:
    """A file's content in parts that overlap, so that nothing hides between two."""
    with file.open("rb") as stream:
        last = b""
        while part := stream.read(_CHUNK):
            yield last + part
            last = part[-_OVERLAP:]


def _files(root: Path) -> Iterator[Path]:
    for file in root.rglob("*"):
        if file.is_file() and not file.is_symlink():
            yield file


def _scan(root: Path, canaries: Mapping[str, tuple[bytes, ...]]) -> set[tuple[str, str]]:
    """Where each secret is below a folder."""
    return {
        (str(file.relative_to(root)), name)
        for file in _files(root)
        for chunk in _chunks(file)
        for name in _found(chunk, canaries)
    }


def test_no_secret_is_in_the_user_data(node: BootedNode, canaries: Mapping[str, tuple[bytes, ...]]) -> None:
    text = str(node.server.inputs.values["userData"]).encode()
    assert _found(text, canaries) == set()
    assert TOKEN.findall(text) == []
    certificate = (node.world / "administrator.crt").read_bytes()
    assert _found(text + certificate, {"the public part": (certificate,)}) == {"the public part"}


def test_no_secret_is_in_a_file_of_the_node(node: BootedNode, canaries: Mapping[str, tuple[bytes, ...]]) -> None:
    written = node.machine.upper
    node.sh("sync")
    assert _scan(written, canaries) == set()
    planted = written / "root" / "planted"
    for name, forms in canaries.items():
        planted.write_bytes(b"x" * 100 + forms[-1])
        assert _scan(written / "root", canaries) == {("planted", name)}
    planted.unlink()


def test_no_secret_is_on_the_volume(node: BootedNode, canaries: Mapping[str, tuple[bytes, ...]]) -> None:
    leader = node.machine._leader()
    volume = Path(f"/proc/{leader}/root/var/lib/vault")
    names = {str(file.relative_to(volume)) for file in _files(volume)}
    assert {"raft/vault.db", "custody/shares.json", "credentials/seal-key", "tls/server.key"} <= names
    # The listener's own key has to be read by the server; it is the one secret that lies there as it is.
    assert _scan(volume, canaries) == set()


def test_no_secret_was_an_argument_or_in_an_environment(
    node: BootedNode, canaries: Mapping[str, tuple[bytes, ...]]
) -> None:
    arguments, environments = node.observed.argv, node.observed.environment
    assert any("bootstrap.py" in line for line in arguments), "the first boot was not observed"
    assert any("bao\0server" in line for line in arguments)
    for line in arguments | environments:
        assert _found(line.encode(errors="surrogateescape"), canaries) == set()
        assert TOKEN.findall(line.encode(errors="surrogateescape")) == []


def test_no_secret_is_in_the_journal(node: BootedNode, canaries: Mapping[str, tuple[bytes, ...]]) -> None:
    journal = node.machine.journal().encode()
    assert b"vault-bootstrap.service" in journal
    assert b"root-token-dead" in journal
    assert _found(journal, canaries) == set()
    assert TOKEN.findall(journal) == []


def test_no_token_is_in_a_text_of_the_node(node: BootedNode) -> None:
    written = node.machine.upper
    texts = [
        file for place in ("etc", "var/log", "var/lib/cloud", "root", "run", "tmp") for file in _files(written / place)
    ]
    assert len(texts) > 50
    hits = {str(file): TOKEN.findall(file.read_bytes()) for file in texts if "journal" not in file.parts}
    assert {name: found for name, found in hits.items() if found} == {}
    assert TOKEN.findall(b"token: " + b"s." + b"A" * 24 + b"\n")
