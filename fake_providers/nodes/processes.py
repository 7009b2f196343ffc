"""Programs that run on when this process has ended, each known by a file whose lock it holds as long as it runs.

Owns `running/` and `logs/` of a cluster's folder. A number alone is never believed: it may long be another program's.
"""

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fake_providers.machines import MachineError
from fake_providers.machines.commands import environment

_END_SECONDS = 30.0
"""How long a killed program may take: the kernel ends all of a node with its first process."""
_LINES = 3


@dataclass(frozen=True)
class Background:
    """One program of a cluster, by its name."""

    folder: Path
    name: str

    @property
    def log(self) -> Path:
        """What it prints."""
        return self.folder / "logs" / f"{self.name}.log"

    @property
    def _file(self) -> Path:
        return self.folder / "running" / self.name

    @property
    def is_running(self) -> bool:
        """Whether it, or anything that it started, runs."""
        return self.number is not None

    @property
    def number(self) -> int | None:
        """Its process' number, 0 while it is being started; None when it doesn't run."""
        if not self._file.is_file():
            return None
        with self._file.open() as asked:
            try:
                fcntl.flock(asked, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = asked.read().strip()
                return int(text) if text else 0
        return None

    def start(self, command: Sequence[str]) -> None:
        """Start it, detached from this process and its terminal, unless it runs. Its files are open to all users, as
        containers' are, whatever the caller's umask."""
        if self.is_running:
            return
        for file in (self._file, self.log):
            file.parent.mkdir(parents=True, exist_ok=True)
        # It writes its own number: nobody is killed between the start and the writing.
        writing = ["sh", "-c", 'printf "%s\\n" "$$" >"$0" && exec "$@"', str(self._file), *command]
        with self._file.open("w") as held, self.log.open("ab") as log:
            fcntl.flock(held, fcntl.LOCK_EX)
            subprocess.Popen(
                writing, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                pass_fds=[held.fileno()], env=environment(), cwd=self.folder, umask=0o022,
            )  # fmt: skip

    def kill(self) -> None:
        """End it at once, as if its plug were pulled. Raises MachineError: it doesn't end."""
        deadline = time.monotonic() + _END_SECONDS
        while (number := self.number) is not None:
            if number:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            if time.monotonic() > deadline:
                raise MachineError(f"{self.name} of the cluster doesn't end: process {number}")
            time.sleep(0.02)
        self._file.unlink(missing_ok=True)

    def wait(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until it is ready. Raises MachineError: it ended, or takes too long; with the last lines it printed."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.is_running:
                raise MachineError(f"{self.name} of the cluster ended: {self._last()}")
            if time.monotonic() > deadline:
                raise MachineError(f"{self.name} of the cluster isn't ready after {seconds:.0f} s: {self._last()}")
            time.sleep(0.05)

    def _last(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()[-_LINES:] if self.log.is_file() else []
        return " | ".join(lines) or "it printed nothing"


def running(folder: Path) -> list[Background]:
    """Every program of a cluster that may still run."""
    return [Background(folder, file.name) for file in sorted((folder / "running").glob("*"))]
