"""Snapshot, restore and drill of a stack, wherever its server runs. Owns which server and which key are meant."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops import stack_file
from ops.console import Console
from ops.engine import session
from ops.errors import EstateError
from ops.local.servers import LocalPlatform
from ops.paths import Paths
from ops.platforms import sandbox as sandbox_world
from ops.platforms.local import platform_of
from ops.snapshots import drill as drills
from ops.snapshots import escrow, keys, restoring, taking, unfinished
from ops.snapshots import seal_key_adoption as adopting
from ops.snapshots.opening import choose
from ops.snapshots.stores import store_of
from ops.stack_file import StackFile
from ops.vault import endpoint as reaching


def snapshot(paths: Paths, stack: str, console: Console, *, sandbox: bool) -> tuple[taking.Taken, int]:
    """Take one; what was done, and from which age on a snapshot is stale.

    Raises:
        EstateError: the stack has no section `snapshots`, its server doesn't answer, or the store refuses.
    """
    with session.locked(paths), _file(paths, stack, sandbox=sandbox) as file:
        where = reaching.reached(paths, file, console, sandbox=sandbox)
        return taking.take(paths, file, where, console), taking.wanted(file).stale_after


def restore(
    paths: Paths, stack: str, console: Console, *, key: str | None, force: bool, identity: Path | None, sandbox: bool
) -> restoring.Restored:
    """Put one back.

    Raises:
        EstateError: as `ops.snapshots.restoring.restore`.
    """
    with session.locked(paths), _file(paths, stack, sandbox=sandbox) as file:
        local = _start(paths, file) if file.is_local else None
        where = reaching.reached(paths, file, console, sandbox=sandbox)
        wish = restoring.Wish(
            key=key,
            force=force,
            identity=identity or keys.default_identity(paths, file),
            empty=unfinished.emptying(local) if local else None,
        )
        return restoring.restore(paths, file, where, console, wish)


def drill(
    paths: Paths, stack: str, console: Console, *, identity: Path | None, seal_key: Path | None, sandbox: bool
) -> drills.Drilled:
    """Put the newest into a server that is thrown away.

    Raises:
        EstateError: as `ops.snapshots.drill.drill`.
    """
    with session.locked(paths), _file(paths, stack, sandbox=sandbox) as file:
        return drills.drill(paths, file, console, identity or keys.default_identity(paths, file), seal_key)


def seal_key(paths: Paths, stack: str, *, key: str | None, identity: Path | None, sandbox: bool) -> escrow.Escrowed:
    """The static seal's key that lies beside the snapshots of a cloud stack, and custody.

    Raises:
        EstateError: none does, the identity doesn't open it, or the stack's key is on this machine.
    """
    with session.locked(paths), _file(paths, stack, sandbox=sandbox) as file, taking.told():
        if file.is_local:
            msg = f"stack {stack!r} has the key of its seal on this machine; expected a cloud stack"
            raise EstateError(msg)
        store = store_of(paths, file.settings)
        return escrow.opened(store, choose(store, key), identity or keys.default_identity(paths, file))


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
) -> adopting.Adopted:
    """Hand that key to a new node in the place of its own.

    Raises:
        EstateError: as `seal_key` and `ops.snapshots.seal_key_adoption.adopt`.
    """
    found = seal_key(paths, stack, key=key, identity=identity, sandbox=sandbox)
    return adopting.adopt(node, found, console, force=force)


@contextmanager
def _file(paths: Paths, stack: str, *, sandbox: bool) -> Iterator[StackFile]:
    file = stack_file.read(paths, stack)
    taking.wanted(file)
    if sandbox and not file.is_local:
        with sandbox_world.seen(paths, file) as seen:
            yield seen
    else:
        yield file


def _start(paths: Paths, file: StackFile) -> LocalPlatform:
    """The local servers, also where OpenBao's storage is empty: a restore fills it."""
    local = platform_of(paths, file.settings)
    if not local.directory.is_dir():
        msg = f"{local.directory} is not there, and with it the key of the seal; expected it: ./estate up {file.stack}"
        raise EstateError(msg)
    local.start()
    return local
