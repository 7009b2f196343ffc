"""A restore that is killed (SIGKILL) at its worst points leaves a server that the next restore puts right.

Doesn't prove: a kill of the server itself in that moment, or of the whole machine.
"""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from ops.commands import snapshots
from ops.errors import EstateError
from ops.paths import ROOT
from ops.snapshots import drilling, restoring, taking, unfinished
from tests.support.servers import call
from tests.support.snapshotting import Estate, estate

KEPT = "-".join(("canary", "of", "the", "killed"))
KILLED: Mapping[str, str] = {
    # Where the process ends, as the method that never returns.
    "the server is initialised, and nobody has read its keys": """
        real = ActiveNode.call
        def call(self, method, path, body=None):
            answer = real(self, method, path, body)
            if path == "sys/init":
                die()
            return answer
        ActiveNode.call = call
    """,
    "the request to initialise was sent, and no answer waited for": """
        real = Target.connect
        def connect(self):
            connection = real(self)
            ask = connection.request
            def request(method, path, *rest, **named):
                ask(method, path, *rest, **named)
                if path.endswith("sys/init"):
                    die()
            connection.request = request
            return connection
        Target.connect = connect
    """,
    "before the archive is sent": "Target.put_back = lambda self, archive, force: die()",
    "half the archive is sent": """
        real = ActiveNode.open
        class Half:
            def __init__(self, file):
                self.file, self.count = file, 0
            def read(self, size=-1):
                self.count += 1
                if self.count > 1:
                    import time
                    time.sleep(0.3)
                    die()
                return self.file.read(4096)
        def open_(self, method, path, body=None):
            return real(self, method, path, Half(body) if "snapshot" in path else body)
        ActiveNode.open = open_
    """,
    "the archive is sent, and nothing looked at": """
        real = Target.put_back
        def put_back(self, archive, *, force):
            real(self, archive, force=force)
            die()
        Target.put_back = put_back
    """,
    "the canary is found": "unfinished.Mark.clear = lambda self: die()",
}
DRIVER = """
import os, signal, sys
from pathlib import Path
from components.payloads.snapshot import ActiveNode
from ops.console import Console
from ops.paths import Paths
from ops.snapshots import unfinished
from ops.commands import snapshots
from ops.snapshots.target import Target

def die():
    os.kill(os.getpid(), signal.SIGKILL)

{change}
paths, console = Paths(project=Path(sys.argv[1])), Console(as_json=True)
snapshots.restore(paths, "local", console, key=None, force=False, identity=None, sandbox=False)
"""
DRILL = """
import os, signal, sys
from pathlib import Path
from ops import stack_file
from ops.console import Console
from ops.paths import Paths
from ops.keys import age
from ops.snapshots import drilling

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

drilling.put_into = die
paths = Paths(project=Path(sys.argv[1]))
file = stack_file.read(paths, "local")
drilling.drill(paths, file, Console(as_json=True), age.default_identity(paths, file), paths.local / 'openbao/seal.key')
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, postgres_template: Path) -> Iterator[Estate]:
    """A running estate with something in it, and a snapshot of that."""
    with estate(tmp_path_factory.mktemp("project"), postgres_template) as one:
        call(one.client, "post", "secret/data/application", {"data": {"value": KEPT}})
        taking.take(one.paths, one.file, one.where, one.console)
        yield one


def killed(made: Estate, point: str) -> None:
    """Run a restore that is killed there."""
    run(made, DRIVER.format(change=textwrap.dedent(KILLED[point])))


def run(made: Estate, text: str) -> None:
    """Run a program that ends by SIGKILL."""
    done = subprocess.run(
        [sys.executable, "-c", text, str(made.paths.project)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=480,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def restore(made: Estate) -> restoring.Restored:
    """The same command again, left alone."""
    return snapshots.restore(made.paths, "local", made.console, key=None, force=False, identity=None, sandbox=False)[0]


@pytest.mark.parametrize("empty", [True, False], ids=["into an empty server", "into a running one"])
@pytest.mark.parametrize("point", KILLED)
def test_the_next_one_puts_it_right(made: Estate, point: str, empty: bool) -> None:
    if "initialise" in point and not empty:
        point = "before the archive is sent"  # a running server is never initialised
    if empty:
        made.lose_everything()
    killed(made, point)

    done = restore(made)

    assert (done.canary, done.sealed) == (True, False)
    assert call(made.client, "get", "secret/data/application")["data"]["data"] == {"value": KEPT}
    left = {file.name for file in made.paths.own.iterdir()}
    assert not {name for name in left if name.startswith(("restore-", "restoring-"))}


def test_without_its_mark_a_server_that_lets_nobody_in_is_left_alone(made: Estate) -> None:
    made.lose_everything()
    killed(made, "before the archive is sent")
    (made.paths.own / "restoring-local.json").unlink()

    with pytest.raises(EstateError, match=r"does not belong into .*, the server is "):
        restore_without_the_command(made, emptied=True)
    assert (made.platform.openbao.health() or {})["initialized"] is True

    made.lose_everything()
    assert restore(made).canary is True


def test_a_node_is_emptied_by_a_person_and_told_so(made: Estate) -> None:
    made.lose_everything()
    killed(made, "before the archive is sent")

    with pytest.raises(
        EstateError, match=r"a restore was killed .* expected an empty server: \./estate seal-key local"
    ):
        restore_without_the_command(made, emptied=False)
    assert restore(made).canary is True


def test_a_server_that_custody_knows_is_never_emptied(made: Estate) -> None:
    health = made.platform.openbao.health() or {}
    complete = Path(f"{made.platform.custody}.complete")
    assert json.loads(complete.read_text())["cluster_id"] == health["cluster_id"]

    with pytest.raises(EstateError, match="belongs to cluster"):
        unfinished.emptying(made.platform)(str(health["cluster_id"]))
    assert (made.platform.openbao.health() or {})["cluster_id"] == health["cluster_id"]


def test_the_server_of_a_drill_that_was_killed_ends_with_the_next_one(made: Estate) -> None:
    run(made, DRILL)
    (left,) = made.paths.own.glob("drill-*")
    assert _running(left)

    done = drilling.drill(made.paths, made.file, made.console, made.identity, made.seal_key)

    assert done.opened is True
    assert not _running(left)
    assert not list(made.paths.own.glob("drill-*"))


def _running(folder: Path) -> list[int]:
    listed = psutil.process_iter(["cmdline"])
    return [one.pid for one in listed if str(folder) in " ".join(one.info["cmdline"] or ())]


def restore_without_the_command(made: Estate, *, emptied: bool) -> restoring.Restored:
    """As the command does; a node's storage can't be emptied from here."""
    empty = unfinished.emptying(made.platform) if emptied else None
    return restoring.restore(made.paths, made.file, made.where, made.console, identity=made.identity, empty=empty)
