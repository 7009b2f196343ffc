"""Where key shares alone count on a node: one socket, which root opens and nobody else, and never the network.

What the shares do there is in `tests/live/test_operators.py`.
"""

import shlex
from pathlib import Path

import pytest
import requests

import components.payloads
from components.render.node.layout import REGAIN_SOCKET, SHARES
from components.render.shortened import without_comments
from tests.support.booting import BootedNode

PIPE = without_comments((Path(components.payloads.__path__[0]) / "regain_pipe.py").read_text(), "regain_pipe.py")
ASKING = "(printf 'GET /v1/sys/generate-root/attempt HTTP/1.0\\r\\n\\r\\n'; sleep 2)"


def through_the_pipe(as_whom: str = "") -> str:
    """What the command at the far end of SSH is: the server's answer, or an error."""
    return f"{ASKING} | {as_whom} python3 -I -c {shlex.quote(PIPE)} {REGAIN_SOCKET} 2>&1 || true"


def test_root_begins_an_attempt_without_a_token(node: BootedNode) -> None:
    answer = node.sh(through_the_pipe())

    assert answer.startswith("HTTP/1.0 200 OK")
    assert '"started":false' in answer


@pytest.mark.parametrize("user", ["nobody", "daemon"])
def test_nobody_else_gets_there(node: BootedNode, user: str) -> None:
    assert "PermissionError" in node.sh(through_the_pipe(f"setpriv --reuid={user} --clear-groups"))
    assert node.sh(f"stat --format '%U %a' {Path(REGAIN_SOCKET).parent}").strip() == "vault 700"


def test_the_network_takes_no_attempt(node: BootedNode) -> None:
    url = f"https://{node.ip_address}:8200/v1/sys/generate-root/attempt"

    for method in ("GET", "PUT"):
        answer = requests.request(method, url, json={}, verify=str(node.certificate()), timeout=30)

        assert answer.status_code in {403, 404, 405}, method
        assert "nonce" not in answer.text


def test_an_operator_fetches_the_file_of_shares(node: BootedNode) -> None:
    assert '"encrypted_share"' in node.sh(f"cat {SHARES}")
