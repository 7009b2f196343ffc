"""What a stack's state tells of it, asked of the engine without opening the stack.

Owns the questions and what the answers mean. Changes nothing.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ops.console import Console
from ops.engine import finding
from ops.engine.environment import Backend, environment
from ops.engine.listening import Kept, failure
from ops.errors import EstateError
from ops.paths import Paths

_ENGINE_SECONDS = 60.0
_STACK_TYPE = "pulumi:pulumi:Stack"
_KMS_KEY = "aws:kms/key:Key"
_BUCKET, _OF_BUCKET = "aws:s3/bucket:Bucket", "aws:s3/bucket"
_CLAIM = "kubernetes:core/v1:PersistentVolumeClaim"
LOCKS = ".pulumi/locks/**/*.json"
"""The engine's locks in a folder that holds states."""


@dataclass(frozen=True, kw_only=True)
class StateRecord:
    """What a stack's state tells of its last runs."""

    outputs: Mapping[str, str]
    """What it exports, secrets left out."""
    is_unfinished: bool
    """Whether a run began something that it didn't end: it failed, or was killed."""


def read_record(paths: Paths, stack: str, backend: Backend, console: Console) -> StateRecord | None:
    """What the state tells; None where nothing was ever built.
    Raises EstateError: no engine can be had, or it can't reach the state."""
    exported = _ask(paths, stack, backend, console, ["stack", "export"])
    deployment = (exported or {}).get("deployment") or {}
    resources = deployment.get("resources") or []
    history = _ask(paths, stack, backend, console, ["stack", "history", "--json", "--page-size", "1"])
    # The engine takes it back at its end, also where it fails.
    locked = any(backend.state.glob(LOCKS)) if backend.state else False
    if not resources and not history and not locked:
        return None
    return StateRecord(
        outputs=exports(deployment),
        is_unfinished=locked
        or bool(deployment.get("pending_operations"))
        or any(one.get("delete") or one.get("pendingReplacement") for one in resources)
        or any(run.get("result") != "succeeded" for run in (history or [])[:1]),
    )


def read_outputs(paths: Paths, stack: str, backend: Backend, console: Console) -> Mapping[str, str]:
    """What the stack exports, secrets left out; nothing where it was never built.
    Raises EstateError: no engine can be had, or it can't reach the state."""
    exported = _ask(paths, stack, backend, console, ["stack", "export"]) or {}
    return exports(exported.get("deployment") or {})


def exports(deployment: Mapping[str, Any]) -> Mapping[str, str]:
    """What an exported state says that the stack exports, secrets left out."""
    stacks = [one for one in deployment.get("resources") or [] if one["type"] == _STACK_TYPE]
    outputs = (stacks[0].get("outputs") if stacks else None) or {}
    return {name: value for name, value in outputs.items() if isinstance(value, str)}


def kept(deployment: Mapping[str, Any]) -> list[Kept]:
    """What stays when this state's stack is destroyed: what is never deleted, and keys, whose deletion waits. Buckets
    stand for what is set on them. What is in a cluster goes with it, but for the volumes of claims."""
    found = []
    for one in deployment.get("resources") or []:
        kind, identity = str(one["type"]), str(one.get("id") or "")
        is_part = kind.startswith("kubernetes:") or (kind.startswith(_OF_BUCKET) and kind != _BUCKET)
        if kind == _CLAIM and one.get("retainOnDelete"):
            found.append(Kept(kind="volume", identity=f"of claim {identity}"))
        elif one.get("custom") and one.get("retainOnDelete") and not is_part:
            found.append(Kept(kind=kind, identity=identity))
        elif kind == _KMS_KEY:
            days = int((one.get("inputs") or {})["deletionWindowInDays"])
            found.append(Kept(kind=kind, identity=identity, days=days))
    return found


def _ask(paths: Paths, stack: str, backend: Backend, console: Console, question: Sequence[str]) -> Any:
    """The engine's answer, from JSON; None where it knows no such stack."""
    if backend.state and not (backend.state / ".pulumi").is_dir():
        return None
    engine = finding.find(console.say)
    command = [str(engine.executable), "--cwd", str(paths.project), "--non-interactive"]
    answer = subprocess.run(
        [*command, *question, "--stack", stack],
        env=environment(engine, backend, paths.own / "shims"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_ENGINE_SECONDS,
    )
    if answer.returncode != 0:
        if "no stack named" in answer.stderr:
            return None
        raise EstateError(failure(" ".join(question[:2]), [], answer.stderr))
    return json.loads(answer.stdout)
