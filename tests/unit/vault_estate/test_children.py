"""Whose token is revoked when processes end that multiprocessing starts: a program of its own, against a fake server.

Not proven: that Vault ends a token's leases with it (`tests/live/vault_estate/`).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.answering import Answering, Asked, Said, answering

ROOT = Path(__file__).parents[3]
PROGRAM = """
import multiprocessing
import sys

from vault_estate import VaultClient

CLIENT = VaultClient()


def work(asks):
    CLIENT.get_secret("of-child")
    if asks == "raises":
        raise SystemExit(3)


if __name__ == "__main__":
    CLIENT.get_secret("of-parent")
    context = multiprocessing.get_context(sys.argv[1])
    child = context.Process(target=work, args=(sys.argv[2],))
    child.start()
    child.join(30)
    assert child.exitcode == (3 if sys.argv[2] == "raises" else 0), child.exitcode
    CLIENT.refresh("of-parent")
"""


def _said(asked: Asked, logins: list[str]) -> Said:
    if asked.path.endswith("/login"):
        logins.append(f"token-{len(logins) + 1}")
        auth = {"client_token": logins[-1], "lease_duration": 3_600, "renewable": True}
        return Said(body=json.dumps({"auth": auth}).encode())
    if asked.path.endswith("revoke-self"):
        return Said(status=204, body=b"")
    return Said(body=b'{"data": {"data": {"a": "b"}, "metadata": {"version": 1}}}')


def _run(server: Answering, folder: Path, method: str, asks: str) -> list[tuple[str, str]]:
    """What was asked, each by its path's last part and the token."""
    program = folder / "program.py"
    program.write_text(PROGRAM)
    secret_id = folder / "secret-id"
    secret_id.touch(mode=0o600)
    secret_id.write_text("fake-secret-id")
    logins: list[str] = []
    server.says()
    server.next = lambda: _said(server.asked[-1], logins)  # type: ignore[method-assign]  # by what was asked
    told = {"VAULT_ADDR": server.address, "VAULT_ROLE_ID": "role", "VAULT_SECRET_ID_FILE": str(secret_id)}
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("VAULT_", "BAO_"))}
    done = subprocess.run(
        [sys.executable, str(program), method, asks],
        env={**environ, **told, "PYTHONPATH": str(ROOT)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [(one.path.rpartition("/")[2], one.headers.get("X-Vault-Token", "")) for one in server.asked]


@pytest.mark.parametrize(
    ("method", "asks"), [("fork", "reads"), ("fork", "raises"), ("spawn", "reads"), ("forkserver", "reads")]
)
def test_a_child_revokes_its_own_token_and_no_other(tmp_path: Path, method: str, asks: str) -> None:
    with answering(tmp_path, tls=False) as server:
        asked = _run(server, tmp_path, method, asks)
    assert asked == [
        ("login", ""),
        ("of-parent", "token-1"),
        ("login", ""),
        ("of-child", "token-2"),
        ("revoke-self", "token-2"),
        ("of-parent", "token-1"),
        ("revoke-self", "token-1"),
    ]
