"""How old the newest snapshot and the last drill are, by the names in the store.

Owns where a drill is written down: beside the snapshots, so that whoever may read those sees it, wherever it was done.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from components.payloads.snapshot import STAMP, send, stamp_of
from ops.paths import Paths
from ops.snapshots import taking
from ops.snapshots.stores import Readable, store_of
from ops.stack_file import StackFile

_DRILLS = "drills/"


@dataclass(frozen=True, kw_only=True)
class Ages:
    """In seconds; None: there never was one."""

    snapshot: float | None
    drill: float | None


def ages(paths: Paths, file: StackFile, cluster: str | None) -> Ages:
    """Of one cluster; of all, if none is known. Raises EstateError if the store can't be seen."""
    of = f"{cluster}/" if cluster else ""
    with taking.told():
        store = store_of(paths, file)
        names = set(store.names(f"{taking.EVERYWHERE}{of}"))
        drills = store.names(f"{_DRILLS}{of}")
    # One without a record beside it was cut off.
    return Ages(snapshot=_newest(name for name in names if f"{name}.json" in names), drill=_newest(drills))


def _newest(names: Iterable[str]) -> float | None:
    stamps = [stamp_of(name) for name in names]
    return (datetime.now(UTC) - taking.taken(max(stamps))).total_seconds() if stamps else None


def note_drill(store: Readable, cluster: str, facts: dict[str, object], work: Path) -> None:
    """Write down that a drill succeeded now. Raises SnapshotError if the store doesn't keep it."""
    now = datetime.now(UTC).strftime(STAMP)
    (work / "drill").write_text(json.dumps(facts, indent=1, sort_keys=True))
    send(store, f"{_DRILLS}{cluster}/{now}.json", work / "drill")
