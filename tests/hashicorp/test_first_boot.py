"""The bootstrap script against HashiCorp's server, under an auto-unseal and under shares that operators give. Killed
between any two of its steps with the server, the next run ends well.

Doesn't prove: AWS KMS itself, nor systemd, which on a node empties the storage and begins anew.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hvac
import pytest

from ops.keys.certificates import ensure_administrator
from ops.keys.pgp import ensure_operator
from ops.vault.key_shares import open_share
from tests.support.nodes import NodeServer
from tests.support.sealed import client_of, sealed, unseal
from tests.support.servers import ADMINISTRATOR_POLICY, call, living_tokens

EMPTIED = ["initialised", "key-shares-written", "root-token-dead", "read-back"]
"""Steps after which the server is initialised, and nobody can log in yet."""


@dataclass(frozen=True, kw_only=True)
class Boot:
    """A server, its one operator and its administrator."""

    folder: Path
    server: NodeServer

    def run(self, kill_at: str | None = None) -> tuple[int, str, str]:
        """First boot, with the operator where it waits for one: exit code, what it told, what it said."""
        key = ensure_operator(self.folder / "operator")
        boot = self.server.bootstrap(
            [("ada", key.read_text())],
            1,
            (self.folder / "administrator.crt").read_text(),
            ADMINISTRATOR_POLICY,
            auto_unseal=self.server.seal.auto_unseal,
            kill_at=kill_at,
        )
        assert boot.stdout is not None
        told = ""
        for line in boot.stdout:
            told += line
            if "waiting-for-unseal" in line and kill_at != "waiting-for-unseal":
                unseal(client_of(self.server), [open_share(self.server.custody, key.with_name("private.asc"), input)])
        _, said = boot.communicate(timeout=600)
        return boot.returncode, told, said

    def nothing_happened(self) -> None:
        """As before any run."""
        for file in self.server.directory.glob("shares.json*"):
            file.unlink()
        self.server.empty()

    def administrator_logs_in_and_no_root_token_is_left(self) -> None:
        pair = (str(self.folder / "administrator.crt"), str(self.folder / "administrator.key"))
        client = hvac.Client(url=self.server.address, verify=str(self.server.ca_file), cert=pair)
        client.token = call(client, "post", "auth/cert/login", {"name": "administrator"})["auth"]["client_token"]
        assert [one["policies"] for one in living_tokens(client) if "root" in one["policies"]] == []


@contextlib.contextmanager
def booting(folder: Path, kind: str) -> Iterator[Boot]:
    """With a server that nobody initialised."""
    ensure_administrator(folder / "administrator.crt", folder / "administrator.key")
    with sealed(folder / "node", "vault", kind) as server:
        yield Boot(folder=folder, server=server)


@pytest.fixture(scope="module")
def unsealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boot]:
    """By another Vault."""
    with booting(tmp_path_factory.mktemp("unsealed"), "transit") as boot:
        yield boot


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boot]:
    """By shares."""
    with booting(tmp_path_factory.mktemp("by-hand"), "shamir") as boot:
        yield boot


@pytest.mark.parametrize("kind", ["awskms", "shamir"])
def test_the_administrator_logs_in_and_no_root_token_is_left(tmp_path: Path, kind: str) -> None:
    with booting(tmp_path, kind) as boot:
        code, steps, said = boot.run()
        assert (code, said) == (0, "")
        assert [step for step in ("root-token-dead", "read-back", "login-enabled", "done") if step not in steps] == []
        boot.administrator_logs_in_and_no_root_token_is_left()
        assert "nothing-to-do" in boot.run()[1]


def killed(boot: Boot, step: str) -> None:
    """Kill one after a step, and run it again as a node does."""
    boot.nothing_happened()
    assert boot.run(kill_at=step)[0] == -9

    code, _, said = boot.run()
    if step in (*EMPTIED, "waiting-for-unseal"):
        assert code == 10
        assert "stopped before anybody could log in: it holds nothing; empty its storage and run this again" in said
        boot.server.empty()
        code, _, said = boot.run()

    assert (code, said) == (0, "")
    boot.administrator_logs_in_and_no_root_token_is_left()


@pytest.mark.parametrize("step", ["key-shares-reserved", *EMPTIED, "login-enabled", "token-dead"])
def test_killed_between_any_two_steps_the_next_run_ends_well(unsealed: Boot, step: str) -> None:
    killed(unsealed, step)


@pytest.mark.parametrize("step", ["waiting-for-unseal", "read-back"])
def test_killed_around_its_operators_the_next_run_ends_well(by_hand: Boot, step: str) -> None:
    killed(by_hand, step)
