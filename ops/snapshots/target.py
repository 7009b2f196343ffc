"""The server a snapshot is restored into, asked over its own API.

Owns every request of a restore. Keys of a server that is initialised only to take a snapshot are in memory alone and
worthless the moment it has taken it.
"""

import http.client
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from components.payloads import snapshot
from components.payloads.snapshot import SnapshotError
from components.render.snapshots import OPERATOR_LOGIN
from ops.clusters.raft import RaftView
from ops.errors import EstateError
from ops.vault.connection import connect
from vault_estate.tls import is_loopback

WAIT_SECONDS = 60.0
"""How long a server may take to serve what it was given; measured here with 100 MB: 3 s."""
POLL_SECONDS = 0.2


class ProxiedServer(snapshot.ActiveNode):
    """The active node, also behind a proxy; a node reaches itself directly."""

    def find_active(self) -> bool:
        """Whether this node is the active one; from now on the active one is talked to. Raises SnapshotError: a port of
        this machine that is forwarded to another one, whose names for each other mean nothing here."""
        asked = self.address
        if super().find_active():
            return True
        if _is_here(asked) and not _is_here(self.address):
            leader, self.address = self.address, asked
            raise SnapshotError(
                f"{asked} leads to a server that isn't active, {leader} is; expected that one: try again"
            )
        return False

    def connect(self) -> http.client.HTTPSConnection:
        """To the address, or by a tunnel to it."""
        return connect(self.address, self.context, snapshot.SECONDS)


class Target(ProxiedServer):
    """The server of a restore. Raises SnapshotError for what it refuses, OSError while it doesn't answer."""

    def status(self) -> Mapping[str, Any]:
        """Seal, cluster and version, as it tells anybody."""
        return self.call("GET", "sys/seal-status")

    def log_in(self) -> None:
        """At the active node, as who may restore snapshots."""
        self.find_active()
        self.login(OPERATOR_LOGIN)

    def raft(self) -> RaftView:
        """Its cluster's servers as Raft lists them; whether they are healthy isn't asked."""
        return RaftView.read(self.call("GET", "sys/storage/raft/configuration")["data"], {})

    def initialise(self, *, auto_unseal: bool) -> None:
        """Make an empty server ready to take a snapshot."""
        kind = "recovery" if auto_unseal else "secret"
        made = self.call("PUT", "sys/init", {f"{kind}_shares": 1, f"{kind}_threshold": 1})
        self.token = made["root_token"]
        if not auto_unseal:
            self.call("PUT", "sys/unseal", {"key": made["keys_base64"][0]})
        self.wait(lambda health: not health["sealed"] and not health["standby"], "become active")

    def put_back(self, archive: Path, *, force: bool) -> None:
        """Replace all it holds."""
        path = "sys/storage/raft/snapshot-force" if force else "sys/storage/raft/snapshot"
        with archive.open("rb") as body, self.open("POST", path, body):
            # The token went with the store it was in.
            self.token = ""

    def wait(self, good: Callable[[Mapping[str, Any]], bool], what: str) -> Mapping[str, Any]:
        """Its health, once it is good. Raises EstateError if not in time."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            found = self.health()
            if found and good(found):
                return found
            if time.monotonic() > deadline:
                state = "does not answer" if not found else f"is {'sealed' if found['sealed'] else 'not active'}"
                raise EstateError(f"{self.address} {state} after {WAIT_SECONDS:.0f} s; expected it to {what}")
            time.sleep(POLL_SECONDS)

    def health(self) -> Mapping[str, Any]:
        """What it says of itself in any state; nothing while it doesn't answer."""
        try:
            return self.call("GET", "sys/health?sealedcode=200&uninitcode=200&standbyok=true")
        except (OSError, SnapshotError, http.client.HTTPException):
            return {}

    def canary_sha256(self, path: str) -> str:
        """Of the canary it holds now, at an API path."""
        value = str(self.call("GET", path)["data"]["data"]["value"])
        return sha256(value.encode()).hexdigest()

    def end_token(self, accessor: str) -> None:
        """Revoke the token a snapshot was taken with, which came back with it; gone already is as good."""
        try:
            self.call("POST", "auth/token/revoke-accessor", {"accessor": accessor})
        except SnapshotError as error:
            if "invalid accessor" not in str(error):
                raise


def is_auto(status: Mapping[str, Any]) -> bool:
    """Whether a seal opens without people."""
    return str(status["type"]) != "shamir"


def _is_here(address: str) -> bool:
    """Whether it is a port of this machine."""
    return is_loopback(str(urlsplit(address).hostname))
