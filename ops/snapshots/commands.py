"""Snapshot, restore and drill of a stack, wherever its server runs. Owns which server and which key are meant."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops import reaching, session, stackfile
from ops.console import Console
from ops.errors import EstateError
from ops.hermetic import commands as hermetic_world
from ops.lifecycle_local import platform_of
from ops.paths import Paths
from ops.snapshots import drill as drills
from ops.snapshots import keys, restoring, taking
from ops.stackfile import StackFile


def snapshot(paths: Paths, stack: str, console: Console, *, hermetic: bool) -> tuple[taking.Taken, int]:
    """Take one; what was done, and from which age on a snapshot is stale.

    Raises:
        EstateError: the stack has no section `snapshots`, its server doesn't answer, or the store refuses.
    """
    with session.locked(paths), _file(paths, stack, hermetic=hermetic) as file:
        where = reaching.reached(paths, file, console, hermetic=hermetic)
        return taking.take(paths, file, where, console), taking.wanted(file).stale_after


def restore(
    paths: Paths, stack: str, console: Console, *, key: str | None, force: bool, identity: Path | None, hermetic: bool
) -> restoring.Restored:
    """Put one back.

    Raises:
        EstateError: as `ops.snapshots.restoring.restore`.
    """
    with session.locked(paths), _file(paths, stack, hermetic=hermetic) as file:
        if file.is_local:
            _start(paths, file)
        where = reaching.reached(paths, file, console, hermetic=hermetic)
        wish = restoring.Wish(key=key, force=force, identity=identity or keys.default_identity(paths, file))
        return restoring.restore(paths, file, where, console, wish)


def drill(
    paths: Paths, stack: str, console: Console, *, identity: Path | None, seal_key: Path | None, hermetic: bool
) -> drills.Drilled:
    """Put the newest into a server that is thrown away.

    Raises:
        EstateError: as `ops.snapshots.drill.drill`.
    """
    with session.locked(paths), _file(paths, stack, hermetic=hermetic) as file:
        return drills.drill(paths, file, console, identity or keys.default_identity(paths, file), seal_key)


@contextmanager
def _file(paths: Paths, stack: str, *, hermetic: bool) -> Iterator[StackFile]:
    file = stackfile.read(paths, stack)
    taking.wanted(file)
    if hermetic and not file.is_local:
        with hermetic_world.seen(paths, file) as seen:
            yield seen
    else:
        yield file


def _start(paths: Paths, file: StackFile) -> None:
    """The local servers, also where OpenBao's storage is empty: a restore fills it."""
    local = platform_of(paths, file.settings)
    if not local.directory.is_dir():
        msg = f"{local.directory} is not there, and with it the key of the seal; expected it: ./estate up {file.stack}"
        raise EstateError(msg)
    local.start()
