"""Where one stack's sandbox is on this machine, whatever runs in it.

Owns the names of its files. Refuses to know what runs there.
"""

from dataclasses import dataclass
from pathlib import Path

from ops.paths import Paths
from ops.processes.servers import Servers


@dataclass(frozen=True, kw_only=True)
class SandboxPlace:
    """The folder of one stack's sandbox, which is made by `up` and ended by `down`."""

    paths: Paths
    stack: str

    @property
    def directory(self) -> Path:
        """Everything of it, the engine's state included."""
        return self.paths.own / "sandbox" / self.stack

    @property
    def machines(self) -> Path:
        """What boots in it."""
        return self.directory / "machines"

    @property
    def file(self) -> Path:
        """The objects of its cloud."""
        return self.directory / "world.json"

    @property
    def exists(self) -> bool:
        """Whether an `up` has made it, and no `down` ended it."""
        return self.servers.directory.is_dir()

    @property
    def servers(self) -> Servers:
        """The servers around its machines."""
        return Servers(self.directory / "servers")

    @property
    def authority_file(self) -> Path:
        """Who vouches for those servers."""
        return self.servers.directory / "tls" / "ca.crt"

    @property
    def facts_file(self) -> Path:
        """What its last start found."""
        return self.directory / "facts.json"
