"""One operation of the engine on a stack of a copy, in a process of its own.

A stack whose settings must stay as they were can be told to find its server at another address than its node's: a
server of this machine answers in the node's place then, and the cloud's objects are in memory.
"""

import json
import subprocess
from typing import Any

from tests.support.checkouts import Checkout

_DRIVER = """
import json, sys
from components.hetzner import server
from components.platform.endpoint import Endpoint
from components.render.node.model import Node
from ops import stack_file
from ops.commands import session
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths
from ops.platforms.registry import platform_of
from ops.commands.session import Choices
stack, operation, address = sys.argv[1:]
if address:
    Node.api_address = lambda _node, _host: address
    # Whoever runs this comes from this machine too.
    server.Endpoint = lambda **given: Endpoint(**given | {"administrator_networks": ("127.0.0.0/8",)})
paths, console = Paths(), Console(as_json=True)
chosen = platform_of(paths, stack_file.read(paths, stack), sandbox=True)
opened_for = "down" if operation == "destroy" else operation if operation in ("up", "preview") else "preview"
try:
    # A preview needs its keys, and no machine that boots.
    with session.locked(paths), chosen.ready("preview", console) as platform:
        with session.opened(platform, console, opened_for, Choices(sandbox=True)) as opened:
            with console.stage(operation) as steps:
                changes = opened.run.operate(operation, steps)
except EstateError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
told = {"resources": changes.resources, "outputs": dict(changes.outputs), "warnings": changes.warnings}
print(json.dumps({"counts": dict(changes.counts), **told}))
"""


def begin(made: Checkout, stack: str, operation: str, *, address: str = "") -> subprocess.Popen[str]:
    """Start an operation.

    Args:
        made: the copy.
        stack: whose file it has.
        operation: preview, up, refresh or destroy.
        address: of the server in a node's place; empty: the stack's own.
    """
    return subprocess.Popen(
        [*made.command()[:1], "-c", _DRIVER, stack, operation, address],
        cwd=made.directory,
        env=made.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def done(running: subprocess.Popen[str]) -> dict[str, Any]:
    """What an operation that must succeed did: `counts`, `resources`, `outputs`."""
    out, said = running.communicate(timeout=600)
    assert running.returncode == 0, said
    document: dict[str, Any] = json.loads(out)
    return document


def failed(running: subprocess.Popen[str]) -> str:
    """What an operation that must fail said at its end."""
    _, said = running.communicate(timeout=600)
    assert running.returncode == 2, said
    return said
