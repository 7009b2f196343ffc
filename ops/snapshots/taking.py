"""Taking a snapshot by hand, with the functions a node's timer runs.

Owns what the operator is told of it: the snapshots there are, and whether the newest is fresh.
"""

import http.client
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from components.model import duration_text
from components.payloads import move_seal_key
from components.payloads.snapshot import STAMP, SnapshotError, prune, save, stamp_of, whole
from components.render.snapshots import AGE_KEY, CANARY, OPERATOR_LOGIN, recipient
from ops.console import Console
from ops.errors import EstateError
from ops.keys import age
from ops.paths import Paths
from ops.processes.servers import end
from ops.snapshots.seal_keys import key_of
from ops.snapshots.stores import Readable, store_of, wanted
from ops.snapshots.target import ProxiedServer
from ops.stack_file import StackFile
from ops.vault.endpoint import VaultEndpoint
from settings.named_files import public

EVERYWHERE = "raft/"
"""What every snapshot's key begins with; the cluster's own name for itself comes next."""
_NO_WRITER = (
    "snapshots.store.writer is missing: whoever breaks into the node may do to the bucket all that its credential "
    "may; put its ARN there"
)


@dataclass(frozen=True, kw_only=True)
class StoredSnapshot:
    """One snapshot in the store."""

    key: str
    record: Mapping[str, Any]

    @property
    def age_seconds(self) -> float:
        """Since it was taken."""
        return (datetime.now(UTC) - taken(self.key)).total_seconds()


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What a run did."""

    key: str
    pruned: Sequence[str]
    kept: Sequence[StoredSnapshot]
    advice: str = ""
    """What the settings should say and don't."""


def taken(key: str) -> datetime:
    """When a snapshot was taken."""
    return datetime.strptime(stamp_of(key), STAMP).replace(tzinfo=UTC)


@contextmanager
def told() -> Iterator[None]:
    """Word what stops the program's functions as everything else that an operator can mend.
    Raises EstateError: in their stead."""
    try:
        yield
    except SnapshotError as error:
        raise EstateError(f"snapshot: {error}") from None
    except http.client.HTTPException as error:
        raise EstateError(
            f"snapshot: Vault's answer broke off ({type(error).__name__}); expected a whole one: try again"
        ) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise EstateError(f"snapshot: {where}{error.strerror or error}") from None


@contextmanager
def folder(paths: Paths, prefix: str) -> Iterator[Path]:
    """A folder for one command, closed to others and gone at its end; so is what one that was killed left."""
    for left in paths.make_own().glob(f"{prefix}*/"):
        # The server of a drill.
        running = psutil.process_iter(["cmdline"])
        end([one for one in running if str(left) in " ".join(one.info["cmdline"] or ())], signal.SIGTERM)
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=paths.make_own(), prefix=prefix) as work:
        yield Path(work)


def pair(paths: Paths, file: StackFile) -> tuple[str, str]:
    """The files with which a person takes snapshots and puts them back. Raises EstateError if one isn't there."""
    certificate = paths.project / wanted(file).certificate
    for half in (certificate, age.private_key_of(certificate)):
        if not half.is_file():
            raise EstateError(f"{half} is not there; expected snapshots.certificate, with its private key beside it")
    return str(certificate), str(age.private_key_of(certificate))


def take(paths: Paths, file: StackFile, endpoint: VaultEndpoint, console: Console, *, brought: bool = True) -> Taken:
    """Take a snapshot, put it into the store, look at it, and prune what retention doesn't keep. `brought` as for
    `advice`.
    Raises EstateError: any of it failed; then nothing was pruned."""
    snapshots = wanted(file)
    store = store_of(paths, file)
    parameters: dict[str, Any] = {
        "role": OPERATOR_LOGIN,
        "canary": CANARY,
        "recipients": [_recipient(paths, name) for name in snapshots.recipients],
        "by_hand": True,
    }
    stage = console.stage(f"taking a snapshot of {file.stack}")
    with told(), folder(paths, "snapshot-") as work, stage as steps:
        server = _Noting(endpoint.address, str(endpoint.ca_file) if endpoint.ca_file else None, pair(paths, file))
        server.find_active()
        cluster = server.call("GET", "sys/seal-status").get("cluster_id")
        # Its retention may prune every record that names what opens the seal.
        parameters["escrow"] = server.escrow = dict(escrow_in(kept(store, f"{EVERYWHERE}{cluster}/")))
        key, record = save(server, store, parameters, work, lambda step, **_: steps.step(step, finished=True))
        pruned = prune(store, f"{EVERYWHERE}{record['cluster_id']}/", snapshots.keep.model_dump())
        return Taken(
            key=key,
            pruned=pruned,
            kept=kept(store, f"{EVERYWHERE}{record['cluster_id']}/"),
            advice=advice(file, brought=brought),
        )


def advice(file: StackFile, *, brought: bool) -> str:
    """What the settings of snapshots should say and don't; `brought` is whether what takes them has a credential that
    somebody brings."""
    store = wanted(file).store
    return _NO_WRITER if brought and store.kind == "bucket" and not store.writer else ""


class _Noting(ProxiedServer):
    """Notes under which key of the seal its snapshot was taken: an earlier one may have been taken under another."""

    escrow: dict[str, str]

    def save(self, file: Path) -> None:
        """The snapshot, into a file."""
        super().save(file)
        used, named = key_of(file), self.escrow.get("seal_key", "")
        if named and used != move_seal_key.FIRST_ID:
            self.escrow["seal_key"] = f"{named.rpartition('/')[0]}/{used}.age"


def kept(store: Readable, prefix: str = EVERYWHERE) -> list[StoredSnapshot]:
    """All whole snapshots in a store, the newest first."""
    found = [StoredSnapshot(key=key, record=record) for key, record in whole(store, prefix).items()]
    return sorted(found, key=lambda one: stamp_of(one.key), reverse=True)


def escrow_in(snapshots: Sequence[StoredSnapshot]) -> Mapping[str, str]:
    """The objects that open the seal, as the first snapshot that knows them names them; nothing if none does."""
    named = (one.record.get("escrow") for one in snapshots)
    return next((found for found in named if isinstance(found, dict)), {})


def freshness(age_seconds: float | None, stale_after_seconds: int) -> str:
    """Whether a backup is one, for people; None: there is no snapshot."""
    if age_seconds is None:
        return "stale: there is none"
    return f"{'fresh' if age_seconds <= stale_after_seconds else 'stale'}: {duration_text(int(age_seconds))} old"


def _recipient(paths: Paths, name: str) -> str:
    try:
        return recipient(public("snapshots.recipients", name, AGE_KEY, paths.project))
    except ValueError as error:
        raise EstateError(str(error)) from None
