"""`./estate drift`: what on the server differs from the state. Words in, a table or JSON out; owns its exit code."""

from pathlib import Path
from typing import Annotated

import typer

from ops.cli.options import Json, Sandbox, Stack, file_option
from ops.commands import drift as looking
from ops.commands.session import Choices
from ops.console import Console
from ops.engine.listening import short_name
from ops.paths import Paths

FOUND = 1
"""Exit code where something differs."""
_WORDS = {"delete": "missing", "update": "changed"}
"""What the engine would do to the state, as what that says of the server."""


def drift(
    stack: Stack = "local",
    *,
    sandbox: Sandbox = False,
    delete: Annotated[
        list[str] | None, typer.Option(metavar="PATH", help="Delete this of what no stack has; repeatable.")
    ] = None,
    adopt: Annotated[Path | None, file_option("Write how Pulumi imports what no stack has.")] = None,
    as_json: Json = False,
) -> None:
    """Tell what on the server differs from the state: changed, deleted or added by another hand. Changes nothing that
    isn't named."""
    console = Console(as_json=as_json)
    choices = Choices(sandbox=sandbox, policies=False)
    found = looking.drift(Paths(), stack, console, choices, delete=delete or (), import_file=adopt)
    changes = found.changes
    differing = [
        (_WORDS.get(kind, kind), urn, list(changes.properties.get(urn, ()))) for kind, urn in changes.resources
    ]
    console.table(
        f"what differs on the server of {stack}",
        ["on the server", "resource", "properties"],
        [[word, short_name(urn), ", ".join(names)] for word, urn, names in differing],
    )
    if found.unknown:
        rows = [[one.path, one.type.rpartition(":")[2], one.called] for one in found.unknown]
        console.table(f"on the server of {stack}, and in no stack", ["path", "what", "called"], rows)
    if found.tunes:
        rows = [[one.path, ", ".join(one.names)] for one in found.tunes]
        console.table(f"how mounts of {stack} are set, and no stack says so", ["path", "set"], rows)
    unchanged = f"{changes.counts.get('same', 0)} as the state describes them"
    added = f", {len(found.unknown)} in no stack" if found.unknown else ""
    console.result(f"{len(differing)} differ ({unchanged}){added}")
    if differing:
        console.result(f"./estate up {stack} --refresh brings them back")
    console.document(
        {
            "stack": stack,
            "drifted": len(differing),
            "resources": [{"on_server": word, "urn": urn, "properties": names} for word, urn, names in differing],
            "unknown": [
                {"path": one.path, "type": one.type, "id": one.id, "called": one.called} for one in found.unknown
            ],
            "tunes": [{"path": one.path, "set": list(one.names)} for one in found.tunes],
            "deleted": list(found.deleted),
            "fake_providers": found.fakes,
        }
    )
    if differing or found.unknown or found.tunes:
        raise typer.Exit(FOUND)
