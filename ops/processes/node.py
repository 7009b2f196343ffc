"""Programs that are run as root on a node, over SSH.

Owns the one command line. Refuses to put anything secret on it: that goes by standard input.
"""

import json
import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.render.shortened import without_comments
from ops.errors import EstateError

_NODE = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*")
_SECONDS = 180.0
"""How long the node may take; measured here: 3 s."""


def command(node: str, program: Path, *arguments: str) -> list[str]:
    """What runs a Python program on `node`, which is USER@HOST as ssh takes it. Raises EstateError if it isn't."""
    if not _NODE.fullmatch(node):
        raise EstateError(f"--node is {node!r}; expected USER@HOST, as ssh takes it")
    text = without_comments(program.read_text(encoding="utf-8"), f"components/payloads/{program.name}")
    return ["ssh", node, shlex.join(["sudo", "python3", "-I", "-c", text, *arguments])]


def run_on(node: str, program: Path, told: Mapping[str, Any]) -> dict[str, Any]:
    """Run a program that reads one JSON document and ends with one.
    Raises EstateError if the node refuses, or can't be reached."""
    line = command(node, program)
    try:
        done = subprocess.run(
            line, input=json.dumps(told), capture_output=True, text=True, check=False, timeout=_SECONDS
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
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer
