"""Starting and ending the process that keeps servers running: what every group of servers on this machine shares."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import psutil

from ops.errors import EstateError
from ops.processes import supervisor

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 25.0
"""How long the supervisor may take to end: its children get 10 s each, at the same time."""


def launch(directory: Path) -> subprocess.Popen[bytes]:
    """Start the supervisor of a directory, whose spec is written already. Raises OSError."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
    spec = supervisor.ChildSpec(
        name="supervisor",
        argv=[sys.executable, "-P", "-m", "ops.processes.supervisor", str(directory)],
        directory=str(directory),
        environment=environment,
        log=str(directory / supervisor.LOG),
    )
    return supervisor.Child(spec=spec).start()


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
        raise EstateError(f"process {alive[0].pid} could not be ended")
