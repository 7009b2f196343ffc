"""The commands for whoever installs an application: what its library has to know. Words in, a document out."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from composition.private_files import write_private
from ops.cli.options import Json, Sandbox, StackName, file_option
from ops.commands.client_config import describe
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths

_READABLE = 0o644
"""The application runs as another user, and nothing of it is secret."""


def client_config(
    application: Annotated[str, typer.Argument(metavar="APP", help="Name of the application.")],
    *,
    stack: StackName = "local",
    rotator: Annotated[bool, typer.Option("--rotator", help="For the login that rotates its secrets.")] = False,
    output: Annotated[Path | None, file_option("Where to write it; by default, and for -, standard output.")] = None,
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """Write what an application's library reads: address, login, names of secrets and roles. No secret is in it."""
    console = Console(as_json=as_json)
    manifest = describe(Paths(), stack, application, console, rotator=rotator, sandbox=sandbox)
    if output is None or str(output) == "-":
        sys.stdout.write(manifest.render())
        return
    try:
        write_private(output, manifest.render().encode(), _READABLE)
    except OSError as error:
        msg = f"--output is {str(output)!r}, {error.strerror}; expected a file that can be written"
        raise EstateError(msg) from None
    console.result(f"{output}: {application} of {stack}, {len(manifest.secrets)} secrets")
    console.document({"stack": stack, "application": application, "file": str(output)})
