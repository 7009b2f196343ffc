"""The administrator's login follows what it should be, on HashiCorp's server, and never away from who changes it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ops.keys.certificates import ensure_administrator
from ops.keys.pgp import ensure_operator
from tests.support.login_follows import EARLIER, LoginFollows
from tests.support.sealed import sealed


@dataclass(frozen=True, kw_only=True)
class Server:
    """One that was bootstrapped, and its administrator's pair."""

    address: str
    ca_file: Path
    administrator_certificate: Path
    administrator_key: Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Bootstrapped as an earlier release did."""
    folder = tmp_path_factory.mktemp("administrator")
    certificate, key = folder / "administrator.crt", folder / "administrator.key"
    ensure_administrator(certificate, key)
    operators = [("ada", ensure_operator(folder / "operator").read_text())]
    with sealed(folder / "node", "vault", "transit") as node:
        boot = node.bootstrap(operators, 1, certificate.read_text(), EARLIER, auto_unseal=True)
        _, said = boot.communicate(timeout=600)
        assert boot.returncode == 0, said
        yield Server(
            address=node.address, ca_file=node.ca_file, administrator_certificate=certificate, administrator_key=key
        )


class TestOnHashiCorps(LoginFollows):
    """Its real first boot."""
