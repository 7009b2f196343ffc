"""The bootstrap script against HashiCorp's server, under an auto-unseal and under shares that operators give.

Doesn't prove: the script killed half-way, which is tried on OpenBao.
"""

from pathlib import Path

import hvac
import pytest

from ops.keys.certificates import ensure_administrator
from ops.keys.pgp import ensure_operator
from ops.vault.key_shares import open_share
from tests.support.nodes import NodeServer
from tests.support.sealed import client_of, sealed, unseal
from tests.support.servers import ADMINISTRATOR_POLICY, call


@pytest.mark.parametrize("kind", ["awskms", "shamir"])
def test_the_administrator_logs_in_and_no_root_token_is_left(tmp_path: Path, kind: str) -> None:
    ensure_administrator(tmp_path / "administrator.crt", tmp_path / "administrator.key")
    key = ensure_operator(tmp_path / "operator")
    with sealed(tmp_path / "node", "vault", kind) as server:
        steps = first_boot(server, tmp_path, key, auto_unseal=kind != "shamir")

        assert [step for step in ("root-token-dead", "read-back", "login-enabled", "done") if step not in steps] == []
        client = logged_in(server, tmp_path)
        accessors = call(client, "list", "auth/token/accessors")["data"]["keys"]
        held = [call(client, "post", "auth/token/lookup-accessor", {"accessor": one})["data"] for one in accessors]
        assert [one["policies"] for one in held if "root" in one["policies"]] == []
        assert "nothing-to-do" in first_boot(server, tmp_path, key, auto_unseal=kind != "shamir")


def first_boot(server: NodeServer, folder: Path, key: Path, *, auto_unseal: bool) -> str:
    """Run it, and be the operator where it waits for one; what it told."""
    operators = [("ada", key.read_text())]
    certificate = (folder / "administrator.crt").read_text()
    boot = server.bootstrap(operators, 1, certificate, ADMINISTRATOR_POLICY, auto_unseal=auto_unseal)
    assert boot.stdout is not None
    told = ""
    for line in boot.stdout:
        told += line
        if "waiting-for-unseal" in line:
            unseal(client_of(server), [open_share(server.custody, key.with_name("private.asc"), input)])
    _, said = boot.communicate(timeout=60)
    assert boot.returncode == 0, said
    return told


def logged_in(server: NodeServer, folder: Path) -> hvac.Client:
    """As the administrator, by the certificate."""
    pair = (str(folder / "administrator.crt"), str(folder / "administrator.key"))
    client = hvac.Client(url=server.address, verify=str(server.ca_file), cert=pair)
    client.token = call(client, "post", "auth/cert/login", {"name": "administrator"})["auth"]["client_token"]
    return client
