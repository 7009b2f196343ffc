"""A restore that was killed: what it left, and how the next one goes on.

Owns the mark that a restore leaves before it initialises an empty server, with keys that nobody is to have. Refuses to
empty a server that is anybody's: without the mark, with a login that works, or of a cluster whose key shares are here.
"""

import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from components.payloads.snapshot import SnapshotError
from composition.private_files import write_private
from ops.errors import EstateError
from ops.local.servers import LocalServers
from ops.snapshots.target import Target

_REFUSED = ("answered 400", "answered 403")
"""What a login that isn't there is answered with: its role is unknown, or nothing of the kind is enabled."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Stands from before an empty server is initialised until what it is to hold was found in it."""

    file: Path
    address: str
    empty: Callable[[str], None] | None
    """Takes away the storage of a server whose cluster is given, where that can be done from here."""
    way_on: str
    """What a person does where it can't."""

    def set(self) -> None:
        """Before the server is touched."""
        write_private(self.file, json.dumps({"address": self.address}).encode())

    def clear(self) -> None:
        """When all is well."""
        self.file.unlink(missing_ok=True)

    @property
    def stands(self) -> bool:
        """Whether a restore into this server was killed."""
        if not self.file.is_file():
            return False
        return bool(json.loads(self.file.read_text(encoding="utf-8"))["address"] == self.address)

    def go_on(self, target: Target, cluster_id: str) -> None:
        """Make an initialised server fit for another try with a cluster's snapshot, where a killed restore left it with
        keys that nobody has. Raises EstateError if it was left so, and can't be emptied from here."""
        if not self.stands:
            return
        health = target.wait(lambda found: not found["sealed"] and not found["standby"], "become active")
        if health.get("cluster_id") == cluster_id or _lets_in(target):
            return
        if self.empty is None:
            raise EstateError(
                f"a restore was killed after it had initialised {target.address}, with keys that nobody has; expected "
                f"an empty server: {self.way_on}"
            )
        self.empty(str(health.get("cluster_id")))


def _lets_in(target: Target) -> bool:
    try:
        target.log_in()
        target.logout()
    except SnapshotError as error:
        if any(words in str(error) for words in _REFUSED):
            return False
        raise
    except http.client.HTTPException:
        return False
    return True


def emptying(local: LocalServers) -> Callable[[str], None]:
    """How the local server's storage is taken away, when its cluster isn't the one of the key shares."""

    def empty(cluster_id: str) -> None:
        complete = Path(f"{local.custody}.complete")
        if complete.is_file() and json.loads(complete.read_text(encoding="utf-8"))["cluster_id"] == cluster_id:
            raise EstateError(
                f"{local.custody} belongs to cluster {cluster_id}, which lets nobody in; expected a look at it "
                "before it is emptied"
            )
        local.empty_vault()

    return empty
