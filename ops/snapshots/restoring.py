"""Putting a snapshot back.

Owns what has to agree first: seal, shares, cluster, version. Refuses a mismatch unless it is forced. Several servers
take a snapshot together where their seal vouches for it; else it is refused, forced or not.
"""

import http.client
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.payloads.snapshot import SnapshotError
from ops.clusters.raft import RaftView
from ops.console import Console, Steps
from ops.errors import EstateError
from ops.paths import Paths
from ops.processes.servers import eventually
from ops.snapshots import escrow
from ops.snapshots.opening import Opened, choose, open_snapshot
from ops.snapshots.seal_keys import SealKeys, having, key_of
from ops.snapshots.stores import store_of
from ops.snapshots.taking import folder, pair, taken, told
from ops.snapshots.target import POLL_SECONDS, WAIT_SECONDS, Target, is_auto
from ops.snapshots.unfinished import Mark
from ops.stack_file import StackFile
from ops.vault.endpoint import VaultEndpoint

_ANOTHER_KEY = "using a different autoseal key"
"""The servers' words for a snapshot that their seal doesn't vouch for."""


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What was restored, and how it was found."""

    key: str
    taken: str
    cluster_id: str
    seconds: float
    canary: bool | None
    """Whether the last thing written before the snapshot is there; None where nobody can log in yet."""
    sealed: bool
    """Whether operators have to unseal it now."""
    forced: tuple[str, ...]
    """Mismatches that were overridden."""
    servers: tuple[str, ...] = ()
    """Of a cluster, who votes; nothing of a sealed one."""
    restart: tuple[str, ...] = ()
    """Who of them has to be started anew: with another cluster's snapshot, those that didn't lead refuse every request,
    as they can't make out their audit devices' salt (OpenBao 2.7.2)."""


def mismatches(record: Mapping[str, Any], status: Mapping[str, Any]) -> list[str]:
    """What of a snapshot doesn't agree with the server it is to go into; each as a phrase."""
    found = []
    if record["seal"] != status["type"]:
        found.append(f"its seal is {record['seal']!r}, the server's is {status['type']!r}")
    if _version(status["version"]) < _version(record["version"]):
        found.append(f"it is of version {record['version']}, the server is the older {status['version']}")
    if status["initialized"]:
        if record["cluster_id"] != status.get("cluster_id"):
            found.append(f"it is of cluster {record['cluster_id']}, the server is {status.get('cluster_id')}")
        for fact, name, word in (("shares", "n", "key shares"), ("threshold", "t", "shares to open it")):
            if record[fact] != status[name]:
                found.append(f"it has {record[fact]} {word}, the server {status[name]}")
    return found


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.split(r"[+-]", text, maxsplit=1)[0].split("."))


def restore(
    paths: Paths,
    file: StackFile,
    endpoint: VaultEndpoint,
    console: Console,
    *,
    identity: Path,
    key: str | None = None,
    force: bool = False,
    empty: Callable[[str], None] | None = None,
    keys: SealKeys | None = None,
) -> Restored:
    """Put a snapshot back into the stack's server, by default the newest, and look at what it serves then. `empty`
    takes away the storage of a server that a killed restore initialised; without it a person does. `keys` are those of
    a static seal: the snapshot's own is beside the server's for as long as this takes.
    Raises EstateError: nothing was changed, unless the sentence says otherwise."""
    store = store_of(paths, file)
    mark = Mark(
        file=paths.own / f"restoring-{file.stack}.json",
        address=endpoint.address,
        empty=empty,
        way_on=f"./estate seal-key {file.stack} --node USER@HOST where the key is in escrow, else docs/snapshots.md",
    )
    started = time.monotonic()
    with told(), folder(paths, "restore-") as work, console.stage(f"restoring {file.stack}") as steps:
        target = Target(endpoint.address, str(endpoint.ca_file) if endpoint.ca_file else None, pair(paths, file))
        opened = open_snapshot(store, choose(store, key), identity, work)
        steps.step(f"{opened.key} is whole", finished=True)
        needed, cluster = key_of(opened.archive), str(opened.record["cluster_id"])
        held = keys if needed and opened.record["seal"] == "static" else None
        with (
            _told_of_another_key(file.stack, opened, needed),
            having(held, needed, lambda: escrow.with_id(store, cluster, needed, identity)),
        ):
            another = target.status().get("cluster_id") not in (None, cluster)
            forced = put_into(target, opened, force=force, steps=steps, mark=mark)
            canary, sealed = prove(target, opened, file.settings.canary, steps)
        servers, leader = ((), "") if sealed else _voters(target, steps)
        mark.clear()
    return Restored(
        key=opened.key,
        taken=taken(opened.key).isoformat(),
        cluster_id=opened.record["cluster_id"],
        seconds=time.monotonic() - started,
        canary=canary,
        sealed=sealed,
        forced=tuple(forced),
        servers=servers,
        restart=tuple(one for one in servers if another and one != leader),
    )


@contextmanager
def _told_of_another_key(stack: str, opened: Opened, needed: str) -> Iterator[None]:
    """Raises EstateError: the server has another key of its seal than the snapshot needs. Where the key is elsewhere,
    servers say the same of one that doesn't answer."""
    try:
        yield
    except SnapshotError as error:
        if _ANOTHER_KEY not in str(error):
            raise
        key, seal = opened.key, opened.record["seal"]
        if seal == "static":
            raise EstateError(
                f"{key} was taken under key {needed} of the seal, which the server doesn't have; expected it beside "
                f"the present one: ./estate restore {stack} --from {key} --node USER@HOST"
            ) from None
        raise EstateError(
            f"{key} isn't opened by the seal {seal!r} of the servers, which hold what they held: it was taken under "
            f"another key ({needed or 'without a name'}), or the key doesn't answer; expected the key of then, and one "
            "that answers"
        ) from None


def put_into(target: Target, opened: Opened, *, force: bool, steps: Steps, mark: Mark | None = None) -> list[str]:
    """Replace all that a server holds; the mismatches that `force` overrode. The mark tells the next restore that this
    one was killed; None: the server ends with this process.
    Raises EstateError if it is sealed, doesn't agree with the snapshot, or is several servers with another seal."""
    status = target.status()
    if mark and status["initialized"] and is_auto(status):
        mark.go_on(target, opened.record["cluster_id"])
        status = target.status()
    overridden = mismatches(opened.record, status)
    if overridden and not force:
        raise EstateError(
            f"{opened.key} does not belong into {target.address}: {'; '.join(overridden)}; expected a snapshot that "
            "does, or --force"
        )
    if status["initialized"]:
        if status["sealed"]:
            left = f", or empty where a restore of it was killed: {mark.way_on}" if mark and mark.stands else ""
            raise EstateError(f"Vault at {target.address} is sealed; expected it unsealed{left}")
        target.log_in()
        several = _several(target, opened, status)
        # That the seal opens it is what lets the others follow.
        target.put_back(opened.archive, force=force and not several)
    else:
        # Between the two a server would be left with keys that nobody has. A signal waits; what doesn't is told by the
        # mark.
        if mark:
            mark.set()
        with _uninterrupted():
            target.initialise(auto_unseal=is_auto(status))
            steps.step("an empty server, initialised with keys to throw away", finished=True)
            # Only an auto-unseal vouches for a snapshot of its former life.
            target.put_back(opened.archive, force=force or not is_auto(status))
    steps.step("restored", finished=True)
    return overridden


def _several(target: Target, opened: Opened, status: Mapping[str, Any]) -> bool:
    """Whether it is one of several servers. Put in by force, or under a seal that people open, a snapshot would never
    reach the others (vault#31933).
    Raises EstateError: it is one of several, and the seal doesn't vouch for the snapshot."""
    peers = target.raft().servers
    if len(peers) == 1 or (is_auto(status) and opened.record["seal"] == status["type"]):
        return len(peers) > 1
    raise EstateError(
        f"{target.address} is a cluster of {len(peers)} nodes ({', '.join(sorted(peers))}) with the seal "
        f"{status['type']!r}; expected one with auto-unseal, and a snapshot under the same: else remove and wipe "
        "the others"
    )


def prove(target: Target, opened: Opened, canary: str, steps: Steps) -> tuple[bool | None, bool]:
    """Whether the canary is there, and whether the server waits for its operators. `canary` is where to look for it if
    the snapshot's record doesn't tell.
    Raises EstateError if it serves something else than the snapshot."""
    if opened.record["seal"] == "shamir":
        return None, True
    cluster = opened.record["cluster_id"]
    target.wait(
        lambda health: not health["sealed"] and not health["standby"] and health.get("cluster_id") == cluster,
        f"serve cluster {cluster}",
    )
    # It answers from what it held before for a moment, and then not at all.
    if not eventually(lambda: _canary_found(target, opened, canary), WAIT_SECONDS, POLL_SECONDS):
        raise EstateError(
            f"{target.address} was given {opened.key} and lacks its canary; expected the last thing written before it"
        )
    steps.step("canary found", finished=True)
    return True, False


def _voters(target: Target, steps: Steps) -> tuple[tuple[str, ...], str]:
    """All servers of the cluster, and who of them leads.
    Raises EstateError if one of them doesn't vote in time."""
    seen: list[RaftView] = []

    def vote() -> bool:
        try:
            target.log_in()
            seen[:] = [target.raft()]
            target.logout()
        except (SnapshotError, OSError, http.client.HTTPException):
            return False
        return bool(seen[0].leader) and all(one.votes for one in seen[0].servers.values())

    if not eventually(vote, WAIT_SECONDS, POLL_SECONDS):
        silent = [one.name for view in seen for one in view.servers.values() if not one.votes]
        waited = ", ".join(sorted(silent)) or "one that leads"
        raise EstateError(f"{target.address} serves the snapshot, without {waited}; expected all its servers to vote")
    (view,) = seen
    if len(view.servers) > 1:
        steps.step(f"{len(view.servers)} servers vote", finished=True)
    return tuple(sorted(view.servers)), view.leader


def _canary_found(target: Target, opened: Opened, canary: str) -> bool:
    try:
        target.log_in()
        if target.canary_sha256(opened.record.get("canary", canary)) != opened.record["canary_sha256"]:
            return False
        target.end_token(opened.record["accessor"])
        target.logout()
    except (SnapshotError, OSError, http.client.HTTPException):
        return False
    return True


@contextmanager
def _uninterrupted() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
