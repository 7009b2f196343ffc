"""Handing a lost node's seal key and key shares to the new one, over SSH.

Owns what is sent. What does it there is the payload's business.
"""

import base64
from dataclasses import dataclass
from pathlib import Path

from components.payloads import adopt_seal_key
from ops.console import Console
from ops.processes.node import run_on
from ops.snapshots.escrow import Escrowed

_PROGRAM = Path(adopt_seal_key.__file__)


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """What the node has now."""

    cluster_id: str
    custody: bool
    """Whether the operators' shares are there again too."""


def adopt(node: str, escrowed: Escrowed, console: Console, *, force: bool) -> Adopted:
    """Put the key and the key shares in place on a new node, which loses what its first boot made.
    Raises EstateError if the node refuses, or can't be reached."""
    told = {
        "seal_key": base64.b64encode(escrowed.seal_key).decode(),
        "cluster_id": escrowed.cluster_id,
        "custody": escrowed.custody,
        "force": force,
    }
    with console.stage(f"handing the seal's key to {node}"):
        answer = run_on(node, _PROGRAM, told)
    return Adopted(cluster_id=answer["cluster_id"], custody=answer["custody"])
