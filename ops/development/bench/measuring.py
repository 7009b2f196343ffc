"""Runs a command as a whole process and tells how long it took and how much memory it and its children held.

Refuses to judge: targets are the report's.
"""

import contextlib
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psutil

from ops.errors import EstateError

_SAMPLING_SECONDS = 0.05
"""How often memory is read; a shorter peak may be missed."""
_LAST_LINES = 12


class Measured(NamedTuple):
    """One run of a command, or the medians of several."""

    seconds: float
    cpu_seconds: float
    """Of the command and of the children it waited for; says what a busy machine did to `seconds`."""
    peak_bytes: int
    """Largest resident size of the process and its children together; memory that they share counts for each."""
    runs: int = 1
    spread_seconds: float = 0.0
    """Slowest run minus fastest."""


def medians(runs: Sequence[Measured]) -> Measured:
    """Sum up several runs, at least one."""
    times, cpu, peaks, _, _ = zip(*runs, strict=True)
    return Measured(median(times), median(cpu), int(median(peaks)), len(runs), max(times) - min(times))


def run(command: Sequence[str], directory: Path, environment: Mapping[str, str] | None = None) -> Measured:
    """Run a command once. Raises EstateError with its last lines if it ended with another code than 0."""
    # A file, not a pipe: a server that the command leaves running would keep a pipe open for ever.
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        sizes, ended = [0], threading.Event()
        watch = threading.Thread(target=_watch, args=[process.pid, sizes, ended])
        watch.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
        finally:
            ended.set()
            watch.join()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            last = b"\n".join(output.read().splitlines()[-_LAST_LINES:]).decode(errors="replace")
            raise EstateError(f"{' '.join(command)} ended with {process.returncode}; its last lines:\n{last}")
    # Not `ru_maxrss`: it begins with what *this* process held when it started the command, which may be more.
    return Measured(seconds, usage.ru_utime + usage.ru_stime, max(sizes))


def _watch(pid: int, sizes: list[int], ended: threading.Event) -> None:
    while not ended.wait(_SAMPLING_SECONDS):
        with contextlib.suppress(psutil.NoSuchProcess):  # of them, one ended while it was looked at
            root = psutil.Process(pid)
            sizes.append(sum(one.memory_info().rss for one in (root, *root.children(recursive=True))))
