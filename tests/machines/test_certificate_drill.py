"""certbot on a node that booted: its own timer's unit renews over HTTP-01, and the server serves the new certificate
without a restart and without one failed read; what certbot leaves behind is closed to others.

That a certificate ends in the meantime is `tests/live/test_certificate_renewal.py`'s.
"""

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from cryptography import x509

from tests.support.dev_checkouts import STACK, DevCheckout, dev_checkout
from tests.support.servers import eventually

NAME = "vault-dev.example.com"
RENEWAL = "/var/lib/vault/letsencrypt/renewal/vault.conf"


@dataclass
class Node:
    """The booted node, and a reader that doesn't stop."""

    made: DevCheckout
    context: ssl.SSLContext
    failures: list[str] = field(default_factory=list)
    reads: int = 0

    def sh(self, script: str) -> str:
        """What a script prints on the node; it has to succeed."""
        answer = self.made.node.run(["sh", "-euc", script], timeout=480)
        assert answer.returncode == 0, f"{script}\n{answer.stdout}\n{answer.stderr}\n{self.made.node.journal()[-4000:]}"
        return answer.stdout.strip()

    def read(self) -> int:
        """One read by a new connection that verifies name and authority; the certificate's serial number."""
        with (
            socket.create_connection((self.made.node.address, 8200), timeout=5) as plain,
            self.context.wrap_socket(plain, server_hostname=NAME) as wrapped,
        ):
            shown = wrapped.getpeercert(binary_form=True)
            wrapped.sendall(f"GET /v1/sys/health HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode())
            answer = http.client.HTTPResponse(wrapped)
            answer.begin()
            assert answer.status == 200
            answer.read()
        assert shown
        return x509.load_der_x509_certificate(shown).serial_number

    def read_until(self, ended: threading.Event) -> None:
        """Read over and over, and keep what failed."""
        while not ended.wait(0.02):
            try:
                self.read()
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.failures.append(repr(error))
            self.reads += 1


@pytest.fixture(scope="module")
def node(machines_boot: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The stack `dev` in a world of its own, whose file asks for an ACME certificate."""
    with dev_checkout(tmp_path_factory.mktemp("dev")) as made:
        made.answered("up", STACK)
        authority = str(made.sandbox.machines / "trusted.crt")
        yield Node(made, ssl.create_default_context(cafile=authority))


def test_the_first_certificate_came_by_itself(node: Node) -> None:
    assert node.read() > 0
    assert node.sh("systemctl is-active vault-certificate.service") == "active"
    assert node.sh("systemctl is-enabled certbot.timer vault-certificate.service").split() == ["enabled", "enabled"]
    said = node.sh("ss --listening --tcp --numeric --no-header 'sport = :80' | wc -l")
    assert said == "0"  # certbot listens only while it is asked


def test_what_certbot_keeps_is_closed_to_others(node: Node) -> None:
    listed = node.sh("stat --format '%n %U:%G %a' /var/lib/vault/letsencrypt /var/lib/vault/tls/server.*")
    assert listed.splitlines() == [
        "/var/lib/vault/letsencrypt root:root 700",
        "/var/lib/vault/tls/server.crt root:vault 644",
        "/var/lib/vault/tls/server.key root:vault 640",
    ]


def test_the_timers_unit_renews_without_a_restart_or_a_failed_read(node: Node) -> None:
    before, process = node.read(), node.sh("systemctl show --property MainPID --value vault.service")
    ended = threading.Event()
    reader = threading.Thread(target=node.read_until, args=[ended])
    reader.start()
    try:
        # Due at once; what is not due, the unit leaves alone.
        node.sh(f"sed -i '1i renew_before_expiry = 3650 days' {RENEWAL}")
        node.sh("systemctl start certbot.service")
        assert eventually(lambda: node.read() != before)
    finally:
        ended.set()
        reader.join()

    assert node.failures == []
    assert node.reads > 20
    assert node.sh("systemctl show --property MainPID --value vault.service") == process
    assert node.sh("systemctl show --property NRestarts --value vault.service") == "0"


def test_what_is_not_due_is_left_alone(node: Node) -> None:
    before = node.read()

    node.sh(f"sed -i '/^renew_before_expiry/d' {RENEWAL}")
    node.sh("systemctl start certbot.service")

    assert node.read() == before


def test_a_reboot_asks_nothing_of_the_authority(node: Node) -> None:
    before = node.read()

    node.made.node.reboot()

    def serves() -> bool:
        try:
            return node.read() == before
        except (OSError, AssertionError):  # not yet there, or not yet the leader
            return False

    assert eventually(serves, 60)
    said = node.sh("journalctl --boot --unit vault-certificate.service --output cat")
    assert "Requesting" not in said
