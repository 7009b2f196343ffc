"""A group of servers in one folder, kept running by the same supervisor as the local ones.

Owns the folder's supervisor and whatever works in the folder. Refuses to call a server ready that doesn't answer.
"""

import json
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from composition.private_files import private_directory, write_private
from ops.errors import EstateError
from ops.processes import supervisor
from ops.processes.launching import end, launch
from ops.processes.logs import last_error
from ops.processes.pid_files import PidFile
from ops.processes.supervisor import ChildSpec

START_SECONDS = 60.0
"""How long all may take until they answer; measured here: 3 s, of which moto takes most."""
_POLL_SECONDS = 0.1

Ready = Callable[[], bool]


@dataclass(frozen=True)
class Servers:
    """The servers of one folder."""

    directory: Path

    def ensure(self, children: Sequence[ChildSpec], ready: Mapping[str, Ready]) -> None:
        """Have exactly these running and answering; those that are stay untouched.
        Raises EstateError if one doesn't start; then none runs."""
        private_directory(self.directory)
        spec = supervisor.spec_text(children)
        file = self.directory / supervisor.SPEC
        if self._supervisor() is None or not file.exists() or file.read_text(encoding="utf-8") != spec:
            self.stop()
            write_private(file, spec.encode())
            launch(self.directory)
        started = False
        try:
            self._wait(ready)
            started = True
        finally:
            if not started:
                self.stop()

    def running(self) -> Mapping[str, bool]:
        """Each server by name, and whether it runs."""
        file = self.directory / supervisor.STATE
        if self._supervisor() is None or not file.exists():
            return {}
        state: dict[str, dict[str, object]] = json.loads(file.read_text(encoding="utf-8"))
        return {name: one["pid"] is not None for name, one in state.items()}

    def stop(self) -> None:
        """End the supervisor and every process that works in the folder. Raises EstateError if one stays."""
        pid = self._supervisor()
        if pid is not None:
            end([psutil.Process(pid)], signal.SIGTERM)
        end(self._left_over(), signal.SIGTERM)
        for left in (supervisor.PID, supervisor.STATE):
            (self.directory / left).unlink(missing_ok=True)

    def remove(self) -> None:
        """Stop, and remove the folder with all that is in it."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _supervisor(self) -> int | None:
        return PidFile(self.directory / supervisor.PID).read()

    def _left_over(self) -> list[psutil.Process]:
        home = f"{self.directory}/"
        return [one for one in psutil.process_iter(["cwd"]) if f"{one.info['cwd'] or ''}/".startswith(home)]

    def _wait(self, ready: Mapping[str, Ready]) -> None:
        deadline = time.monotonic() + START_SECONDS
        waiting = dict(ready)
        while waiting:
            for name in [name for name, answers in waiting.items() if answers()]:
                del waiting[name]
            if waiting and time.monotonic() > deadline:
                name = next(iter(waiting))
                said = last_error(self.directory / f"{name}.log", 0) or "it said nothing"
                raise EstateError(f"{name} of the sandbox does not answer after {START_SECONDS:.0f} s: {said}")
            time.sleep(_POLL_SECONDS if waiting else 0)
