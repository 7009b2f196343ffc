"""Restoring the newest snapshot into a server that is thrown away afterwards, to see that it can be done.

Owns that server: on ports of its own, in a folder of its own, gone at the end. Refuses to touch the stack's, and to
write the seal's key anywhere. Where that can't be had here, it says what it couldn't open instead of calling it good.
"""

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from components.payloads.move_seal_key import is_key, key_id
from components.render.seals import SealPlace
from composition.private_files import private_directory
from ops.console import Console
from ops.errors import EstateError
from ops.keys.certificates import ensure_authority
from ops.local.openbao import SEAL_KEY_BYTES, OpenBao
from ops.paths import Paths
from ops.processes.logs import last_error
from ops.processes.ports import free_ports
from ops.processes.servers import end
from ops.snapshots import escrow
from ops.snapshots.ages import note_drill
from ops.snapshots.opening import choose, open_snapshot
from ops.snapshots.restoring import prove, put_into
from ops.snapshots.seal_keys import key_of
from ops.snapshots.stores import store_of, wanted
from ops.snapshots.taking import folder, pair, told
from ops.snapshots.target import Target
from ops.stack_file import StackFile

_NO_KEY = (
    "its seal's key was generated on the node and never leaves it (platform.seal.escrow is off, or the node took "
    "none since it is on); give a copy of it, if there is one (--seal-key)"
)
_TERMINATE = 15
_START_SECONDS = 30.0
"""How long the server may take until it answers; measured here: 0.5 s."""


@dataclass(frozen=True, kw_only=True)
class Drilled:
    """What a drill found."""

    key: str
    whole: bool
    """Fetched, of the stored checksum, decrypted, every member of the checksum it lists."""
    opened: bool
    """A server opened its seal with it and served the canary."""
    why_not: str
    """What stood in the way of opening it; empty where nothing did."""
    seal: str
    rpo_seconds: float
    """What would be lost now: the snapshot's age."""
    rto_seconds: float
    """From asking the store to the canary being served."""
    fresh: bool
    """Whether it is younger than `snapshots.stale_after`."""


def drill(
    paths: Paths,
    file: StackFile,
    console: Console,
    identity: Path,
    seal_key: Path | None,
    *,
    own: Callable[[str], Path | None] = lambda _: None,
) -> Drilled:
    """Put the newest snapshot into a throwaway server, with the static seal's key of a file; without one with its `own`
    of this machine, or else with that in escrow, which the age identity opens too.
    Raises EstateError if the snapshot isn't whole, or the server didn't serve what it was given."""
    snapshots = wanted(file)
    store = store_of(paths, file)
    started = time.monotonic()
    with told(), folder(paths, "drill-") as work, console.stage(f"a drill of {file.stack}") as steps:
        chosen = choose(store, None)
        opened = open_snapshot(store, chosen, identity, work)
        steps.step(f"{opened.key} is whole", finished=True)
        why_not, key = _why_not(file, opened.record), b""
        if not why_not:
            if at_hand := seal_key or own(key_of(opened.archive)):
                key = _read(at_hand)
            elif escrow.names(store, chosen):
                key = escrow.opened(store, chosen, identity).seal_key
            why_not = "" if key else _NO_KEY
        if key:
            steps.step("the seal's key is at hand", finished=True)
            with _server(work / "server", key) as server:
                target = Target(server.address, str(server.ca_file), pair(paths, file))
                # Without force: only with the snapshot's own seal key does the server take it.
                put_into(target, opened, force=False, steps=steps)
                prove(target, opened, file.settings.canary, steps)
            facts = {"key": opened.key, "seconds": round(time.monotonic() - started, 1)}
            note_drill(store, str(opened.record["cluster_id"]), facts, work)
        return Drilled(
            key=opened.key,
            whole=True,
            opened=not why_not,
            why_not=why_not,
            seal=str(opened.record["seal"]),
            rpo_seconds=chosen.age_seconds,
            rto_seconds=time.monotonic() - started,
            fresh=chosen.age_seconds <= snapshots.stale_after,
        )


def _why_not(file: StackFile, record: Mapping[str, Any]) -> str:
    if file.settings.server.flavor != "openbao":
        return "its server is HashiCorp's, which doesn't come as a package"
    if record["seal"] != "static":
        return f"its seal is {record['seal']!r}, which only its own operators or its own service can open"
    return ""


def _read(key_file: Path) -> bytes:
    if not key_file.is_file() or not is_key(key_file.read_bytes()):
        raise EstateError(f"seal key {key_file} is not there as {SEAL_KEY_BYTES} bytes; expected the static seal's key")
    return key_file.read_bytes()


@contextmanager
def _server(directory: Path, key: bytes) -> Iterator[OpenBao]:
    """An empty server with a given seal key, running for as long as the block does.
    Raises EstateError if it doesn't start."""
    api_port, cluster_port = free_ports(2)
    server = OpenBao(directory=directory, api_port=api_port, cluster_port=cluster_port)
    private_directory(server.home / "data")
    ensure_authority(private_directory(directory / "tls"))
    child = server.child()
    with server.log.open("wb") as log, _in_memory(key) as (descriptor, place):
        # Its audit device has a name that no snapshot knows: one of a known name and another path keeps a server from
        # becoming active (tried: OpenBao 2.7.2, "modifications to audit devices are not allowed"), and those that only
        # the snapshot knows are dropped.
        audit = {f"drill-{secrets.token_hex(4)}": server.home / "drill-audit.log"}
        server.configure("drill", seal=SealPlace(static_key_file=place, static_key_id=key_id(key)), audit=audit)
        process = subprocess.Popen(
            child.argv,
            cwd=child.directory,
            env=child.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[descriptor],
        )
    deadline = time.monotonic() + _START_SECONDS
    try:
        while server.health() is None:
            if process.poll() is not None or time.monotonic() > deadline:
                said = last_error(server.log) or "nothing"
                raise EstateError(f"the drill's server did not start; it said: {said}")
            time.sleep(0.05)
        yield server
    finally:
        end([psutil.Process(process.pid)] if process.poll() is None else [], _TERMINATE)
        process.wait()
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _in_memory(key: bytes) -> Iterator[tuple[int, str]]:
    """A file without a disk: its descriptor, and where a process that inherits it finds it.
    Raises EstateError if this system has none."""
    if not hasattr(os, "memfd_create"):
        raise EstateError("a drill can't keep the seal's key off the disk on this system; expected Linux")
    descriptor = os.memfd_create("seal-key")
    try:
        os.write(descriptor, key)
        yield descriptor, f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
