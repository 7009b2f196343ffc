"""A group of servers in one folder, kept running by one supervisor.

Owns the folder's supervisor and whatever works in the folder. Refuses to call a server ready that doesn't answer.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import psutil

from composition.private_files import private_directory, write_private
from ops.errors import EstateError
from ops.paths import ROOT
from ops.processes import supervisor
from ops.processes.logs import last_error, size
from ops.processes.supervisor import Child, ChildSpec

START_SECONDS = 60.0
"""How long all may take until they answer; measured here: 3 s, of which moto takes most."""
STOP_SECONDS = 25.0
"""How long the supervisor may take to end: its children get 10 s each, at the same time."""
POLL_SECONDS = 0.03
_SUPERVISOR = supervisor.__name__

Ready = Callable[[], bool]


def eventually(check: Callable[[], bool], seconds: float, poll_seconds: float = POLL_SECONDS) -> bool:
    """Whether something holds now or within some seconds."""
    deadline = time.monotonic() + seconds
    while not (held := check()) and time.monotonic() < deadline:
        time.sleep(poll_seconds)
    return held


def end(processes: list[psutil.Process], number: int) -> None:
    """Ask processes to end by a signal, and kill those that don't. Raises EstateError if one stays."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
    _, alive = psutil.wait_procs(processes, timeout=STOP_SECONDS)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _, alive = psutil.wait_procs(alive, timeout=5)
    if alive:
        raise EstateError(f"process {alive[0].pid} still runs after it was killed; expected it to be gone")


@dataclass
class Supervised(ABC):
    """What every group of servers has in its folder: a supervisor, and what that keeps running."""

    directory: Path
    title: ClassVar[str]
    """What a person is told that doesn't start."""

    def _keeps(self, children: Sequence[ChildSpec]) -> bool:
        """Whether a supervisor runs, and keeps exactly these running."""
        spec = self.directory / supervisor.SPEC
        if self._supervisor() is None or not spec.exists():
            return False
        return spec.read_text(encoding="utf-8") == supervisor.spec_text(children)

    def _bring_up(self, children: Sequence[ChildSpec], ready: Mapping[str, Ready], *, kept: bool = False) -> None:
        """Start these, of which none runs unless they are `kept` running, and wait until they answer.
        Raises EstateError with what one said that doesn't."""
        own = self.directory / supervisor.LOG
        logs = {child.name: Path(child.log) for child in children}
        before = {log: size(log) for log in (own, *logs.values())}

        def said(name: str) -> str:
            return last_error(logs[name], before[logs[name]]) or last_error(own, before[own]) or "said nothing"

        process = None
        if not kept:
            write_private(self.directory / supervisor.SPEC, supervisor.spec_text(children).encode())
            spec = ChildSpec(
                name="supervisor",
                argv=[sys.executable, "-P", "-m", _SUPERVISOR, str(self.directory)],
                directory=str(self.directory),
                environment={"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"},
                log=str(own),
            )
            process = Child(spec=spec).start()
        deadline = time.monotonic() + START_SECONDS
        while waiting := [name for name, answers in ready.items() if not answers()]:
            if process and process.poll() is not None:
                words = last_error(own, before[own])
                raise EstateError(f"{self.title}: the supervisor ended with {process.returncode}: {words}")
            for name, state in self._state().items():
                if process and state["exits"]:
                    raise EstateError(f"{name} could not start (exit {state['exits'][0]}): {said(name)}")
            if time.monotonic() > deadline:
                words = "; ".join(f"{name}: {said(name)}" for name in waiting)
                raise EstateError(f"{self.title}: not ready after {START_SECONDS:.0f} s; {words}")
            time.sleep(POLL_SECONDS)

    def _stop(self) -> None:
        process = self._supervisor()
        if process is not None:
            end([process], signal.SIGTERM)
        self._end_left_over()
        for left in (supervisor.PID, supervisor.STATE):
            (self.directory / left).unlink(missing_ok=True)

    @abstractmethod
    def _end_left_over(self) -> None:
        """End the servers whose supervisor died."""

    def _supervisor(self) -> psutil.Process | None:
        """The one that runs: its pid may be another's by now, who is no supervisor that works in this folder."""
        try:
            process = psutil.Process(int((self.directory / supervisor.PID).read_text(encoding="utf-8").split()[0]))
            is_ours = Path(process.cwd()) == self.directory.resolve() and _SUPERVISOR in process.cmdline()
        except (OSError, ValueError, IndexError, psutil.Error):
            return None
        return process if is_ours else None

    def _state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads((self.directory / supervisor.STATE).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return state


class Servers(Supervised):
    """The servers of a sandbox."""

    title = "the sandbox"

    def ensure(self, children: Sequence[ChildSpec], ready: Mapping[str, Ready]) -> None:
        """Have exactly these running and answering; those that are stay untouched.
        Raises EstateError if one doesn't start; then none runs."""
        private_directory(self.directory)
        kept = self._keeps(children)
        if not kept:
            self._stop()
        try:
            self._bring_up(children, ready, kept=kept)
        except BaseException:
            self._stop()
            raise

    def running(self) -> Mapping[str, bool]:
        """Each server by name, and whether it runs."""
        state = {} if self._supervisor() is None else self._state()
        return {name: one["pid"] is not None for name, one in state.items()}

    def stop(self) -> None:
        """End the supervisor and every process that works in the folder. Raises EstateError if one stays."""
        self._stop()

    def remove(self) -> None:
        """Stop, and remove the folder with all that is in it."""
        self._stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _end_left_over(self) -> None:
        home = f"{self.directory}/"
        left = [one for one in psutil.process_iter(["cwd"]) if f"{one.info['cwd'] or ''}/".startswith(home)]
        end(left, signal.SIGTERM)
