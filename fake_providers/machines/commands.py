"""Runs the system's own programs, turns what they say when they fail into one line, and waits for what they do."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

# Debian keeps administrators' programs where not every user's PATH looks.
_PLACES = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class MachineError(ValueError):
    """What can't be done with a machine here, in one line for the operator. Never holds a secret."""


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment programs are started with: sentences in English, every place searched."""
    return {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{_PLACES}", "LC_ALL": "C.UTF-8", **(more or {})}


def run(command: Sequence[str], *, more: Mapping[str, str] | None = None, timeout: float | None = 120) -> str:
    """Run a program to its end; what it printed. What it makes is open to all users, whatever the caller's umask.
    Raises MachineError: it isn't there, took too long (seconds), or failed; with the last line it said."""
    try:
        answer = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            env=environment(more),
            errors="replace",
            umask=0o022,
        )
    except FileNotFoundError:
        raise MachineError(f"{command[0]} is missing; expected it on PATH") from None
    except subprocess.TimeoutExpired:
        raise MachineError(f"{' '.join(command)}: not done after {timeout} s") from None
    if answer.returncode:
        said = (answer.stderr.strip() or answer.stdout.strip() or "no reason given").splitlines()[-1]
        raise MachineError(f"{' '.join(command)} ended with {answer.returncode}: {said}")
    return answer.stdout


def works(command: Sequence[str]) -> bool:
    """Whether a program succeeds; for questions whose answer is yes or no."""
    try:
        run(command)
    except MachineError:
        return False
    return True


def eventually(holds: Callable[[], bool], seconds: float) -> bool:
    """Whether something holds now or within some seconds."""
    deadline = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return held
