"""Arguments and options that several commands share."""

import getpass
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

Stack = Annotated[str, typer.Argument(help="Name of the stack: Pulumi.<name>.yaml is its settings file.")]
StackName = Annotated[str, typer.Option("--stack", help="Name of the stack.")]
"""The same for a command whose arguments name something inside of it."""
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
Sandbox = Annotated[bool, typer.Option("--sandbox", help="Work on the stack's sandbox, with fake providers.")]


def file_option(help: str) -> Any:  # noqa: A002 - typer's own name
    """An option that names a file where the command was given; the command itself works in the project. `-` stays."""

    def parsed(name: str) -> Path:
        return Path(name) if name == "-" else Path(os.environ.get("PWD", "")) / name

    return typer.Option(help=help, metavar="PATH", parser=parsed)


def ask(question: str) -> str:
    """A secret, typed unseen or piped in; empty at the end of what is piped, or by Ctrl-D."""
    if sys.stdin.isatty():
        try:
            return getpass.getpass(question)
        except EOFError:
            print(file=sys.stderr)
            return ""
    return sys.stdin.readline().rstrip("\r\n")
