"""`./estate up dev --sandbox` killed as by a power cut: while the node boots, bootstraps, and gets its contents.

The next `up` goes on each time, and `down` leaves nothing. One world, in the order of its life; each test needs those
before it. Not proven: a kill at every other moment.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from fake_providers.machines import MachineError, network
from tests.support.booting import left_on_this_host
from tests.support.dev_checkouts import STACK, DevCheckout, dev_checkout

_SECONDS = 300.0


@pytest.fixture(scope="module")
def dev(machines_boot: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCheckout]:
    """A copy whose `up` is killed here."""
    with dev_checkout(tmp_path_factory.mktemp("killed")) as made:
        yield made


def kill_when(dev: DevCheckout, reached: Callable[[], bool]) -> None:
    """Begin an `up`, and kill it with all that it started as soon as it has come so far."""
    running = dev.begin("up", STACK, "--sandbox")
    deadline = time.monotonic() + _SECONDS
    try:
        while not reached():
            assert running.poll() is None, running.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        if running.poll() is None:
            dev.kill(running)
    assert running.returncode < 0


def on_the_node(dev: DevCheckout, script: str) -> bool:
    """Whether a shell script succeeds there."""
    try:
        return dev.node.run(["sh", "-c", script]).returncode == 0
    except MachineError:
        return False


def state(dev: DevCheckout) -> str:
    """What the engine has recorded."""
    files = list((dev.sandbox.directory / "state/.pulumi/stacks").rglob(f"{STACK}.json"))
    return files[0].read_text() if files else ""


def test_killed_while_the_node_boots(dev: DevCheckout) -> None:
    kill_when(dev, (dev.sandbox.machines / "servers" / f"vault-{STACK}" / "launcher").exists)

    assert "index/server:Server" not in json.dumps(json.loads(state(dev))["checkpoint"]["latest"].get("resources"))


def test_killed_while_it_bootstraps(dev: DevCheckout) -> None:
    kill_when(dev, lambda: on_the_node(dev, "test -e /var/lib/vault/raft/vault.db"))

    assert "vault:index/mount:Mount" not in state(dev)


def test_killed_while_contents_are_applied(dev: DevCheckout) -> None:
    kill_when(dev, lambda: "vault:index/mount:Mount" in state(dev))


def test_the_next_goes_on(dev: DevCheckout) -> None:
    built = dev.answered("up", STACK)

    assert built["passed"] is True
    assert "pending_operations" not in state(dev)
    assert dev.answered("up", STACK)["changed"] == 0


def test_down_leaves_nothing(dev: DevCheckout) -> None:
    own = network.find(dev.sandbox.machines)
    assert own is not None
    assert left_on_this_host(own.machines, own.bridge)

    dev.answered("down", STACK)

    assert left_on_this_host(own.machines, own.bridge) == ""
    assert list((dev.paths.own / "sandbox").iterdir()) == []
    folders = [one.info["cwd"] or "" for one in psutil.process_iter(["cwd"])]
    assert [folder for folder in folders if folder.startswith(f"{dev.directory}{os.sep}")] == []
    assert str(dev.directory) not in Path("/proc/self/mounts").read_text()
