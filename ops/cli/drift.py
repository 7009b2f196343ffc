"""`./estate drift`: what on the server differs from the state. Words in, a table or JSON out; owns its exit code."""

import typer

from ops.cli.options import Json, Sandbox, Stack
from ops.commands import drift as looking
from ops.commands.session import Choices
from ops.console import Console
from ops.engine.listening import short_name
from ops.paths import Paths

FOUND = 1
"""Exit code where something differs."""
_WORDS = {"delete": "missing", "update": "changed"}
"""What the engine would do to the state, as what that says of the server."""


def drift(stack: Stack = "local", sandbox: Sandbox = False, as_json: Json = False) -> None:
    """Tell what on the server differs from the state: changed or deleted by another hand. Changes nothing."""
    console = Console(as_json=as_json)
    found, fakes = looking.drift(Paths(), stack, console, Choices(sandbox=sandbox, policies=False))
    differing = [(_WORDS.get(kind, kind), urn, list(found.properties.get(urn, ()))) for kind, urn in found.resources]
    console.table(
        f"what differs on the server of {stack}",
        ["on the server", "resource", "properties"],
        [[word, short_name(urn), ", ".join(names)] for word, urn, names in differing],
    )
    unchanged = f"{found.counts.get('same', 0)} as the state describes them"
    console.result(f"{len(differing)} differ ({unchanged})")
    if differing:
        console.result(f"./estate up {stack} --refresh brings them back")
    console.document(
        {
            "stack": stack,
            "drifted": len(differing),
            "resources": [{"on_server": word, "urn": urn, "properties": names} for word, urn, names in differing],
            "fake_providers": fakes,
        }
    )
    if differing:
        raise typer.Exit(FOUND)
