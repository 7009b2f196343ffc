"""Getting one snapshot back: found in the store, compared with its record, opened, found whole.

Owns what happens before a server is touched. Refuses what isn't exactly what was stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyrage  # type: ignore[import-untyped]  # the wheel ships no types

from components.payloads.snapshot import sha256_of, verify
from ops.errors import EstateError
from ops.keys import age
from ops.snapshots.stores import Readable
from ops.snapshots.taking import EVERYWHERE, StoredSnapshot, kept

_FACTS = ("bytes", "sha256", "canary_sha256", "seal", "shares", "threshold", "cluster_id", "version", "taken")


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A snapshot as the server gave it, in a file of ours."""

    key: str
    record: Mapping[str, Any]
    archive: Path


def choose(store: Readable, key: str | None) -> StoredSnapshot:
    """The snapshot of this key; without one the newest of all.
    Raises EstateError if there is no such whole snapshot."""
    snapshots = kept(store)
    found = [one for one in snapshots if key in (one.key, None)]
    if found:
        return found[0]
    if key is None:
        msg = "the store holds no whole snapshot; expected one that `./estate snapshot` or a node's timer took"
        raise EstateError(msg)
    known = ", ".join(one.key for one in snapshots[:5]) or "none"
    raise EstateError(f"--from is {key!r}; expected the key of a whole snapshot in the store: {known}")


def open_snapshot(store: Readable, chosen: StoredSnapshot, identity: Path, work: Path) -> Opened:
    """Fetch, compare, decrypt and verify.
    Raises EstateError if it was cut off or changed, or the identity doesn't open it."""
    missing = sorted(fact for fact in _FACTS if fact not in chosen.record)
    if missing or not chosen.key.startswith(f"{EVERYWHERE}{chosen.record.get('cluster_id')}/"):
        raise EstateError(
            f"the record of {chosen.key} doesn't belong to it (lacks {', '.join(missing) or 'its cluster'}); expected "
            "an older snapshot (--from)"
        )
    secret, archive = work / "fetched", work / "archive"
    store.fetch(chosen.key, secret)
    if (secret.stat().st_size, sha256_of(secret)) != (chosen.record["bytes"], chosen.record["sha256"]):
        msg = f"{chosen.key} is not what was stored: its size or checksum is another; expected an older one (--from)"
        raise EstateError(msg)
    try:
        pyrage.decrypt_file(str(secret), str(archive), [age.identity_in(identity)])
    except (pyrage.DecryptError, OSError) as error:
        if getattr(error, "errno", None):  # a full disk, not what was read; a damaged stream has no number
            raise
        msg = f"{chosen.key} can't be opened with age identity {identity}; expected one of its recipients' (--identity)"
        raise EstateError(msg) from None
    secret.unlink()
    verify(archive)
    return Opened(key=chosen.key, record=chosen.record, archive=archive)
