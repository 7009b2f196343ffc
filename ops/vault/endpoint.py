"""Where a stack's Vault is and who administers it, wherever it runs: found from settings and from the stack's outputs.

Owns the question for every command that talks to a Vault beside the engine. Refuses to guess: a cloud stack that was
never built has no address.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hvac

from ops.console import Console
from ops.engine import finding, session
from ops.engine import operations as engine_stack
from ops.errors import EstateError
from ops.local.servers import LocalPlatform
from ops.paths import Paths
from ops.platforms.local import platform_of
from ops.stack_file import StackFile
from ops.vault.login import administrator

_ENGINE_SECONDS = 60.0
_COMMAND = {True: "--sandbox", False: ""}


@dataclass(frozen=True, kw_only=True)
class Reached:
    """A Vault, and the files its administrator reaches it with."""

    address: str
    """URL of the API."""
    ca_file: Path | None
    """Who vouches for its certificate; None: the system's store."""
    certificate: Path
    private_key: Path


def reached(paths: Paths, file: StackFile, console: Console, *, sandbox: bool = False) -> Reached:
    """Where the Vault of a stack is.

    Raises:
        EstateError: the stack isn't built, or its files are kept somewhere else than its platform keeps them.
    """
    if file.is_local:
        return reached_here(platform_of(paths, file.settings))
    address = outputs(paths, file, console, sandbox=sandbox).get("address")
    if not address:
        command = " ".join(filter(None, ["./estate up", file.stack, _COMMAND[sandbox]]))
        msg = f"stack {file.stack!r} exports no address; expected one that was built: {command}"
        raise EstateError(msg)
    return at(paths, file, address)


def reached_here(local: LocalPlatform) -> Reached:
    """The Vault of this machine."""
    return Reached(
        address=local.address,
        ca_file=local.ca_file,
        certificate=local.administrator_certificate,
        private_key=local.administrator_key,
    )


def at(paths: Paths, file: StackFile, address: str) -> Reached:
    """The Vault of a cloud stack whose address is known already."""
    own = file.settings.bootstrap.administrator.files(file.stack)
    platform = file.settings.platform
    authority = platform.authority_file if platform.kind == "hetzner" else None
    return Reached(
        address=address,
        ca_file=paths.project / authority if authority else None,
        certificate=paths.project / own.certificate,
        private_key=paths.project / own.private_key,
    )


@contextmanager
def administering(where: Reached) -> Iterator[hvac.Client]:
    """A client of the stack's administrator, for as long as the block runs.

    Raises:
        EstateError: as `ops.vault.login.administrator`.
    """
    with administrator(where.address, where.ca_file, where.certificate, where.private_key) as client:
        yield client


@dataclass(frozen=True, kw_only=True)
class Record:
    """What a stack's state tells of its last runs."""

    outputs: Mapping[str, str]
    """What it exports, secrets left out."""
    is_unfinished: bool
    """Whether a run began something that it didn't end: it failed, or was killed."""


def record(paths: Paths, file: StackFile, console: Console, *, sandbox: bool = False) -> Record | None:
    """What the state tells; None where nothing was ever built.

    Raises:
        EstateError: no engine can be had, or it can't reach the state.
    """
    exported = _asked(paths, file, console, ["stack", "export"], sandbox=sandbox)
    deployment = (exported or {}).get("deployment") or {}
    resources = deployment.get("resources") or []
    history = _asked(paths, file, console, ["stack", "history", "--json", "--page-size", "1"], sandbox=sandbox)
    if not resources and not history:
        return None
    (declared,) = [one.get("outputs") or {} for one in resources if one["type"] == "pulumi:pulumi:Stack"] or [{}]
    return Record(
        outputs={name: value for name, value in declared.items() if isinstance(value, str)},
        is_unfinished=bool(deployment.get("pending_operations"))
        or any(one.get("delete") or one.get("pendingReplacement") for one in resources)
        or any(run.get("result") != "succeeded" for run in (history or [])[:1]),
    )


def outputs(paths: Paths, file: StackFile, console: Console, *, sandbox: bool = False) -> Mapping[str, str]:
    """What the stack exports, secrets left out; nothing where it was never built.

    Raises:
        EstateError: no engine can be had.
    """
    exported: Mapping[str, str] = _asked(paths, file, console, ["stack", "output", "--json"], sandbox=sandbox) or {}
    return exported


def _asked(paths: Paths, file: StackFile, console: Console, question: Sequence[str], *, sandbox: bool) -> Any:
    """The engine's answer to a question about a stack, from JSON; None where it knows no such stack."""
    engine = finding.find(console.say)
    folder = session.stand_in_folder(paths, file, sandbox=True)
    backend = session.backend(paths, file, stand_ins=folder if sandbox else None)
    if backend.state and not (backend.state / ".pulumi").is_dir():
        return None
    command = [str(engine.executable), "--cwd", str(paths.project), "--non-interactive"]
    answer = subprocess.run(
        [*command, *question, "--stack", file.stack],
        env=engine_stack.environment(engine, backend, paths.own / "shims"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_ENGINE_SECONDS,
    )
    if answer.returncode != 0:
        if "no stack named" in answer.stderr:
            return None
        raise EstateError(engine_stack.failure(" ".join(question[:2]), [], answer.stderr))
    return json.loads(answer.stdout)
