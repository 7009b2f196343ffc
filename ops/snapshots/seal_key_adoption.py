"""Handing a lost node's seal key and key shares to the new one, over SSH.

Owns the one command line. Refuses to put anything secret on it: that goes by standard input.
"""

import base64
import json
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from components.payloads import adopt_seal_key
from components.render.shortened import without_comments
from ops.console import Console
from ops.errors import EstateError
from ops.snapshots.escrow import Escrowed

_NODE = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*")
_PROGRAM = Path(adopt_seal_key.__file__)
_SECONDS = 180.0
"""How long the node may take; measured here: 3 s."""


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """What the node has now."""

    cluster_id: str
    custody: bool
    """Whether the operators' shares are there again too."""


def adopt(node: str, escrowed: Escrowed, console: Console, *, force: bool) -> Adopted:
    """Put the key and the key shares in place on a new node, which loses what its first boot made.
    Raises EstateError if the node refuses, or can't be reached."""
    if not _NODE.fullmatch(node):
        raise EstateError(f"--node is {node!r}; expected USER@HOST, as ssh takes it")
    told = {
        "seal_key": base64.b64encode(escrowed.seal_key).decode(),
        "cluster_id": escrowed.cluster_id,
        "custody": escrowed.custody,
        "force": force,
    }
    program = without_comments(_PROGRAM.read_text(encoding="utf-8"), "components/payloads/adopt_seal_key.py")
    command = ["ssh", node, f"sudo python3 -I -c {shlex.quote(program)}"]
    with console.stage(f"handing the seal's key to {node}"):
        try:
            done = subprocess.run(
                command, input=json.dumps(told), capture_output=True, text=True, check=False, timeout=_SECONDS
            )
        except FileNotFoundError:
            raise EstateError("ssh is not here; expected it, to reach the node") from None
        except subprocess.TimeoutExpired:
            raise EstateError(
                f"{node} was not done after {_SECONDS:.0f} s; expected an end: the same command goes on"
            ) from None
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise EstateError(f"{node}: {said[-1] if said else f'ssh ended with {done.returncode}'}")
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    return Adopted(cluster_id=answer["cluster_id"], custody=answer["custody"])
