"""A move of the seal's key that is killed (SIGKILL) before each step that changes something: the server opens with
what is there then, and the same command goes on from there.

Doesn't prove: a node's side, of which `tests/machines/test_snapshot_disaster.py` kills three moments.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.payloads.move_seal_key import key_id
from ops.paths import ROOT
from ops.snapshots.local_seal_keys import LocalSealKeys
from tests.support.servers import call
from tests.support.snapshotting import Estate, estate

KEPT = "-".join(("canary", "of", "the", "moved"))
DRIVER = """
import os, signal, sys
from pathlib import Path
from ops.commands import seal_key_moves
from ops.console import Console
from ops.local.servers import LocalServers
from ops.paths import Paths
from ops.snapshots import local_seal_keys

at, steps = int(sys.argv[2]), [0]

def counted(owner, name, counts=lambda *_: True):
    real = getattr(owner, name)
    def step(*arguments, **named):
        if counts(*arguments):
            steps[0] += 1
            if steps[0] == at:
                os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)
    setattr(owner, name, step)

def is_key(file, *_):
    return file.name.startswith(("seal.key", "moving-seal-key"))

for owner, name in ((LocalServers, "stop"), (LocalServers, "start"), (local_seal_keys, "create_private"),
                    (local_seal_keys, "write_private"), (seal_key_moves, "write_private")):
    counted(owner, name)
for name in ("replace", "unlink"):
    counted(Path, name, is_key)
paths = Paths(project=Path(sys.argv[1]))
seal_key_moves.move(paths, "local", Console(as_json=True), node=None, sandbox=False)
print(steps[0])
"""
STEPS = 12
AGAIN = """
import sys
from pathlib import Path
from ops.paths import Paths
from ops.platforms.registry import platform_of
from ops import stack_file

paths = Paths(project=Path(sys.argv[1]))
servers = platform_of(paths, stack_file.read(paths, "local")).servers
servers.stop()
servers.start()
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, postgres_template: Path) -> Iterator[Estate]:
    """A running estate with something in it."""
    with estate(tmp_path_factory.mktemp("project"), postgres_template) as one:
        call(one.client, "post", "secret/data/application", {"data": {"value": KEPT}})
        # What stops it is another process, as in life: this one would have to bury its own children.
        one.platform.stop()
        again(one)
        yield one


def again(made: Estate) -> None:
    """Another start of the server, with what is there."""
    done = elsewhere(AGAIN, made)
    assert done.returncode == 0, done.stderr


def driven(made: Estate, at: int) -> "subprocess.CompletedProcess[str]":
    """A move that ends before that step; 0: at its end."""
    return elsewhere(DRIVER, made, str(at))


def elsewhere(program: str, made: Estate, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", program, str(made.paths.project), *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=480,
    )


def is_whole(made: Estate) -> bool:
    return bool(call(made.client, "get", "secret/data/application")["data"]["data"] == {"value": KEPT})


def test_so_many_steps_it_has(made: Estate) -> None:
    done = driven(made, 0)

    assert (done.returncode, done.stdout.strip()) == (0, str(STEPS)), done.stderr


@pytest.mark.parametrize("at", [3, 5, 6, 7, 9, 10, 11, 12])  # before the others nothing has changed
def test_the_server_opens_and_the_same_command_goes_on(made: Estate, at: int) -> None:
    keys, before = LocalSealKeys(made.platform), made.seal_key.read_bytes()
    older = keys.state().older
    assert driven(made, at).returncode == -signal.SIGKILL

    again(made)
    assert is_whole(made)
    done = driven(made, 0)
    assert done.returncode == 0, done.stderr

    state = keys.state()
    assert (state.previous, state.coming) == (None, None)
    assert made.seal_key.read_bytes() != before
    assert set(state.older) == {*older, key_id(before)}, "one move, not two"
    assert is_whole(made)
