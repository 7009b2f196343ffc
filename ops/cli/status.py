"""`./estate status`: what runs of a stack, wherever it runs. Words in, tables or JSON out; owns its exit code."""

import typer

from ops.cli.options import Json, Sandbox, Stack
from ops.commands import lifecycle
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths


def status(stack: Stack = "local", sandbox: Sandbox = False, as_json: Json = False) -> None:
    """Show what runs: servers of this machine, or a cloud stack's Vault as anybody sees it."""
    console = Console(as_json=as_json)
    found = lifecycle.status(Paths(), stack, console, sandbox=sandbox)
    for table in found.tables:
        console.table(table.title, table.columns, table.rows)
    if found.sentence:
        console.result(found.sentence)
    for warning in found.warnings:
        console.result(f"warning: {warning}")
    trouble = {"error": found.trouble} if found.trouble else {}
    console.document({"stack": stack, **found.document, **trouble})
    if found.trouble:
        console.say(f"estate: {found.trouble}")
        raise typer.Exit(EstateError.exit_code)
