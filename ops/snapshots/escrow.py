"""What lies beside a node's snapshots so that they survive its volume: the static seal's key, and key shares.

Owns finding, opening and proving it. Refuses a key that isn't the one its name says. Nothing of it is written anywhere:
the key is in memory, and goes where it is asked for by a pipe.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyrage  # type: ignore[import-untyped]  # the wheel ships no types

from components.payloads.move_seal_key import fingerprint, is_key, key_id
from ops.errors import EstateError
from ops.keys import age
from ops.snapshots.stores import Readable
from ops.snapshots.taking import StoredSnapshot, escrow_in, kept


@dataclass(frozen=True, kw_only=True)
class Escrowed:
    """The way into one cluster's snapshots."""

    cluster_id: str
    key: str
    """Of the object in the store."""
    seal_key: bytes = field(repr=False)
    custody: Mapping[str, Any] | None = field(repr=False)
    """`shares` and `complete`, as the bootstrap left them; None: the node had none of that cluster."""


def names(store: Readable, chosen: StoredSnapshot) -> Mapping[str, str]:
    """The objects that open a snapshot, from its own record or, where a person took it, from the one before it that
    has one, else from any; nothing where no node put anything there."""
    others = kept(store, chosen.key.rpartition("/")[0] + "/")
    return escrow_in([chosen, *(other for other in others if other.key < chosen.key), *others])


def opened(store: Readable, chosen: StoredSnapshot, identity: Path) -> Escrowed:
    """Open what belongs to a snapshot.
    Raises EstateError if there is nothing, the identity doesn't open it, or it isn't what its name says."""
    found = names(store, chosen)
    cluster = str(chosen.record.get("cluster_id"))
    key = found.get("seal_key", "")
    if not key.startswith(f"seal/{cluster}/"):
        raise EstateError(
            f"no key of a seal lies beside {chosen.key}; expected one from a node with platform.seal.escrow, which "
            "puts it there with its first snapshot"
        )
    seal_key = _decrypt(store, key, identity)
    if not is_key(seal_key) or fingerprint(seal_key) != key.rpartition("/")[2].removesuffix(".age"):
        raise EstateError(f"{key} holds another key than its name says; expected an older version of it in the bucket")
    custody = json.loads(_decrypt(store, found["custody"], identity)) if "custody" in found else None
    return Escrowed(cluster_id=cluster, key=key, seal_key=seal_key, custody=custody)


def with_id(store: Readable, cluster: str, wanted: str, identity: Path) -> bytes:
    """The key of a cluster's seal that has an id; nothing where none has.
    Raises EstateError: the identity doesn't open what lies there."""
    for name in store.names(f"seal/{cluster}/"):
        if "/custody-" not in name and key_id(found := _decrypt(store, name, identity)) == wanted:
            return found
    return b""


def _decrypt(store: Readable, key: str, identity: Path) -> bytes:
    content = store.read(key)
    try:
        plain: bytes = pyrage.decrypt(content, [age.identity_in(identity)])
    except pyrage.DecryptError:
        msg = f"{key} can't be opened with age identity {identity}; expected one of its recipients' (--identity)"
        raise EstateError(msg) from None
    return plain
