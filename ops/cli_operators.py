"""The commands of whoever holds a key: the administrator's pair, a share of the seal. Words in, tables or JSON out."""

from dataclasses import asdict
from typing import Annotated

import typer

from ops.console import Console
from ops.keys import making, rotating
from ops.paths import Paths

CloudStack = Annotated[str, typer.Argument(help="Name of a cloud stack: Pulumi.<name>.yaml is its settings file.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]


def keys(
    stack: CloudStack,
    rotate: Annotated[bool, typer.Option("--rotate", help="Replace the pair, in Vault and in the file.")] = False,
    as_json: Json = False,
) -> None:
    """Have a stack's file hold the administrator's pair: the certificate as text, the private key encrypted."""
    console = Console(as_json=as_json)
    command = rotating.rotate if rotate else making.make
    made = command(Paths(), stack, console)
    console.result(f"the administrator's pair is {made.outcome}: Pulumi.{stack}.yaml, vault-estate:{made.secret}")
    console.result(f"certificate {made.fingerprint} ends {made.ends}")
    console.document(asdict(made))


def add_to(app: typer.Typer) -> None:
    """Give an app these commands."""
    app.command()(keys)
