"""Snapshot, restore and drill of a stack, wherever its server runs. Owns which server and which key are meant."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from ops import stack_file
from ops.commands import session, turned_back
from ops.console import Console
from ops.errors import EstateError
from ops.keys import age
from ops.paths import Paths
from ops.platforms.driver import PlatformDriver
from ops.platforms.registry import platform_of
from ops.snapshots import drill_timer, drilling, escrow, restoring, seal_key_adoption, taking
from ops.snapshots.opening import choose
from ops.snapshots.seal_keys import NodeSealKeys, SealKeys
from ops.snapshots.stores import store_of, wanted

_PAGE = "docs/operators.md, The seal's key"


def snapshot(paths: Paths, stack: str, console: Console, *, sandbox: bool) -> tuple[taking.Taken, int]:
    """Take one; what was done, and from which age on a snapshot is stale.
    Raises EstateError if the stack has no section `snapshots`, its server doesn't answer, or the store refuses."""
    with session.locked(paths), _ready(paths, stack, console, sandbox=sandbox) as platform:
        platform.refuse_unbuilt()
        endpoint = platform.find_administrator(console)
        taken = taking.take(paths, platform.file, endpoint, console, brought=platform.brings_credentials)
        return taken, wanted(platform.file).stale_after


def restore(
    paths: Paths,
    stack: str,
    console: Console,
    *,
    key: str | None,
    force: bool,
    identity: Path | None,
    sandbox: bool,
    node: str | None = None,
) -> tuple[restoring.Restored, turned_back.TurnedBack | None]:
    """Put one back, and what it turned back of others' credentials; None of a sealed server.
    Raises EstateError: as `ops.snapshots.restoring.restore`."""
    with session.locked(paths), _ready(paths, stack, console, sandbox=sandbox) as platform:
        empty = platform.start_for_restore()
        identity = identity or age.default_identity(paths, platform.file)
        endpoint = platform.find_administrator(console)
        keys = seal_keys(platform, node) if node or platform.seal_keys else None
        done = restoring.restore(
            paths, platform.file, endpoint, console, identity=identity, key=key, force=force, empty=empty, keys=keys
        )
        return done, None if done.sealed else turned_back.mend(
            platform, endpoint, console, datetime.fromisoformat(done.taken)
        )


def drill(
    paths: Paths,
    stack: str,
    console: Console,
    *,
    identity: Path | None,
    seal_key: Path | None,
    metrics: Path | None,
    sandbox: bool,
) -> drilling.Drilled:
    """Put the newest into a server that is thrown away. Raises EstateError: as `ops.snapshots.drilling.drill`."""

    def done() -> drilling.Drilled:
        with session.locked(paths), _ready(paths, stack, console, sandbox=sandbox) as platform:
            opens = identity or age.default_identity(paths, platform.file)
            own = platform.seal_keys.file_of if platform.seal_keys else lambda _: None
            return drilling.drill(paths, platform.file, console, opens, seal_key, own=own)

    stack_file.read(paths, stack)  # a stack that isn't there gets no metrics
    return drill_timer.measured(metrics or drill_timer.metrics_file(paths, stack), done)


def schedule_drills(paths: Paths, stack: str, options: Mapping[str, Path | bool | None]) -> Sequence[Path]:
    """Write the units of a timer that drills, with the options that this drill would have had.
    Raises EstateError: the stack has no snapshots."""
    wanted(stack_file.read(paths, stack))
    words: list[str] = []
    for name, value in options.items():
        if value:
            words += [name] if value is True else [name, str(Path(str(value)).absolute())]
    return drill_timer.schedule(paths, stack, words)


def seal_key(
    paths: Paths, stack: str, console: Console, *, key: str | None, identity: Path | None, sandbox: bool
) -> escrow.Escrowed:
    """The static seal's key that lies beside the snapshots of a cloud stack, and the key shares.
    Raises EstateError if none does, the identity doesn't open it, or the stack's key is on this machine."""
    with session.locked(paths), _ready(paths, stack, console, sandbox=sandbox) as platform, taking.told():
        if platform.seal_keys:
            raise EstateError(f"stack {stack!r} has the key of its seal on this machine; expected a cloud stack")
        store = store_of(paths, platform.file)
        identity = identity or age.default_identity(paths, platform.file)
        return escrow.opened(store, choose(store, key), identity)


def adopt(
    paths: Paths,
    stack: str,
    console: Console,
    *,
    node: str,
    key: str | None,
    force: bool,
    identity: Path | None,
    sandbox: bool,
) -> seal_key_adoption.Adopted:
    """Hand that key to a new node in the place of its own.
    Raises EstateError: as `seal_key` and `ops.snapshots.seal_key_adoption.adopt`."""
    found = seal_key(paths, stack, console, key=key, identity=identity, sandbox=sandbox)
    return seal_key_adoption.adopt(node, found, console, force=force)


def seal_keys(platform: PlatformDriver, node: str | None) -> SealKeys:
    """The keys of a stack's static seal, on this machine or on its node.
    Raises EstateError: its seal is another, or where the keys are is told twice, or not at all."""
    stack, kind = platform.file.stack, platform.seal_kind
    if kind != "static":
        raise EstateError(f"platform.seal.kind is {kind!r}; expected 'static', whose key is the estate's own: {_PAGE}")
    if platform.seal_keys:
        if node:
            raise EstateError(f"--node is {node!r}; expected none: stack {stack!r} has its seal's keys on this machine")
        return platform.seal_keys
    if node is None:
        raise EstateError("--node is missing; expected the node as USER@HOST, which has the keys of its seal")
    return NodeSealKeys(node)


@contextmanager
def _ready(paths: Paths, stack: str, console: Console, *, sandbox: bool) -> Iterator[PlatformDriver]:
    file = stack_file.read(paths, stack)
    wanted(file)
    with platform_of(paths, file, sandbox=sandbox).ready("use", console) as platform:
        yield platform
