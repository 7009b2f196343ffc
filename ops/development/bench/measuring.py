"""Runs a command as a whole process and tells how long it took and how much memory it and its children held.

Owns the processes it starts and ends them all. Refuses to judge: budgets and ratios are the report's.
"""

import os
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from ops.errors import EstateError

SAMPLING_SECONDS = 0.05
"""How often memory is read. A shorter peak of the whole tree may be missed; the command's own never is."""
TIMEOUT_SECONDS = 1_800.0
"""Longest a single run may take: several times the slowest target."""
_OUTPUT_LINES = 12


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One run of a command."""

    seconds: float
    """Wall clock, from before the process started until after it ended."""
    cpu_seconds: float
    """Processor time of the command and of the children it waited for; says what a busy machine did to `seconds`."""
    peak_bytes: int
    """Largest resident size of the process and its children together; memory that they share counts for each."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The medians of several runs of one command."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    runs: int
    spread_seconds: float
    """Slowest run minus fastest; 0 for a single run."""

    @property
    def peak_mebibytes(self) -> float:
        """Peak memory as people read it."""
        return self.peak_bytes / 2**20


def median(samples: Sequence[Sample]) -> Measurement:
    """Sum up several runs.

    Raises:
        ValueError: there is no run.
    """
    if not samples:
        msg = "samples is empty; expected at least one run"
        raise ValueError(msg)
    times = [sample.seconds for sample in samples]
    return Measurement(
        seconds=statistics.median(times),
        cpu_seconds=statistics.median(sample.cpu_seconds for sample in samples),
        peak_bytes=int(statistics.median(sample.peak_bytes for sample in samples)),
        runs=len(samples),
        spread_seconds=max(times) - min(times),
    )


def measure(
    command: Sequence[str],
    *,
    runs: int,
    directory: Path,
    environment: Mapping[str, str] | None = None,
    before_each: Callable[[], None] = lambda: None,
) -> Measurement:
    """Run a command several times, one after the other, and take the medians.

    Args:
        command: the program and its arguments; no shell.
        runs: how often.
        directory: where it runs.
        environment: its variables; None: those of this process.
        before_each: puts things as each run must find them; not measured.

    Raises:
        EstateError: a run failed or didn't end.
    """
    samples = []
    for _ in range(runs):
        before_each()
        samples.append(run(command, directory=directory, environment=environment))
    return median(samples)


def run(
    command: Sequence[str],
    *,
    directory: Path,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Sample:
    """Run a command once, in a process group of its own.

    Raises:
        EstateError: it ended with another code than 0, or not within `timeout_seconds`. Carries its last lines.
    """
    # A file, not a pipe: a server that the command leaves running would keep a pipe open for ever.
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        # The child leads a group of its own, so that a run that hangs can be ended with everything it started.
        process = subprocess.Popen(
            list(command),
            cwd=directory,
            env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        overdue = threading.Timer(timeout_seconds, _end_group, args=[process.pid])
        overdue.start()
        watch = _Watch(process.pid)
        try:
            with watch:
                _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
        except BaseException:
            _end_group(process.pid)
            process.wait()
            raise
        finally:
            overdue.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            why = f"after {seconds:.0f} s" if seconds >= timeout_seconds else f"with {process.returncode}"
            last = b"\n".join(output.read().splitlines()[-_OUTPUT_LINES:]).decode(errors="replace")
            msg = f"{' '.join(command)} ended {why}; expected 0. Its last lines:\n{last}"
            raise EstateError(msg)
    # Not `ru_maxrss`: it begins with what *this* process held when it started the command, which may be more.
    return Sample(
        seconds=seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_bytes=watch.peak_bytes,
    )


def _end_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


class _Watch:
    """Reads the memory of a process and of all below it, in a thread, for as long as it is entered."""

    def __init__(self, pid: int) -> None:
        self.peak_bytes = 0
        self._root = psutil.Process(pid)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.is_set():
            self.peak_bytes = max(self.peak_bytes, tree_bytes(self._root), high_water_bytes(self._root.pid))
            self._ended.wait(SAMPLING_SECONDS)


def tree_bytes(root: psutil.Process) -> int:
    """Resident memory of a process and everything below it, now; 0 when it is gone."""
    try:
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
            continue
    return total


def high_water_bytes(pid: int) -> int:
    """The most a single process ever held since it became what it is; 0 where the system doesn't tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    # In KiB, according to proc(5).
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
