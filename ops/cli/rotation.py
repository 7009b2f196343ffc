"""`./estate rotate`: new values for an application's secrets. Words in, tables or JSON out; owns its exit codes."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from ops.cli.options import Json, Sandbox, StackName
from ops.commands import value_rotation
from ops.commands.value_rotation import RotatedApplication
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths
from vault_estate.rotation import RotationOutcome
from vault_estate.rotation.schedule import ScheduledSecret, moment

_NOT_WELL = 1
"""Exit code: something failed or is overdue, which the table tells."""


def rotate(
    application: Annotated[str, typer.Argument(metavar="APP", help="Name of the application.")],
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Name of its secret. None: tell which are due.")
    ] = None,
    keys: Annotated[list[str] | None, typer.Argument(metavar="KEY", help="Of its values; all of its rotation.")] = None,
    *,
    stack: StackName = "local",
    due: Annotated[bool, typer.Option("--due", help="Whatever is due, cut off, or at the end of its grace.")] = False,
    now: Annotated[bool, typer.Option("--now", help="End the values before at once: for one that leaked.")] = False,
    abandon: Annotated[bool, typer.Option("--abandon", help="Give up a run whose values nobody has.")] = False,
    by_hand: Annotated[bool, typer.Option("--by-hand", help="--abandon: without its program.")] = False,
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """Give secrets new values, by your own login: ./estate login first. Shows none."""
    console = Console(as_json=as_json)
    if name is None and (now or abandon):
        raise EstateError("--now or --abandon is given without NAME; expected both")
    if name is not None and due:
        raise EstateError("--due is given with NAME; expected one of the two")
    if abandon and (keys or now):
        raise EstateError("--abandon is given with more than NAME; expected it alone")
    if by_hand and not abandon:
        raise EstateError("--by-hand is given without --abandon; expected both")
    place = RotatedApplication(paths=Paths(), stack=stack, application=application, sandbox=sandbox)
    if due:
        _tell_outcomes(console, stack, value_rotation.rotate_due(place, console))
    elif name is None:
        _tell_schedule(console, stack, value_rotation.look(place, console))
    elif abandon:
        _tell_outcomes(console, stack, [value_rotation.abandon(place, name, console, by_hand=by_hand)])
    else:
        _tell_outcomes(console, stack, [value_rotation.rotate(place, name, keys or (), console, now=now)])


def _tell_outcomes(console: Console, stack: str, outcomes: Sequence[RotationOutcome]) -> None:
    rows = [
        [one.secret, ", ".join(one.keys), str(one.version), one.phase, _time(one.grace_until), one.error, one.left]
        for one in outcomes
    ]
    console.table(
        f"rotated on {stack}", ["secret", "keys", "version", "phase", "accepted until", "error", "left"], rows
    )
    console.document({"stack": stack, "rotated": [asdict(one) for one in outcomes]})
    if any(one.error for one in outcomes):
        raise typer.Exit(_NOT_WELL)


def _tell_schedule(console: Console, stack: str, found: Sequence[ScheduledSecret]) -> None:
    rows = [
        [one.secret, ", ".join(one.keys), one.by, _time(one.changed_at), _time(one.due_at), one.state, one.error]
        for one in found
    ]
    console.table(f"rotation on {stack}", ["secret", "keys", "by", "changed", "due", "state", "error"], rows)
    console.document({"stack": stack, "secrets": [asdict(one) for one in found]})
    if not all(one.is_well for one in found):
        raise typer.Exit(_NOT_WELL)


def _time(seconds: int) -> str:
    return moment(seconds) if seconds else ""
