"""`./estate move-seal-key`: a new key in the place of a static seal's.

Owns the order: the new key is made and in escrow before it is used; the server starts with both, and wraps everything
by the new one; then it has to open by the new one alone. The old one is kept for the snapshots of its time. Killed
anywhere, the same command goes on from there, and ends a restore that was killed while two keys were in use.
"""

import json
from dataclasses import dataclass

from components.payloads.snapshot import SnapshotError, send
from composition.private_files import write_private
from ops import stack_file
from ops.commands import session
from ops.commands.snapshots import seal_keys
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths
from ops.platforms.driver import PlatformDriver
from ops.platforms.registry import platform_of
from ops.snapshots.seal_keys import Prepared
from ops.snapshots.stores import store_of
from ops.snapshots.taking import EVERYWHERE, folder, kept, told


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What the server opens by now, and what the key before it is still needed for."""

    stack: str
    key_id: str
    """Of the present key."""
    old_key_id: str
    where: str
    """Where the old one lies."""
    needs_old: int | None
    """How many snapshots need an older key; None: they can't be seen from here."""
    newest: str
    """The newest of them."""


def move(paths: Paths, stack: str, console: Console, *, node: str | None, sandbox: bool) -> Moved:
    """Give a stack's seal another key.
    Raises EstateError: the seal has no key of the estate's, the store of snapshots refuses, or the server doesn't open;
    the same command goes on from there."""
    file = stack_file.read(paths, stack)
    with session.locked(paths), platform_of(paths, file, sandbox=sandbox).ready("use", console) as platform:
        platform.refuse_unbuilt()
        keys, mark = seal_keys(platform, node), platform.seal_key_mark
        with console.stage(f"moving the key of the seal of {stack}") as steps:
            begun: dict[str, str] = json.loads(mark.read_text(encoding="utf-8")) if mark.is_file() else {}
            now = keys.state()
            if now.previous and not now.coming and begun.get("new") != now.current:
                keys.use()
                keys.alone()
                steps.step(f"key {now.previous}, of a restore that was killed, is taken away", finished=True)
                now = keys.state()
            if now.coming or begun.get("new") != now.current:
                prepared = keys.prepare()
                now = prepared.state
                begun = {"new": str(now.coming), "old": str(now.current)}
                write_private(mark, json.dumps(begun).encode())
                steps.step(f"key {now.coming} is made", finished=True)
                _deposit(platform, prepared)
                steps.step("both keys are kept", finished=True)
            if now.coming or now.previous:
                keys.use()
                steps.step("the server is at work with both", finished=True)
            keys.alone()
            steps.step("the server opens with the new one alone", finished=True)
        needs_old, newest = _older(platform, now.cluster_id, begun["new"])
        mark.unlink()
        return Moved(
            stack=stack,
            key_id=begun["new"],
            old_key_id=begun["old"],
            where=keys.where,
            needs_old=needs_old,
            newest=newest,
        )


def _deposit(platform: PlatformDriver, prepared: Prepared) -> None:
    """Put what is for escrow beside the snapshots, and look at what arrived."""
    if not prepared.escrow or platform.file.settings.snapshots is None:
        return
    store = store_of(platform.paths, platform.file)
    with told(), folder(platform.paths, "escrow-") as work:
        for name, sealed in prepared.escrow.items():
            key = f"seal/{prepared.state.cluster_id}/{name}.age"
            if store.look(key)[0] < 0:
                (work / "sealed").write_bytes(sealed)
                send(store, key, work / "sealed")


def _older(platform: PlatformDriver, cluster: str | None, new: str) -> tuple[int | None, str]:
    """How many snapshots were taken under other keys, and the newest."""
    if platform.file.settings.snapshots is None:
        return 0, ""
    try:
        found = kept(store_of(platform.paths, platform.file), f"{EVERYWHERE}{cluster}/")
    except (EstateError, SnapshotError):
        return None, ""
    older = [one.key for one in found if new not in str(one.record.get("escrow"))]
    return len(older), older[0] if older else ""
