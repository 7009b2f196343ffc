"""The keys of a static seal: which there are, and which one a snapshot needs.

Owns the order in which an older key is beside the present one for as long as a restore takes. What a key is, and where,
is the business of the place: this machine, or a node that is reached by SSH.
"""

import base64
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from components.payloads import move_seal_key
from ops.errors import EstateError
from ops.processes.node import run_on

_SEALED = "SHA256SUMS.sealed"
_KEY_INFO, _KEY_ID = 5, 3
"""Numbers of the fields in what a server wraps (go-kms-wrapping, `BlobInfo` and `KeyInfo`)."""
_BYTES = 2
"""Kind of a field that has a length."""


@dataclass(frozen=True, kw_only=True)
class State:
    """Which keys there are, by their ids."""

    current: str | None
    previous: str | None
    """Beside the current one; None: it is alone."""
    coming: str | None
    """Made, and not in use yet."""
    older: tuple[str, ...]
    cluster_id: str | None


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A key that waits."""

    state: State
    escrow: Mapping[str, bytes] = field(default_factory=dict)
    """The present and the coming key, encrypted for the recipients of snapshots, by their names in escrow."""


class SealKeys(Protocol):
    """The keys of one server. Each method raises EstateError, and can be called again after anything."""

    @property
    def where(self) -> str:
        """Where they lie, for people."""

    def state(self) -> State:
        """Which there are."""

    def prepare(self) -> Prepared:
        """Make one, which nothing uses yet, and keep the present one."""

    def use(self) -> None:
        """Start the server with the new one and the one before it, and wait until it is at work."""

    def alone(self) -> None:
        """Take the other one away, and see that the server opens without it."""

    def beside(self, wanted: str, key: bytes) -> None:
        """Start the server with an older one beside its own; `key` is that one, or empty where it is there."""


@dataclass(frozen=True)
class NodeSealKeys:
    """Those of a node, by SSH."""

    node: str

    @property
    def where(self) -> str:
        """On its volume."""
        return f"{self.node}:{move_seal_key.OLDER}"

    def state(self) -> State:
        """Which there are."""
        return _state(self._act("state"))

    def prepare(self) -> Prepared:
        """Make one, which nothing uses yet, and keep the present one."""
        told = self._act("prepare")
        escrow = {one["name"]: base64.b64decode(one["sealed"]) for one in told.pop("escrow")}
        return Prepared(state=_state(told), escrow=escrow)

    def use(self) -> None:
        """Start the server with the new one and the one before it, and wait until it is at work."""
        self._act("use")

    def alone(self) -> None:
        """Take the other one away, and see that the server opens without it."""
        self._act("alone")

    def beside(self, wanted: str, key: bytes) -> None:
        """Start the server with an older one beside its own."""
        self._act("beside", id=wanted, key=base64.b64encode(key).decode())

    def _act(self, step: str, **more: str) -> dict[str, Any]:
        return run_on(self.node, Path(move_seal_key.__file__), {"step": step, **more})


def _state(told: Mapping[str, Any]) -> State:
    return State(**{**told, "older": tuple(told["older"])})


@contextmanager
def having(keys: SealKeys | None, wanted: str, find: Callable[[], bytes]) -> Iterator[None]:
    """A server that opens what the wanted key wrapped, for as long as the block takes. `find` is asked for a key that
    the place doesn't have. Without `keys` nothing is done."""
    if keys is None or (state := keys.state()).current == wanted:
        yield
        return
    keys.beside(wanted, b"" if wanted in state.older else find())
    try:
        yield
    except BaseException:
        with suppress(EstateError):
            keys.alone()
        raise
    keys.alone()


def key_of(archive: Path) -> str:
    """The id of the key that a snapshot was taken under, as its archive tells; empty where it tells none."""
    with tarfile.open(archive, "r:gz") as found:
        member = found.extractfile(_SEALED)
        wrapped = member.read() if member else b""
    return _field(_field(wrapped, _KEY_INFO), _KEY_ID).decode(errors="replace")


def _field(message: bytes, wanted: int) -> bytes:
    """A field with a length, of a message as Protocol Buffers write it; empty where it isn't there."""
    place = 0

    def number() -> int:
        nonlocal place
        value = shift = 0
        while place < len(message):
            byte = message[place]
            place, value, shift = place + 1, value | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                break
        return value

    while place < len(message):
        tag = number()
        length = number()  # or, of another kind, the value
        if tag & 7 == _BYTES:
            if tag >> 3 == wanted:
                return message[place : place + length]
            place += length
        elif tag & 7:
            return b""
    return b""
