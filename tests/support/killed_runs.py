"""Runs that are killed at a moment, and what state and server then have: for the tests of what comes after."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ops.paths import ROOT
from tests.support.checkouts import Checkout

HANGS = f"""
import contextlib, sys
from ops.commands import lifecycle, session
from ops.console import Console
from ops.commands.session import Choices
from ops.paths import Paths
sys.path.append({str(ROOT)!r})
from tests.support.faults import Fault, faulty
hangs = [Fault(package="vault", type_token=kind, kind="hang", seconds=300.0, after=True) for kind in sys.argv[1:]]
attach_apart = session.attach_apart
@contextlib.contextmanager
def attach_badly(*packages, **places):
    with attach_apart(*packages, **places) as attached, faulty(attached, hangs) as environment:
        yield environment
session.attach_apart = attach_badly
lifecycle.up(Paths(), "local", Console(), Choices(sandbox=True, policies=False))
"""
"""An `up` in which the engine never hears that the first object of each of these types was made."""

_STILL_SECONDS = 3.0
_LONGEST_SECONDS = 300.0


def accessors(made: Checkout) -> dict[str, str]:
    """The server's own name for each mount: one that was made anew has another."""
    return {path: mount["accessor"] for path, mount in asked(made, "sys/mounts").items()}


def asked(made: Checkout, path: str, *, listing: bool = False) -> dict[str, Any]:
    """What the administrator is answered; nothing while there is no server, or nothing at that path."""
    if not (made.paths.local / "custody.json.complete").exists():
        return {}
    with made.administering() as client:
        answer = client.list(path) if listing else client.read(path)
    return dict(answer["data"]) if isinstance(answer, dict) else {}


def finished(made: Checkout, *options: str) -> dict[str, Any]:
    """One successful `up`."""
    answer = made.run("up", "--json", *options)
    assert answer.returncode == 0, answer.stderr
    document: dict[str, Any] = json.loads(answer.stdout)
    return document


def recorded(made: Checkout) -> Mapping[str, Any]:
    """The local stack's state."""
    return latest(made.paths.state, "local")


def latest(state: Path, stack: str) -> Mapping[str, Any]:
    """A stack's state as the engine wrote it last; nothing before it did, and while it does."""
    for file in state.glob(f".pulumi/stacks/**/{stack}.json"):
        with suppress(ValueError):
            return dict(json.loads(file.read_text())["checkpoint"]["latest"] or {})
    return {}


def under_way(state: Mapping[str, Any]) -> list[str]:
    """Types of what the engine has begun to create."""
    begun = [one for one in state.get("pending_operations") or [] if one["type"] == "creating"]
    return [one["resource"]["type"] for one in begun]


def has(state: Mapping[str, Any], kind: str) -> bool:
    """Whether something of a type was made."""
    return any(one["type"] == kind for one in state.get("resources") or [])


def killed_at(made: Checkout, kinds: Iterable[str]) -> set[str]:
    """Begin an `up`, and kill it when it stands still: of each of the types that it came to, the server has made an
    object that no state knows. Which types these are."""
    running = subprocess.Popen(
        [*made.command()[:1], "-c", HANGS, *kinds],
        cwd=made.directory,
        env=made.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    seen: list[str] = []
    since = time.monotonic()
    try:
        # What an earlier run had begun stays in the state until one succeeds.
        while not (set(seen) & set(kinds) and time.monotonic() - since > _STILL_SECONDS):
            assert running.poll() is None, running.communicate()[0]
            assert time.monotonic() - since < _LONGEST_SECONDS, seen
            time.sleep(0.1)
            now = under_way(recorded(made))
            if now != seen:
                seen, since = now, time.monotonic()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.communicate(timeout=30)
    return set(seen) & set(kinds)
