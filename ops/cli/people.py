"""The commands of people: who is let in, who logs in and out, who leaves. Words in, tables or JSON out."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from components.model import duration_text
from ops.cli.options import Json, Sandbox, Stack, ask, file_option
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths
from ops.people import inviting, leaving, logging_in

Person = Annotated[str, typer.Argument(help="Name of the person, as people.members has it.")]


def invite(
    stack: Stack,
    name: Person,
    *,
    wrap_ttl: Annotated[str, typer.Option(help="How long the invitation may wait, such as 8h.")] = "24h",
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """Give a person who logs in by password a first one, which only they come to see. A second one voids the first."""
    console = Console(as_json=as_json)
    made = inviting.invite(Paths(), stack, name, wrap_ttl, console, sandbox=sandbox)
    console.result(f"wrapping token: {made.wrapping_token}")
    console.result(f"good for {duration_text(made.ttl_seconds)} and one use: {name} runs {made.command}")
    console.document({"stack": stack, **asdict(made)})


def login(
    stack: Stack = "local",
    name: Annotated[
        str | None, typer.Argument(help="Name of the person; none: at the issuer that the settings name.")
    ] = None,
    *,
    first: Annotated[bool, typer.Option("--first", help="With an invitation; then choose a password.")] = False,
    certificate: Annotated[Path | None, file_option("File of your certificate.")] = None,
    key: Annotated[Path | None, file_option("File of its private key.")] = None,
    browser: Annotated[bool, typer.Option(help="Open a browser; else only the address is shown.")] = True,
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """Log in as yourself: by password, by certificate, or at your issuer. A secret is typed unseen, or piped in."""
    console = Console(as_json=as_json)
    if (certificate is None) != (key is None):
        raise EstateError("--certificate and --key go together; expected both, or neither")
    way = logging_in.Way(ask=ask, first=first, certificate=certificate, private_key=key, opens_browser=browser)
    done = logging_in.log_in(Paths(), stack, name, way, console, sandbox=sandbox)
    console.result(f"{done.name} is logged in to {done.address} for {duration_text(done.ttl_seconds)}")
    console.document({"stack": stack, **asdict(done)})


def logout(stack: Stack = "local", sandbox: Sandbox = False, as_json: Json = False) -> None:
    """Log out: the token is revoked, and forgotten here."""
    console = Console(as_json=as_json)
    how = logging_in.log_out(Paths(), stack, console, sandbox=sandbox)
    console.result(f"the login of stack {stack} {how}")
    console.document({"stack": stack, "login": how})


def off_board(stack: Stack, name: Person, *, sandbox: Sandbox = False, as_json: Json = False) -> None:
    """A person leaves: denied at once, whatever token they have; their logins are removed. May be run again."""
    console = Console(as_json=as_json)
    done = leaving.off_board(Paths(), stack, name, console, sandbox=sandbox)
    for sentence in done.done:
        console.result(sentence)
    for sentence in done.left:
        console.result(f"left to do: {sentence}")
    console.document({"stack": stack, **asdict(done)})
