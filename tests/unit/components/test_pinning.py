"""Pinning the certificate of a node that is seen for the first time. The server is a fake; TLS itself isn't proven."""

import hashlib
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from components.platform import readiness
from components.platform.readiness import NotReadyError, wait_until_ready

FIRST, OTHER = b"first certificate", b"another certificate"
STATUS = {"initialized": True, "sealed": False, "cluster_id": "c", "version": "2.7.1"}


class Node:
    """What a node shows and answers, and whom it was asked by."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.certificate = FIRST
        self.unreachable = 0
        self.shown = 0
        monkeypatch.setattr("ssl.get_server_certificate", self._show)
        monkeypatch.setattr("ssl.create_default_context", lambda cafile: cafile)
        monkeypatch.setattr(readiness, "request", lambda *_: STATUS)
        monkeypatch.setattr(readiness, "_missing_for_administrator", lambda _: "")
        monkeypatch.setattr(readiness, "_POLL_SECONDS", 0)

    def _show(self, address: tuple[str, int], timeout: float) -> str:
        self.shown += 1
        if self.unreachable:
            self.unreachable -= 1
            raise ConnectionRefusedError(111, "Connection refused")
        assert address == ("198.51.100.7", 8200)
        assert timeout > 0
        return ssl.DER_cert_to_PEM_cert(self.certificate)


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    return Node(monkeypatch)


def wanted(folder: Path, **more: Any) -> dict[str, Any]:
    """The resource's properties."""
    for name in ("admin.crt", "admin.key"):
        (folder / name).touch()
    return {
        "address": "https://198.51.100.7:8200",
        "certificate_file": str(folder / "admin.crt"),
        "private_key_file": str(folder / "admin.key"),
        "ca_certificate_file": str(folder / "own" / "node.crt"),
        "login_role": "administrator",
        "timeout_seconds": 5,
        "pins_certificate": True,
        **more,
    }


def test_the_first_certificate_is_kept_and_told(node: Node, tmp_path: Path) -> None:
    node.unreachable = 2

    told = wait_until_ready(wanted(tmp_path))

    assert told["certificate_sha256"] == hashlib.sha256(FIRST).hexdigest().upper()
    assert (tmp_path / "own" / "node.crt").read_text() == ssl.DER_cert_to_PEM_cert(FIRST)
    assert node.shown == 3


def test_a_kept_certificate_is_never_asked_for_again(node: Node, tmp_path: Path) -> None:
    wait_until_ready(wanted(tmp_path))
    node.certificate = OTHER

    told = wait_until_ready(wanted(tmp_path))

    assert told["certificate_sha256"] == hashlib.sha256(FIRST).hexdigest().upper()
    assert node.shown == 1


def test_without_pinning_the_authority_has_to_be_there(node: Node, tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="ca_certificate_file"):
        wait_until_ready(wanted(tmp_path, pins_certificate=False))
    assert node.shown == 0


def test_a_node_that_never_answers_is_said(node: Node, tmp_path: Path) -> None:
    node.unreachable = 10_000_000

    with pytest.raises(NotReadyError, match="still waiting for it to answer"):
        wait_until_ready(wanted(tmp_path, timeout_seconds=0.05))
    assert not (tmp_path / "own").exists()


def test_each_reason_to_wait_is_told_once(tmp_path: Path) -> None:
    """Each reason once, not at each look."""
    told: list[str] = []
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"https://127.0.0.1:{nobody.getsockname()[1]}"

        with pytest.raises(NotReadyError, match="is not ready after 2 s: still waiting for it to answer"):
            wait_until_ready(wanted(tmp_path, address=address, timeout_seconds=2), told.append)

    assert [line.rpartition(";")[0] for line in told] == [
        f"waiting for Vault at {address} to answer",
        f"waiting for Vault at {address} to answer ([Errno 111] Connection refused)",
    ]
