"""`./estate audit`: who read, changed or was denied what. Words in, a table or JSON out."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ops.cli.options import Json, Stack, file_option
from ops.commands import audit as looking
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths
from ops.vault.audit_log import OPERATIONS, LoggedRequest, Wanted
from settings.wording import printable

_MOST = 50


def audit(
    stack: Stack = "local",
    *,
    who: Annotated[str, typer.Option(help="Part of a name: of an application, a person or an operator.")] = "",
    path: Annotated[str, typer.Option(help="A path, in which * is any text.")] = "*",
    operation: Annotated[str, typer.Option(help="read, list, create, update, patch, delete or login.")] = "",
    denied: Annotated[bool, typer.Option("--denied", help="Only what was denied.")] = False,
    trace: Annotated[str, typer.Option(help="Part of the request's traceparent or x-request-id.")] = "",
    since: Annotated[str | None, typer.Option(help="A time, or how long ago: 24h.")] = None,
    until: Annotated[str | None, typer.Option(help="The same.")] = None,
    most: Annotated[int, typer.Option(min=1, help="How many to show, of the newest.")] = _MOST,
    file: Annotated[
        list[Path] | None, file_option("Of a log that isn't the stack's own here; - is standard input.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell who did what with which path, from the audit log. No value is shown."""
    console = Console(as_json=as_json)
    if operation and operation not in OPERATIONS:
        raise EstateError(f"--operation is {operation!r}; expected one of: {', '.join(OPERATIONS)}")
    wanted = Wanted(
        who=who,
        path=path,
        operation=operation,
        denied=denied,
        trace=trace,
        since=looking.moment("--since", since),
        until=looking.moment("--until", until),
    )
    found = looking.look(Paths(), stack, file or [], wanted, most)
    rows = [
        [f"{one.time:%m-%d %H:%M:%S}", *map(printable, (one.who, one.operation)), _place(one)]
        + [printable(text) for text in (one.address, one.result)]
        for one in found.entries
    ]
    columns = ["time", "who", "operation", "path", "from", "result"]
    console.table(f"audit log of {stack}, in UTC", columns, rows, widest="path")
    console.result(f"{len(found.entries)} shown" + (f", {found.more} older ones not (--most)" if found.more else ""))
    if found.unread:
        console.say(f"{found.unread} lines can't be read as entries")
    entries = [{**asdict(one), "time": one.time.isoformat()} for one in found.entries]
    console.document({"stack": stack, "entries": entries, "more": found.more, "unread": found.unread})


def _place(entry: LoggedRequest) -> str:
    """Its path, and below it how it is followed elsewhere: a column of its own leaves none enough room."""
    trace = printable(entry.traced_by)
    return printable(entry.path) + (f"\ntrace {trace}" if trace else "")
