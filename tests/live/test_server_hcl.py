"""The parts of the server's file that no node of ours uses yet, read by a real server: other nodes, metrics, and
another certificate.

Doesn't prove that one joins another, nor HashiCorp Vault.
"""

import ssl
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from components.render.seals import StaticSeal
from components.render.server_hcl import RetryJoin, Telemetry
from components.render.traffic import API_PORT
from composition.private_files import private_directory
from tests.support.nodes import NodeServer, free_address


def metrics(server: NodeServer) -> str:
    """What it shows to whoever asks, without a token."""
    context = ssl.create_default_context(cafile=str(server.ca_file))
    url = f"{server.address}/v1/sys/metrics?format=prometheus"
    with urllib.request.urlopen(url, timeout=5, context=context) as answer:  # noqa: S310 - https only
        text: str = answer.read().decode()
    return text


def within_seconds(limit: float, happened: Callable[[], bool], server: NodeServer) -> None:
    deadline = time.monotonic() + limit
    while not happened():
        assert time.monotonic() < deadline, server.log.read_text()
        time.sleep(0.1)


def served(server: NodeServer) -> str:
    """The certificate that it shows."""
    return ssl.get_server_certificate((server.host, API_PORT), timeout=5)


def test_a_server_shows_metrics_looks_for_the_node_it_is_told_of_and_takes_another_certificate(tmp_path: Path) -> None:
    host = free_address()
    server = NodeServer(
        directory=private_directory(tmp_path / "node"),
        host=host,
        seal=StaticSeal(),
        telemetry=Telemetry(unauthenticated_metrics_access=True),
        reload=True,
        retry_join=(
            RetryJoin(
                leader_api_addr=f"https://{host}:1",
                leader_ca_cert_file=str(tmp_path / "node/tls/ca.crt"),
                leader_tls_servername=host,
            ),
        ),
    )
    try:
        server.start()

        first = served(server)
        server.certify().certificate_file.unlink()
        second = server.certify().certificate_file.read_text()
        within_seconds(20, lambda: f"https://{host}:1" in server.log.read_text(), server)
        assert "vault_raft_storage_get_count" in metrics(server)
        within_seconds(15, lambda: served(server) == second, server)
        assert first != second
        assert "unknown or unsupported field" not in server.log.read_text()
    finally:
        server.stop()
