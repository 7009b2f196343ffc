"""`./estate status`: what runs of a stack, wherever it runs. Words in, tables or JSON out; owns its exit code."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, cast

import typer

from ops import lifecycle
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths
from ops.platforms.sandbox import WorldStatus
from ops.vault.status import Seen

Stack = Annotated[str, typer.Argument(help="Name of the stack: Pulumi.<name>.yaml is its settings file.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
Sandbox = Annotated[bool, typer.Option("--sandbox", help="Of the stack's sandbox.")]


def status(stack: Stack = "local", sandbox: Sandbox = False, as_json: Json = False) -> None:
    """Show what runs: servers of this machine, or a cloud stack's Vault as anybody sees it."""
    console = Console(as_json=as_json)
    if sandbox:
        _show_world(console, stack, lifecycle.sandbox_status(Paths(), stack, console))
    elif lifecycle.is_local(Paths(), stack):
        _show_local(console, stack)
    else:
        _show_cloud(console, stack)


def _show_local(console: Console, stack: str) -> None:
    local, facts = lifecycle.status(Paths(), stack)
    rows = [
        ["OpenBao", "running" if local.openbao.running else "stopped", str(local.openbao.port), facts["address"]],
        ["PostgreSQL", "running" if local.postgres.running else "stopped", str(local.postgres.port), ""],
    ]
    console.table(f"stack {stack}", ["server", "state", "port", "address"], rows)
    seen: Seen | None = facts["vault"]
    _show_vault(console, seen)
    sealed = {None: "unknown", True: "sealed", False: "unsealed"}[local.sealed]
    console.result(f"OpenBao is {sealed}; an `up` is {'unfinished' if facts['unfinished'] else 'not under way'}")
    console.document({"stack": stack, **asdict(local), **facts, "vault": _plain(seen)})


def _show_world(console: Console, stack: str, world: WorldStatus) -> None:
    rows = [[one.name, "running" if one.running else "stopped", one.address] for one in world.machines]
    rows += [[name, "running" if runs else "stopped", ""] for name, runs in world.servers.items()]
    console.table(f"sandbox of stack {stack}", ["what", "state", "address"], rows)
    _show_vault(console, world.vault)
    sealed_now = cast("bool | None", world.health.get("sealed"))
    sealed = {None: "does not answer", True: "is sealed", False: "is unsealed"}[sealed_now]
    console.result(f"Vault at {world.address} {sealed}" if world.address else "no Vault was built yet")
    console.document({"stack": stack, **asdict(world)})


def _show_cloud(console: Console, stack: str) -> None:
    """Ends with 2 where a stack that was built has no Vault that is well."""
    found = lifecycle.cloud_status(Paths(), stack, console)
    seen = found.vault if found else None
    if found and seen:
        more = [["an `up` is", _unfinished(unfinished=found.unfinished)], ["newest snapshot", found.snapshot]]
        _show_vault(console, seen, title=f"stack {stack}", more=more)
    elif found:
        console.result(
            f"stack {stack!r} exports no address; its `up` is {_unfinished(unfinished=found.unfinished)}: "
            f"./estate up {stack} goes on"
        )
    else:
        console.result(f"stack {stack!r} was never up: ./estate up {stack} builds it")
    trouble = seen.trouble if seen else None
    console.document(
        {
            "stack": stack,
            "built": found is not None,
            "vault": _plain(seen),
            "unfinished": found.unfinished if found else False,
            "snapshot": found.snapshot if found else None,
            "snapshot_age_seconds": found.snapshot_age_seconds if found else None,
            **({"error": trouble} if trouble else {}),
        }
    )
    if trouble:
        console.say(f"estate: {trouble}")
        raise typer.Exit(EstateError.exit_code)


def _unfinished(*, unfinished: bool) -> str:
    return "unfinished" if unfinished else "not under way"


def _show_vault(
    console: Console, seen: Seen | None, *, title: str = "its Vault", more: Sequence[Sequence[str]] = ()
) -> None:
    if seen:
        console.table(title, ["what", "found"], [*seen.rows(), *more])


def _plain(seen: Seen | None) -> dict[str, Any] | None:
    return asdict(seen) if seen else None


def add_to(app: typer.Typer) -> None:
    """Give an app this command."""
    app.command()(status)
