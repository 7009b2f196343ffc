"""The commands of whoever holds a key: the administrator's pair, a share of the seal. Words in, tables or JSON out."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ops.cli.options import Json, Sandbox, Stack, ask, file_option
from ops.commands import rotation, seal_key_moves, turned_back
from ops.commands.keys import make
from ops.commands.regain import regain as regain_administration
from ops.commands.renewal import renew
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
    done = give_shares(Paths(), stack, console, ask, source=source, address=address, sandbox=sandbox)
    if done.sealed:
        console.result(f"{done.address} is still sealed: {done.given} of {done.threshold} given")
    else:
        console.result(f"{done.address} is unsealed: cluster {done.cluster_id}")
    console.document(asdict(done))


Keys = Annotated[
    list[Path] | None, file_option("File of an operator's PGP private key, which opens a share; repeatable.")
]
Node = Annotated[str | None, typer.Option(help="The cloud node, as USER@HOST for ssh.", metavar="USER@HOST")]


def renew_shares(
    stack: Stack,
    *,
    key: Keys = None,
    node: Node = None,
    share_file: Annotated[Path | None, file_option("Instead of --node: a copy of its shares.json.")] = None,
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """Give each present operator a new key share, for a threshold of the old ones, which are void afterwards."""
    console = Console(as_json=as_json)
    done = renew(Paths(), stack, console, ask, keys=key or (), node=node, share_file=share_file, sandbox=sandbox)
    if done.done:
        console.result(f"{', '.join(done.operators)} have new shares, {done.threshold} are needed: {done.file}")
    else:
        console.result(f"waiting for more {done.waiting_for}; nothing has changed yet: the same command goes on")
    console.document(asdict(done))


def regain(
    stack: Stack,
    *,
    key: Keys = None,
    node: Node = None,
    share_file: Annotated[Path | None, file_option("A copy of the node's shares.json, for --key.")] = None,
    new_pair: Annotated[bool, typer.Option("--new-pair", help="Make the administrator another pair first.")] = False,
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """Let the administrator that the settings name in again, by a threshold of key shares."""
    console = Console(as_json=as_json)
    done = regain_administration(
        Paths(),
        stack,
        console,
        ask,
        keys=key or (),
        node=node,
        share_file=share_file,
        new_pair=new_pair,
        sandbox=sandbox,
    )
    if not done.done:
        raise EstateError("too few shares were given; expected a threshold of them. Nothing was changed")
    console.result(f"the administrator can log in to {done.address}; no root token is left")
    console.document(asdict(done))


def database_password(
    stack: Stack,
    connection: Annotated[str, typer.Argument(help="Name of an entry of database.connections.")],
    *,
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """Have Vault log in to a database again whose password it lost, and replace that password by one of its own."""
    console = Console(as_json=as_json)
    how = turned_back.database_password(Paths(), stack, connection, console, ask, sandbox=sandbox)
    console.result(f"Vault logs in to database {connection} again, and has replaced the password")
    console.document({"stack": stack, "connection": connection, "password": how})


def move_seal_key(stack: Stack, node: Node = None, sandbox: Sandbox = False, as_json: Json = False) -> None:
    """Put a new key in the place of a static seal's. The old one is kept for the snapshots of its time."""
    console = Console(as_json=as_json)
    done = seal_key_moves.move(Paths(), stack, console, node=node, sandbox=sandbox)
    console.result(f"the server opens with key {done.key_id} alone; key {done.old_key_id} is kept {done.where}")
    if done.needs_old is None:
        console.result("every snapshot taken before needs an older key; how many those are can't be seen from here")
    elif done.needs_old:
        console.result(f"{done.needs_old} snapshots need an older key, the newest of them is {done.newest}")
    if done.needs_old != 0:
        console.result(f"next, for one that needs none: ./estate snapshot {stack}")
    console.document(asdict(done))
