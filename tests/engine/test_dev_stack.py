"""The stack `dev` as it is committed, through the real engine: preview, up, refresh, replace, destroy, and faults.

The cloud's objects are in memory, and a real OpenBao on this machine answers in the node's place; so the node's name
and certificate, its first boot, database and snapshots are left out here. `tests/machines/test_dev_up.py` has them.
"""

import json
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.render import acl
from components.render.administrator import administrator_policy
from ops.local.bootstrap import bootstrap
from ops.paths import ROOT
from tests.support import engine_runs
from tests.support.checkouts import copy_code
from tests.support.dev_checkouts import DevCheckout
from tests.support.lines import Line
from tests.support.servers import (
    VaultServer,
    administrator_client,
    call,
    eventually,
    new_platform,
    postgres_template,
)

__all__ = ["postgres_template"]

SERVER = "hcloud:index/server:Server"
WAITS = 4
"""Seconds that a first boot is given here."""


@dataclass(frozen=True, kw_only=True)
class Dev:
    """A copy with the stack `dev`, and the server in its node's place."""

    made: DevCheckout
    line: Line
    vault: VaultServer

    def begin(self, operation: str, *, seconds: int = 30) -> subprocess.Popen[str]:
        """Start an operation of the engine, in which a first boot may take so long."""
        self.made.change(platform={**self.made.written()["platform"], "boot_timeout": seconds})
        return engine_runs.begin(self.made, "dev", operation)

    def done(self, operation: str) -> dict[str, Any]:
        """An operation that must succeed."""
        return engine_runs.done(self.begin(operation))

    def fails(self, operation: str, *, seconds: int) -> str:
        """An operation that must fail; what it said at the end."""
        return engine_runs.failed(self.begin(operation, seconds=seconds))

    def servers(self) -> list[str]:
        """Ids of the servers in the cloud."""
        file = self.made.sandbox.file
        held = json.loads(file.read_text()) if file.exists() else {}
        return [key.split()[1] for key in held if key.split()[0] == SERVER]


@pytest.fixture
def dev(tmp_path: Path, postgres_template: Path) -> Iterator[Dev]:
    """A copy and a bootstrapped server of its own. What the node alone reaches is left out."""
    directory = tmp_path / "estate"
    copy_code(directory)
    shutil.copy(ROOT / "Pulumi.dev.yaml", directory)
    platform = new_platform(tmp_path / "server", postgres_template)
    made = DevCheckout(directory=directory)
    try:
        platform.start()
        bootstrap(platform, policy=acl.render(administrator_policy()))
        keys = made.paths.make_own() / "dev"
        keys.mkdir()
        shutil.copy(platform.administrator_certificate, keys)
        shutil.copy(platform.administrator_key, keys)
        shutil.copy(platform.ca_file, keys)
        shutil.copytree(platform.directory / "operator", keys / "operator")
        written = made.written()
        tls = {**written["platform"]["tls"], "ca_certificate_file": ".estate/dev/ca.crt"}
        applications = {
            name: {key: value for key, value in one.items() if key != "database_roles"}
            for name, one in written["applications"].items()
        }
        node = {name: value for name, value in written["platform"].items() if name not in ("ssh", "dns")}
        line = Line(target=("127.0.0.1", platform.api_port))
        where = {"domain": "127.0.0.1", "api_port": line.port, "api_cidrs": ["127.0.0.0/8"]}
        made.change(
            protect=False,
            database=None,
            snapshots=None,
            # Without snapshots there's nothing beside which a seal's key could lie in escrow.
            platform={**node, **where, "tls": tls, "seal": {"kind": "static"}},
            applications=applications,
        )
        threading.Thread(target=line.serve, daemon=True).start()
        yield Dev(made=made, line=line, vault=VaultServer(platform=platform, client=administrator_client(platform)))
        line.listener.close()
    finally:
        platform.stop()


def test_the_whole_life(dev: Dev) -> None:
    previewed = dev.done("preview")
    assert previewed["counts"].keys() == {"create"}
    assert previewed["warnings"] == [], "the pack can judge everything in a pull request, user-data too"
    assert dev.servers() == []

    built = dev.done("up")
    assert built["counts"] == previewed["counts"]
    assert built["outputs"]["address"] == dev.line.address
    roles = call(dev.vault.client, "list", "auth/approle/role")["data"]["keys"]
    assert sorted(roles) == ["aos", "bike-data-flow", "dagster"]

    assert dev.done("up")["counts"].keys() == {"same"}
    assert dev.done("refresh")["counts"].keys() == {"same"}
    (first,) = dev.servers()

    bootstrapping = dev.made.written()["bootstrap"]
    dev.made.change(bootstrap={**bootstrapping, "administrator": {**bootstrapping["administrator"], "token_ttl": "2h"}})
    replaced = dev.done("up")
    touched = {urn.split("::")[-1] for kind, urn in replaced["resources"] if "replace" in kind}
    assert touched == {"platform-server", "platform-private", "platform-attachment"}
    (second,) = dev.servers()
    assert second != first
    assert replaced["outputs"]["cluster_id"] == built["outputs"]["cluster_id"]

    destroyed = dev.done("destroy")
    assert destroyed["counts"].keys() == {"delete"}
    assert dev.servers() == []


def test_a_server_that_never_gets_ready_is_one_sentence_and_the_next_up_goes_on(dev: Dev) -> None:
    dev.line.up = False

    said = dev.fails("up", seconds=WAITS)

    assert f"Vault at {dev.line.address} is not ready after {WAITS} s: still waiting for it to answer" in said
    assert len(said.partition("up failed:\n")[2].splitlines()) == 1
    assert "Traceback" not in said
    (made,) = dev.servers()

    dev.line.up = True
    assert dev.done("up")["counts"].keys() == {"same", "create"}
    assert dev.servers() == [made]
    assert dev.done("up")["counts"].keys() == {"same"}


def test_connections_that_are_lost_while_waiting_are_made_again(dev: Dev) -> None:
    dev.line.cuts = 3

    assert dev.done("up")["counts"].keys() == {"create"}
    assert dev.line.cuts == 0


def test_an_interrupt_ends_the_wait_and_the_next_up_goes_on(dev: Dev) -> None:
    dev.line.up = False
    running = dev.begin("up", seconds=200)
    assert eventually(lambda: dev.line.taken > 0, seconds=60)

    begun = time.monotonic()
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=600)

    assert running.returncode == 130, said
    assert time.monotonic() - begun < 30
    assert "interrupted; what was done is recorded" in said
    (made,) = dev.servers()

    dev.line.up = True
    assert dev.done("up")["counts"].keys() == {"same", "create"}
    assert dev.servers() == [made]
