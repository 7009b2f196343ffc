"""The commands of whoever holds a key: the administrator's pair, a share of the seal. Words in, tables or JSON out."""

import getpass
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ops.cli.options import Json, Sandbox, file_option
from ops.commands import rotation
from ops.commands.keys import make
from ops.commands.unseal import ShareFile
from ops.commands.unseal import unseal as give_shares
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths

CloudStack = Annotated[str, typer.Argument(help="Name of a cloud stack: Pulumi.<name>.yaml is its settings file.")]


def keys(
    stack: CloudStack,
    rotate: Annotated[bool, typer.Option("--rotate", help="Replace the pair, in Vault and in the file.")] = False,
    as_json: Json = False,
) -> None:
    """Have a stack's file hold the administrator's pair: the certificate as text, the private key encrypted."""
    console = Console(as_json=as_json)
    command = rotation.rotate if rotate else make
    made = command(Paths(), stack, console)
    console.result(f"the administrator's pair is {made.outcome}: Pulumi.{stack}.yaml, vault-estate:{made.secret}")
    console.result(f"certificate {made.fingerprint} ends {made.ends}")
    console.document(asdict(made))


def unseal(
    stack: CloudStack,
    *,
    share_file: Annotated[Path | None, file_option("File of key shares; yours is opened with --key.")] = None,
    key: Annotated[Path | None, file_option("File of your PGP private key.")] = None,
    address: Annotated[str | None, typer.Option(help="URL of the server, where the stack can't tell it yet.")] = None,
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """Unseal a stack's server with key shares: typed at a hidden prompt, or from their file by your PGP key."""
    console = Console(as_json=as_json)
    if (share_file is None) != (key is None):
        raise EstateError("--share-file and --key go together; expected both, or neither to type shares")
    source = ShareFile(custody=share_file, private_key=key) if share_file and key else None
    done = give_shares(Paths(), stack, console, _ask, source=source, address=address, sandbox=sandbox)
    if done.sealed:
        console.result(f"{done.address} is still sealed: {done.given} of {done.threshold} given")
    else:
        console.result(f"{done.address} is unsealed: cluster {done.cluster_id}")
    console.document(asdict(done))


def _ask(question: str) -> str:
    """A secret, typed unseen or piped in; empty at the end of what is piped."""
    if sys.stdin.isatty():
        return getpass.getpass(question)
    return sys.stdin.readline().rstrip("\n")
