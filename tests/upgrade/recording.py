"""Recording what a release leaves behind, and putting it back: `python -m tests.upgrade.recording VERSION`.

A recording is the stack file and the exported state of the local stack, its secrets encrypted by a passphrase made for
this and worth nothing: the servers they belonged to are gone.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

from ops.console import Console
from ops.engine import session
from ops.engine.session import Choices, Session
from ops.stack_file import read
from tests.support.checkouts import Checkout, checkout

STATES = Path(__file__).with_name("states")
PASSPHRASE = "-".join(("a", "passphrase", "for", "recordings"))


@contextmanager
def opened(made: Checkout) -> Iterator[Session]:
    """The copy's stack, with the recordings' passphrase."""
    own = made.paths.make_own()
    passphrase = own / "passphrase"
    if not passphrase.exists():
        passphrase.write_text(PASSPHRASE)
    file = read(made.paths, "local")
    with (
        chdir(made.directory),
        session.opened(file, made.paths, Console(as_json=True), "preview", Choices(sandbox=True)) as one,
    ):
        yield one


def record(version: str) -> Path:
    """Build the local stack and keep what it leaves."""
    target = STATES / version
    with tempfile.TemporaryDirectory() as scratch, checkout(Path(scratch)) as made:
        (made.paths.make_own() / "passphrase").write_text(PASSPHRASE)
        answer = made.run("up")
        if answer.returncode != 0:
            sys.exit(answer.stderr)
        target.mkdir(parents=True)
        with opened(made) as one:
            deployment = dict(one.run.deployment())
        for resource in deployment["resources"]:
            # Where in the program a resource stood, on the machine of whoever recorded it.
            resource.pop("stackTrace", None)
            resource.pop("sourcePosition", None)
        (target / "state.json").write_text(
            json.dumps({"version": 3, "deployment": deployment}, indent=1, sort_keys=True) + "\n"
        )
        (target / "Pulumi.local.yaml").write_text(made.stack_file.read_text())
    return target


if __name__ == "__main__":
    print(record(sys.argv[1]))
