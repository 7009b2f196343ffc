"""The commands of whoever keeps snapshots: take one, restore one, drill a restore. Words in, tables or JSON out."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from components.model import duration_text
from ops.cli.options import Json, Sandbox, Stack, file_option
from ops.commands import snapshots
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths
from ops.snapshots.taking import freshness

_SHOWN = 10

Identity = Annotated[Path | None, file_option("File of the age private key; else the one under .estate/.")]


def snapshot(stack: Stack = "local", sandbox: Sandbox = False, as_json: Json = False) -> None:
    """Take a snapshot now: verified, encrypted, stored, looked at; then prune by retention."""
    console = Console(as_json=as_json)
    taken, stale_after = snapshots.snapshot(Paths(), stack, console, sandbox=sandbox)
    rows = [
        [one.key.rpartition("/")[2], duration_text(int(one.age_seconds)), f"{one.record['bytes'] / 1000:.0f} kB"]
        for one in taken.kept[:_SHOWN]
    ]
    console.table(f"the newest of {len(taken.kept)} snapshots of {stack}", ["snapshot", "age", "size"], rows)
    newest = taken.kept[0].age_seconds if taken.kept else None
    if taken.advice:
        console.result(taken.advice)
    console.result(f"stored {taken.key}; {len(taken.pruned)} objects pruned; {freshness(newest, stale_after)}")
    console.document(
        {
            "stack": stack,
            "key": taken.key,
            "pruned": list(taken.pruned),
            "snapshots": [{"key": one.key, "age_seconds": one.age_seconds, **one.record} for one in taken.kept],
        }
    )


def restore(
    stack: Stack = "local",
    *,
    key: Annotated[str | None, typer.Option("--from", help="Key of the snapshot; the newest, if none.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Also into a server it doesn't belong to.")] = False,
    identity: Identity = None,
    node: Annotated[
        str | None, typer.Option(help="USER@HOST: have it take a snapshot from before its seal's key moved.")
    ] = None,
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """Restore a snapshot: everything the server holds is replaced by what it held then."""
    console = Console(as_json=as_json)
    done, turned = snapshots.restore(
        Paths(), stack, console, key=key, force=force, identity=identity, node=node, sandbox=sandbox
    )
    for mismatch in done.forced:
        console.result(f"forced: {mismatch}")
    console.result(f"{done.key} of {done.taken} is restored in cluster {done.cluster_id} after {done.seconds:.1f} s")
    if done.sealed:
        console.result("it is sealed now, with the shares of then: ./estate unseal")
    else:
        console.result(f"canary found; ./estate up {stack} brings it up to date")
    if done.restart:
        console.result(f"start anew, one after another: {', '.join(done.restart)}; until then they refuse requests")
    if turned and turned.pair != "as it was":
        console.result(f"the administrator's pair: {turned.pair}")
    if turned and turned.shares != "as they were":
        console.result(f"key shares: {turned.shares}")
    for name, outcome in (turned.passwords if turned else {}).items():
        console.result(f"password of database {name}: {outcome}")
    document = {"stack": stack, **asdict(done), "forced": list(done.forced)}
    console.document({**document, "turned_back": asdict(turned) if turned else None})


def drill(
    stack: Stack = "local",
    identity: Identity = None,
    seal_key: Annotated[Path | None, file_option("File of the static seal's key, where it is to be had.")] = None,
    *,
    metrics: Annotated[Path | None, file_option("File for a node exporter; else one under .estate/drills/.")] = None,
    schedule: Annotated[bool, typer.Option("--schedule", help="Write a systemd timer instead of drilling.")] = False,
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """Restore the newest snapshot into a server that is thrown away, to see that it can be done."""
    console = Console(as_json=as_json)
    if schedule:
        options = {"--identity": identity, "--seal-key": seal_key, "--metrics": metrics, "--sandbox": sandbox}
        units = snapshots.schedule_drills(Paths(), stack, options)
        for unit in units:
            console.result(f"wrote {unit}")
        console.result(f"next: systemctl --user daemon-reload && systemctl --user enable --now {units[-1].name}")
        console.document({"stack": stack, "units": [str(unit) for unit in units]})
        return
    done = snapshots.drill(
        Paths(), stack, console, identity=identity, seal_key=seal_key, metrics=metrics, sandbox=sandbox
    )
    rows = [
        ["whole and decrypted", "✓"],
        [f"opened its seal ({done.seal})", "✓" if done.opened else "not tried"],
        ["canary served", "✓" if done.opened else "not tried"],
        ["RPO, the snapshot's age", duration_text(int(done.rpo_seconds))],
        ["RTO, from store to service" if done.opened else "from store to a whole archive", f"{done.rto_seconds:.1f} s"],
        ["fresh", "✓" if done.fresh else "failed: stale"],
    ]
    console.table(f"drill of {stack}: {done.key.rpartition('/')[2]}", ["what", "found"], rows)
    if done.why_not:
        console.result(f"not opened: {done.why_not}")
    console.document({"stack": stack, **asdict(done)})


def seal_key(
    stack: Stack,
    *,
    node: Annotated[str | None, typer.Option(help="USER@HOST of a new node: put the key there, by SSH.")] = None,
    key: Annotated[str | None, typer.Option("--from", help="Key of the snapshot to open; the newest, if none.")] = None,
    force: Annotated[bool, typer.Option("--force", help="With --node: wipe whatever that node holds.")] = False,
    identity: Identity = None,
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """Take a lost node's seal key out of escrow: to a new node, or to a program behind a pipe, never to a screen."""
    console = Console(as_json=as_json)
    if node is not None:
        done = snapshots.adopt(
            Paths(), stack, console, node=node, key=key, force=force, identity=identity, sandbox=sandbox
        )
        shares = "is there again" if done.custody else "wasn't in escrow"
        console.result(f"{node} waits for snapshots of cluster {done.cluster_id}; key shares: {shares}")
        console.result(f"next: ./estate restore {stack}")
        console.document({"stack": stack, "node": node, **asdict(done)})
        return
    if not as_json and sys.stdout.isatty():
        raise EstateError("standard output is a terminal; expected a pipe to what takes the key, or --node")
    found = snapshots.seal_key(Paths(), stack, console, key=key, identity=identity, sandbox=sandbox)
    if not as_json:
        sys.stdout.buffer.write(found.seal_key)
    # Whoever only wants to know that it can be opened sees nothing of it.
    console.document({"stack": stack, "cluster_id": found.cluster_id, "key": found.key, "custody": bool(found.custody)})
