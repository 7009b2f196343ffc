"""What on a stack's server differs from its state: changed or deleted by another hand, or not the stack's at all.

Owns what is done about the last: nothing, unless it is named. Refuses to delete what wasn't found.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ops import stack_file
from ops.commands import session
from ops.commands.session import Choices
from ops.console import Console
from ops.engine import state
from ops.engine.listening import Changes
from ops.errors import EstateError
from ops.paths import Paths
from ops.platforms.registry import platform_of
from ops.vault import unknown_objects
from ops.vault.login import log_in
from ops.vault.unknown_objects import Tune, UnknownObject


@dataclass(frozen=True, kw_only=True)
class Drift:
    """What was found."""

    changes: Changes
    """What differs of the stack's own objects."""
    unknown: Sequence[UnknownObject]
    """What no resource stands for."""
    tunes: Sequence[Tune]
    """Mounts that are set as no resource says."""
    deleted: Sequence[str]
    """What was named, and is gone."""
    fakes: str
    """Why fake providers were used, if they were."""


def drift(
    paths: Paths,
    stack: str,
    console: Console,
    choices: Choices,
    *,
    delete: Sequence[str] = (),
    import_file: Path | None = None,
) -> Drift:
    """Look at each object on its server, and for what is no stack's; delete what is named of it, or write for Pulumi
    how to import it. Raises EstateError: nothing is built, the server can't be asked, or what is named isn't there."""
    chosen = platform_of(paths, stack_file.read(paths, stack), sandbox=choices.sandbox)
    with (
        session.locked(paths),
        chosen.ready("preview", console) as platform,
        session.opened(platform, console, "preview", choices) as opened,
    ):
        deployment = opened.run.deployment()
        address = state.exports(deployment).get("address")
        if not address:
            raise EstateError(f"stack {stack!r} isn't built here; expected one that is: {platform.up_command}")
        # One sentence where it is away; the engine would say it of each object.
        with log_in(platform.endpoint(address)) as client:
            unknown = unknown_objects.look(client, deployment.get("resources") or [])
            tunes = unknown_objects.tunes(client)
            _refuse_others(delete, unknown)
            for one in unknown:
                if one.path in delete:
                    one.delete(client)
                    console.say(f"deleted: {one.path}")
        left = [one for one in unknown if one.path not in delete]
        if import_file:
            import_file.write_text(_imports(left), encoding="utf-8")
        with console.stage(f"looking at each object of {stack}") as steps:
            changes = opened.run.operate("drift", steps)
        fakes = opened.providers.reason
        return Drift(changes=changes, unknown=left, tunes=tunes, deleted=tuple(delete), fakes=fakes)


def _refuse_others(named: Sequence[str], unknown: Sequence[UnknownObject]) -> None:
    there = {one.path for one in unknown}
    for path in named:
        if path not in there:
            found = ", ".join(sorted(there)) or "none is there"
            raise EstateError(f"--delete is {path!r}; expected what no stack has: {found}")


def _imports(unknown: Sequence[UnknownObject]) -> str:
    """For `pulumi import --file`."""
    rows = [{"type": one.type, "name": one.path.replace("/", "-"), "id": one.id} for one in unknown if one.id]
    return json.dumps({"resources": rows}, indent=2) + "\n"
