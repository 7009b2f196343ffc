"""Running the gates and the test tiers, and saying which of them were not run.

Owns the order and the last lines of `./estate test` and `./estate check`. Refuses to count what didn't run as passed.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ops.console import Console
from ops.errors import EstateError
from ops.paths import ROOT

TIERS = ("unit", "policies", "engine", "live", "upgrade")
"""What needs no more than the engine and Python wheels."""
MACHINES = "machines"
"""What `--all` adds: the booted node and the cluster."""
_COVERAGE_PERCENT = 90
"""Of `settings`, `estate`, `components` and `ops`, as the founding issue asks."""
_WORKERS = "2"
_GATES = (
    ("format", ("ruff", "format", "--check", "--quiet", ".")),
    ("lint", ("ruff", "check", "--quiet", ".")),
    ("types", ("mypy", ".")),
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One gate or one run of tests."""

    name: str
    passed: bool
    seconds: float
    said: str
    """What it printed when it failed."""


def check(console: Console) -> list[Outcome]:
    """Format, lint and types."""
    outcomes: list[Outcome] = []
    for name, (program, *arguments) in _GATES:
        console.say(f"check: {name}")
        started = time.monotonic()
        answer = subprocess.run(
            [sys.executable, "-m", program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        said = "" if answer.returncode == 0 else (answer.stdout + answer.stderr).strip()
        seconds = time.monotonic() - started
        outcomes.append(Outcome(name=name, passed=answer.returncode == 0, seconds=seconds, said=said))
    return outcomes


def tiers_to_run(chosen: Sequence[str], *, everything: bool) -> tuple[list[str], list[str]]:
    """Which tiers run and which don't.

    Raises:
        EstateError: a chosen tier is none.
    """
    there = [*TIERS, *([MACHINES] if (ROOT / "tests" / MACHINES).is_dir() else [])]
    for tier in chosen:
        if tier not in there:
            msg = f"tier {tier!r} is not one; expected some of: {', '.join(there)}"
            raise EstateError(msg)
    wanted = list(chosen) or [*TIERS, *([MACHINES] if everything and MACHINES in there else [])]
    return wanted, [tier for tier in there if tier not in wanted]


def run(console: Console, chosen: Sequence[str], *, everything: bool) -> int:
    """Run tiers of tests in parallel, with line coverage when all of them run; pytest's exit code.

    Raises:
        EstateError: as for `tiers_to_run`.
    """
    wanted, left_out = tiers_to_run(chosen, everything=everything)
    command = [sys.executable, "-m", "pytest", "-q", "-n", _WORKERS, "--dist", "loadscope"]
    command += [f"tests/{tier}" for tier in wanted]
    if set(TIERS) <= set(wanted):
        command += ["--cov", "--cov-report=term", f"--cov-fail-under={_COVERAGE_PERCENT}"]
    console.say(f"tests: {', '.join(wanted)}, {_WORKERS} at a time")
    environment = {**os.environ, "PULUMI_ERROR_OUTPUT_STRING": "true", "PYTHONPATH": str(ROOT)}
    # JSON has the standard output to itself.
    out = sys.stderr if console.as_json else None
    answer = subprocess.run(command, cwd=ROOT, check=False, env=environment, stdout=out)
    if left_out:
        sys.stdout.flush()
        console.say(f"not run: {', '.join(left_out)}; run them with ./estate test {' '.join(left_out)}")
    return answer.returncode
