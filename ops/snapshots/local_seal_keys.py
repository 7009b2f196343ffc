"""The keys of the local server's seal: the present one, one that is coming, and older ones that old snapshots need.

Owns their files. Killed anywhere, the next start of the server opens its storage with the files that are there then.
"""

from dataclasses import dataclass
from pathlib import Path

from components.payloads.move_seal_key import key_id, new_key
from composition.private_files import create_private, private_directory, write_private
from ops.errors import EstateError
from ops.local.servers import LocalServers
from ops.snapshots.seal_keys import Prepared, State


@dataclass(frozen=True)
class LocalSealKeys:
    """Those of one local platform."""

    servers: LocalServers
    where: str = "on this machine"

    @property
    def current(self) -> Path:
        """What the server uses."""
        return self.servers.openbao.seal_key

    @property
    def previous(self) -> Path:
        """What it has beside it."""
        return self.servers.openbao.previous_seal_key

    @property
    def coming(self) -> Path:
        """What was made to take the present one's place."""
        return self.current.with_name("seal.key.coming")

    @property
    def older(self) -> Path:
        """Folder of those that were in use once, by their ids."""
        return self.current.with_name("seal-keys")

    def file_of(self, wanted: str) -> Path | None:
        """Where a key is; None: nowhere here."""
        if self.current.exists() and _id(self.current) == wanted:
            return self.current
        kept = self.older / f"{wanted}.key"
        return kept if kept.is_file() else None

    def state(self) -> State:
        """Which there are."""
        ids = [_id(file) if file.exists() else None for file in (self.current, self.previous, self.coming)]
        older = sorted(file.stem for file in self.older.glob("*.key"))
        cluster = (self.servers.openbao.health() or {}).get("cluster_id")
        return State(current=ids[0], previous=ids[1], coming=ids[2], older=tuple(older), cluster_id=cluster)

    def prepare(self) -> Prepared:
        """Make one, which nothing uses yet, and keep the present one."""
        if not self.coming.exists():
            self._keep(self.current)
            create_private(self.coming, new_key())
        return Prepared(state=self.state())

    def use(self) -> None:
        """Start the server with the new one and the one before it, and wait until it is at work."""
        if self.coming.exists():
            self.servers.stop()
            write_private(self.previous, self.current.read_bytes())
            self.coming.replace(self.current)
        self.servers.start()

    def alone(self) -> None:
        """Take the other one away, and see that the server opens without it."""
        if self.previous.exists():
            self._keep(self.previous)
        kept = self.older / f"{_id(self.previous)}.key" if self.previous.exists() else None
        self.servers.stop()
        self.previous.unlink(missing_ok=True)
        try:
            self.servers.start()
        except EstateError:
            if kept:
                write_private(self.previous, kept.read_bytes())
                self.servers.start()
            raise

    def beside(self, wanted: str, key: bytes) -> None:
        """Start the server with an older one beside its own."""
        kept = self.file_of(wanted)
        if kept is None:
            raise EstateError(
                f"key {wanted} of the seal isn't in {self.older}; expected it there, to open what it wrapped"
            )
        self.servers.stop()
        write_private(self.previous, key or kept.read_bytes())
        self.servers.start()

    def _keep(self, file: Path) -> None:
        private_directory(self.older)
        create_private(self.older / f"{_id(file)}.key", file.read_bytes())


def _id(file: Path) -> str:
    return key_id(file.read_bytes())
