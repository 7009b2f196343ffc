"""`./estate secret`: a person's work with values. Words in, tables or JSON out; a value only where it was asked for."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from ops.cli.options import Json, Sandbox, StackName, ask, file_option
from ops.commands import secrets
from ops.commands.secrets import SecretPlace
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths
from vault_estate.origins import Note

app = typer.Typer(
    help="Work with the values of secrets, by your own login: ./estate login first.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Application = Annotated[str, typer.Argument(metavar="APP", help="Name of the application.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of its secret, as in the settings.")]
Key = Annotated[str | None, typer.Argument(metavar="KEY", help="Name of the value inside.")]
_LAST_VERSION = 2**31 - 1
"""What fits the number that the servers' API takes."""
Version = Annotated[int, typer.Argument(metavar="VERSION", min=1, max=_LAST_VERSION, help="Number of the version.")]
_ARGV = (
    "a value on the command line is seen by every process; expected it at the prompt, on standard input or by --file"
)


@app.command(context_settings={"allow_extra_args": True})
def put(
    context: typer.Context,
    application: Application,
    name: Name,
    key: Key = None,
    *,
    stack: StackName = "local",
    file: Annotated[Path | None, file_option("Where the value is; - is standard input.")] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Keep the line's end at the end of what is read.")] = False,
    generate: Annotated[bool, typer.Option("--generate", help="Let the server make the value.")] = False,
    policy: Annotated[str | None, typer.Option(help="For --generate: one of password_policies.")] = None,
    seen: Annotated[int | None, typer.Option(min=0, max=_LAST_VERSION, help="Write only if it is the newest.")] = None,
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """Put a value: typed at a hidden prompt, on standard input or in a file. Without KEY: a JSON object of several."""
    console = Console(as_json=as_json)
    if context.args or "=" in (key or ""):
        raise EstateError(_ARGV)
    if generate and (file or key is None):
        raise EstateError("--generate is given with a file, or without KEY; expected KEY and no file")
    if policy and not generate:
        raise EstateError("--policy is given without --generate; expected both")
    read = None if generate else _reader(key or "a JSON object", file)
    done = secrets.put(
        _place(stack, application, name, sandbox), key, read, console, seen=seen, policy=policy, exact=exact
    )
    _tell_written(console, done)


@app.command()
def get(
    application: Application,
    name: Name,
    key: Key = None,
    *,
    stack: StackName = "local",
    version: Annotated[
        int | None, typer.Option(min=1, max=_LAST_VERSION, help="Another version than the newest.")
    ] = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show it on a terminal.")] = False,
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """Print a value, to a pipe or with --reveal. Without KEY all of a secret's, with --json."""
    console = Console(as_json=as_json)
    terminal = sys.stdout.isatty()
    if terminal and not reveal:
        raise EstateError("standard output is a terminal; expected a pipe, or --reveal to show the value")
    if key is None and not as_json:
        raise EstateError("KEY is missing; expected one, or --json for all values")
    number, found = secrets.get(_place(stack, application, name, sandbox), key, console, version=version)
    if not as_json:
        value = found[str(key)]
        # Another client may have written a number, or something larger.
        sys.stdout.write((value if isinstance(value, str) else json.dumps(value)) + ("\n" if terminal else ""))
    console.document({"version": number, "values": dict(found)})


@app.command(name="list")
def listing(
    application: Annotated[str | None, typer.Argument(metavar="APP", help="Only of this application.")] = None,
    *,
    stack: StackName = "local",
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """List the values that there should be, who gave them and which are missing. No value is shown."""
    console = Console(as_json=as_json)
    found = secrets.listed(Paths(), stack, application, console, sandbox=sandbox)
    for owner, theirs in groupby(found, lambda one: one.application):
        rows = [[one.secret, one.key, f"{one.origin}{_since(one.note)}"] for one in theirs]
        console.table(f"values of {owner}", ["secret", "key", "origin"], rows)
    console.document({"stack": stack, "values": [asdict(one) for one in found]})


@app.command()
def history(
    application: Application,
    name: Name,
    *,
    stack: StackName = "local",
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """List the versions of a secret, and who wrote them."""
    console = Console(as_json=as_json)
    found = secrets.history(_place(stack, application, name, sandbox), console)
    console.table(
        f"versions of {name} of {application}",
        ["version", "created (UTC)", "state", "by", "brought"],
        [
            [str(one.version.number), one.version.created, one.version.state, one.who, ", ".join(one.keys)]
            for one in found
        ],
    )
    console.document({"versions": [{**asdict(one.version), "by": one.who, "brought": list(one.keys)} for one in found]})


@app.command()
def diff(
    application: Application,
    name: Name,
    old: Annotated[int | None, typer.Argument(min=1, max=_LAST_VERSION, help="By default the last but one.")] = None,
    new: Annotated[int | None, typer.Argument(min=1, max=_LAST_VERSION, help="By default the newest.")] = None,
    *,
    stack: StackName = "local",
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """Tell which values differ between two versions. No value is shown."""
    console = Console(as_json=as_json)
    before, after, found = secrets.difference(_place(stack, application, name, sandbox), old, new, console)
    console.table(
        f"{name} of {application}: version {before} and version {after}",
        ["key", "change"],
        [[key, change] for key, change in found.items()],
    )
    console.document({"old": before, "new": after, "changes": dict(found)})


@app.command()
def rollback(
    application: Application,
    name: Name,
    version: Version,
    *,
    stack: StackName = "local",
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """Write the values of an earlier version again, as the newest."""
    console = Console(as_json=as_json)
    _tell_written(console, secrets.rollback(_place(stack, application, name, sandbox), version, console))


@app.command()
def delete(
    application: Application,
    name: Name,
    *,
    stack: StackName = "local",
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """Delete the newest version of a secret; `undelete` brings it back."""
    console = Console(as_json=as_json)
    number = secrets.delete(_place(stack, application, name, sandbox), console)
    console.result(f"version {number} is deleted; back with: ./estate secret undelete {application} {name} {number}")
    console.document({"deleted": number})


@app.command()
def undelete(
    application: Application,
    name: Name,
    version: Version,
    *,
    stack: StackName = "local",
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """Bring a deleted version back."""
    console = Console(as_json=as_json)
    secrets.undelete(_place(stack, application, name, sandbox), version, console)
    console.result(f"version {version} is back")
    console.document({"undeleted": version})


def _place(stack: str, application: str, name: str, sandbox: bool) -> SecretPlace:
    return SecretPlace(paths=Paths(), stack=stack, application=application, name=name, sandbox=sandbox)


def _since(note: Note | None) -> str:
    return f" {note.time[:10]} by {note.who}" if note else ""


def _reader(what: str, file: Path | None) -> Callable[[], bytes]:
    most = secrets.LONGEST_VALUE + len("\r\n") + 1

    def read() -> bytes:
        if file is not None and str(file) != "-":
            try:
                with file.open("rb") as stream:
                    return stream.read(most)
            except OSError as error:
                raise EstateError(f"--file is {str(file)!r}, {error.strerror}; expected one that can be read") from None
        if sys.stdin.isatty():
            return ask(f"{what} (hidden): ").encode(errors="surrogateescape")
        return sys.stdin.buffer.read(most)

    return read


def _tell_written(console: Console, done: secrets.Written) -> None:
    console.result(f"{done.secret} is at version {done.version}: {', '.join(done.keys)} by {done.who}")
    if done.without:
        console.result(f"without {', '.join(done.without)}, which the version before had")
    if done.warning:
        console.result(f"warning: {done.warning}")
    console.document(asdict(done))
