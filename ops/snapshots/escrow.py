"""What lies beside a node's snapshots so that they survive its volume: the static seal's key, and key shares.

Owns finding, opening and proving it. Refuses a key that isn't the one its name says. Nothing of it is written anywhere:
the key is in memory, and goes where it is asked for by a pipe.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyrage  # type: ignore[import-untyped]  # the wheel ships no types

from ops.errors import EstateError
from ops.keys import age
from ops.local.openbao import SEAL_KEY_BYTES
from ops.snapshots.stores import Readable
from ops.snapshots.taking import StoredSnapshot, escrow_in, kept

_NAME_DIGITS = 16
"""Of the key's fingerprint, as `seal.sh` cuts it."""


@dataclass(frozen=True, kw_only=True)
class Escrowed:
    """The way into one cluster's snapshots."""

    cluster_id: str
    key: str
    """Of the object in the store."""
    seal_key: bytes = field(repr=False)
    custody: Mapping[str, Any] | None = field(repr=False)
    """`shares` and `complete`, as the bootstrap left them; None: the node had none of that cluster."""


def fingerprint(seal_key: bytes) -> str:
    """What a key in escrow is called. Tells keys from one another, and nothing of the key."""
    return hashlib.sha256(b"seal-key\n" + seal_key).hexdigest()[:_NAME_DIGITS]


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
    if len(seal_key) != SEAL_KEY_BYTES or fingerprint(seal_key) != key.rpartition("/")[2].removesuffix(".age"):
        raise EstateError(f"{key} holds another key than its name says; expected an older version of it in the bucket")
    custody = json.loads(_decrypt(store, found["custody"], identity)) if "custody" in found else None
    return Escrowed(cluster_id=cluster, key=key, seal_key=seal_key, custody=custody)


def _decrypt(store: Readable, key: str, identity: Path) -> bytes:
    content = store.read(key)
    try:
        plain: bytes = pyrage.decrypt(content, [age.identity_in(identity)])
    except pyrage.DecryptError:
        msg = f"{key} can't be opened with age identity {identity}; expected one of its recipients' (--identity)"
        raise EstateError(msg) from None
    return plain
