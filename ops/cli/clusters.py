"""`./estate upgrade`, `rejoin` and `scale`, for servers that are pods of a cluster. Words in, tables or JSON out."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from ops.cli.options import Json, Sandbox
from ops.commands import clusters
from ops.console import Console
from ops.paths import Paths

ClusterStack = Annotated[str, typer.Argument(help="Name of the stack, whose servers are pods of a cluster.")]


def upgrade(stack: ClusterStack, sandbox: Sandbox = False, as_json: Json = False) -> None:
    """Replace each server's pod by what its template says: one by one, the leader last, by your own login."""
    console = Console(as_json=as_json)
    done = clusters.upgrade(Paths(), stack, console, sandbox=sandbox)
    which = ", ".join(done.replaced) or "none, since no pod was behind"
    console.result(f"replaced: {which}")
    console.result(f"every server is a healthy voter at revision {done.revision}, version {', '.join(done.versions)}")
    console.document({"stack": stack, **asdict(done)})


def rejoin(
    stack: ClusterStack,
    server: Annotated[str, typer.Argument(metavar="SERVER", help="Name of its pod, such as vault-2.")],
    *,
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """Have a server that lost its data, or its place in Raft, join again with empty volumes."""
    console = Console(as_json=as_json)
    done = clusters.rejoin(Paths(), stack, server, console, sandbox=sandbox)
    console.result(f"{done.server} votes again")
    _tell_volumes(console, done.left_volumes)
    console.document({"stack": stack, **asdict(done)})


def scale(
    stack: ClusterStack,
    servers: Annotated[int, typer.Argument(metavar="N", help="How many are to stay: an odd number.")],
    *,
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """Have fewer servers: they leave Raft before their pods go. More are made by up."""
    console = Console(as_json=as_json)
    done = clusters.scale(Paths(), stack, servers, console, sandbox=sandbox)
    console.result(f"removed: {', '.join(done.removed) or 'none'}")
    _tell_volumes(console, done.left_volumes)
    console.result(f"next: platform.pods.replicas: {servers} in Pulumi.{stack}.yaml, and ./estate up {stack}")
    console.document({"stack": stack, **asdict(done)})


def _tell_volumes(console: Console, names: Sequence[str]) -> None:
    if names:
        console.result(f"volumes with old data that stay: {', '.join(names)}")
