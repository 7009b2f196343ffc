"""What the sandboxes of all clouds have in common, as the commands use them.

Owns where a sandbox's state is and what its commands are called. Refuses to touch the real stack: state and passphrase
are in the sandbox's folder.
"""

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.console import Console
from ops.engine.environment import Backend
from ops.platforms.driver import FakeCloud, PlatformDriver
from ops.sandbox.place import SandboxPlace
from ops.snapshots.ages import Ages
from settings import Settings


@dataclass(frozen=True, kw_only=True)
class Boxed(PlatformDriver):
    """A cloud stack's sandbox; beside the cloud's own driver, which says what the stack is."""

    why_unchecked = ""
    """It is checked: all of it is on this machine."""
    running: FakeCloud | None = None
    """With machines; None: the sandbox isn't running, and what the cloud makes stays in memory."""

    @property
    @abstractmethod
    def place(self) -> SandboxPlace:
        """Where it is."""

    @property
    def has_sandbox(self) -> bool:
        """It is one."""
        return True

    @property
    def backend(self) -> Backend:
        """In the sandbox's folder."""
        return self.fake_cloud.backend

    @property
    def fake_cloud(self) -> FakeCloud:
        """What the sandbox keeps."""
        return self.running or FakeCloud(folder=self.place.directory)

    def command(self, name: str, *more: str) -> str:
        """With the option that means the sandbox."""
        return super().command(name, *more, "--sandbox")

    @property
    def login_file(self) -> Path:
        """Apart from the real stack's, which has the same address."""
        return self.place.directory / "login" / "token.json"

    def tell_replaced(self, console: Console) -> None:
        """Which settings have another value here than in the file."""
        console.table(
            "replaced for this run, since nothing outside this machine is reached",
            ["setting", "in the file", "here"],
            [[one.setting, one.declared, one.used] for one in self.file.replaced],
        )

    def nothing_to_destroy(self) -> str:
        """Where no sandbox is."""
        return "" if self.place.exists else f"{self.file.stack} has no sandbox here"

    def snapshot_ages(self, cluster: str | None) -> Ages | None:  # noqa: ARG002 - as the base has it
        """They end with the sandbox."""
        return None

    @property
    def seal_key_mark(self) -> Path:
        """Apart from the real stack's."""
        return self.place.directory / "moving-seal-key"


def databases(settings: Settings) -> list[str]:
    """The databases that the connections name."""
    connections = settings.database.connections.values() if settings.database else ()
    return sorted({connection.database for connection in connections})


def first_passwords(settings: Settings, password: str) -> dict[str, str]:
    """The value of each setting that holds a connection's password."""
    connections = settings.database.connections.values() if settings.database else ()
    return {one.password_secret: password for one in connections if one.password_secret}


def word(running: Any) -> str:
    """Of a thing that runs or not."""
    return "running" if running else "stopped"
