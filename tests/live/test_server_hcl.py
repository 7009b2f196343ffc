"""The parts of the server's file that no node of ours uses yet, read by a real server: other nodes, and metrics.

Doesn't prove that one joins another, nor HashiCorp Vault.
"""

import time
import urllib.request
from pathlib import Path
from ssl import create_default_context

from components.render.seals import StaticSeal
from components.render.server_hcl import RetryJoin, Telemetry
from composition.private_files import private_directory
from tests.support.nodes import NodeServer, free_address


def metrics(server: NodeServer) -> str:
    """What it shows to whoever asks, without a token."""
    context = create_default_context(cafile=str(server.ca_file))
    url = f"{server.address}/v1/sys/metrics?format=prometheus"
    with urllib.request.urlopen(url, timeout=5, context=context) as answer:  # noqa: S310 - https only
        text: str = answer.read().decode()
    return text


def test_a_server_shows_metrics_and_looks_for_the_node_it_is_told_of(tmp_path: Path) -> None:
    host = free_address()
    server = NodeServer(
        directory=private_directory(tmp_path / "node"),
        host=host,
        seal=StaticSeal(),
        telemetry=Telemetry(unauthenticated_metrics_access=True),
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

        deadline = time.monotonic() + 20
        while f"https://{host}:1" not in server.log.read_text():
            assert time.monotonic() < deadline, server.log.read_text()
            time.sleep(0.1)
        assert "vault_raft_storage_get_count" in metrics(server)
    finally:
        server.stop()
