"""Running the gates and the test tiers, and saying which of them were not run.

Owns the order and the last lines of `./estate test` and `./estate check`, and what Debian packages the tests need.
Refuses to count what didn't run as passed.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fake_providers import machines, nodes
from fake_providers.machines.roots import install
from ops.building.compiled import HASHICORP_SERVER
from ops.console import Console
from ops.engine.finding import UnavailableError, find_go
from ops.errors import EstateError
from ops.paths import ROOT

TIERS = ("unit", "policies", "engine", "live", "upgrade")
"""What needs no more than the engine and Python wheels."""
DAY2, HASHICORP = "day2", "hashicorp"
"""What `--all` adds to these: what is done to an estate over the years, which takes long; HashiCorp's server, which
takes minutes to build."""
MACHINES, CLUSTERS = "machines", "clusters"
"""And what boots: a node's Debian and Ubuntu; a Kubernetes cluster whose nodes run pods. One test after the other,
beside those of other tiers: `tests/conftest.py`."""
_SLOWEST_FIRST = (MACHINES, CLUSTERS, DAY2, HASHICORP, "engine", "live", "upgrade", "policies", "unit")
"""In this order tests run: what is quick fills the gaps at the end, where one worker would wait for the other."""
_PROGRAMS = {"ssh": "openssh-client", "shellcheck": "shellcheck"}
"""What the tests of machines look at nodes and scripts with, and its Debian package; nothing of it runs by itself."""
_PACKAGES = ("debootstrap", "iproute2", *_PROGRAMS.values(), "systemd-container")
"""What machines need of the host's Debian; the others are installed by `fake_providers.machines`."""
_OWN_CODE = {
    MACHINES: ("UNCOUNTED", "fake_providers/machines/*"),
    CLUSTERS: ("UNCOUNTED_NODES", "fake_providers/nodes/*"),
}
"""What nothing runs but these tiers, and the variable by which `pyproject.toml` leaves it out of coverage."""
_OLDEST_GO = (1, 26)
"""As the modules of `fake_providers.nodes` want it."""
_COVERAGE_PERCENT = 90
"""Of `settings`, `estate`, `components` and `ops`, as the founding issue asks."""
WORKERS = min(4, (os.cpu_count() or 1) + 1)
"""One more than processors: tests that wait for a lease, an unsealing or a machine leave theirs idle. With two more,
servers in pods answered too late on two processors. Beyond four the longest world alone tells how long all takes."""
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
        command = [sys.executable, "-m", program, *arguments]
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        said = "" if answer.returncode == 0 else (answer.stdout + answer.stderr).strip()
        seconds = time.monotonic() - started
        outcomes.append(Outcome(name=name, passed=answer.returncode == 0, seconds=seconds, said=said))
    return outcomes


def tiers_to_run(chosen: Sequence[str], *, everything: bool) -> tuple[list[str], list[str]]:
    """Which tiers run and which don't. Raises EstateError: a chosen tier is none."""
    there = [*TIERS, DAY2, HASHICORP, MACHINES, CLUSTERS]
    for tier in chosen:
        if tier not in there:
            raise EstateError(f"tier {tier!r} is not one; expected some of: {', '.join(there)}")
    wanted = list(chosen) or (there if everything else list(TIERS))
    return wanted, [tier for tier in there if tier not in wanted]


def run(console: Console, chosen: Sequence[str], *, everything: bool) -> int:
    """Run tiers of tests in parallel, with line coverage when all tiers run; pytest's exit code, 1 also when something
    was asked for that can't be had here.
    Raises EstateError: as for `tiers_to_run`, or nothing was asked for that can be had here."""
    wanted, left_out = tiers_to_run(chosen, everything=everything)
    preparing = {HASHICORP: _prepare_hashicorp, MACHINES: _prepare_machines, CLUSTERS: _prepare_clusters}
    missing = {tier: said for tier in preparing if tier in wanted and (said := preparing[tier](console))}
    wanted = [tier for tier in wanted if tier not in missing]
    if not wanted:
        raise EstateError("; ".join(missing.values()))
    ordered = [tier for tier in _SLOWEST_FIRST if tier in wanted]
    environment = {**os.environ, "PULUMI_ERROR_OUTPUT_STRING": "true", "PYTHONPATH": str(ROOT)}
    # Hundreds of commands would each compile the project anew: a fourth of what each start takes (measured).
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    for tier, (variable, pattern) in _OWN_CODE.items():
        environment.pop(variable, None)  # of a run around this one
        if tier not in wanted:
            # Nothing of it can run without them: it would only hide what else isn't covered.
            environment[variable] = pattern
    coverage = ["--cov", "--cov-report=term", f"--cov-fail-under={_COVERAGE_PERCENT}"]
    code = _pytest(console, ordered, coverage if set(TIERS) <= set(wanted) else [], environment)
    sys.stdout.flush()
    if left_out:
        console.say(f"not run: {', '.join(left_out)}; run them with ./estate test {' '.join(left_out)}")
    for said in missing.values():
        console.say(f"not run: {said}")
    return code or (1 if missing else 0)


def _pytest(console: Console, tiers: Sequence[str], coverage: Sequence[str], environment: Mapping[str, str]) -> int:
    alone = set(tiers) <= {MACHINES, CLUSTERS}
    command = [sys.executable, "-m", "pytest", "-q"]
    command += ["-n", "0"] if alone else ["-n", str(WORKERS), "--dist", "loadscope", "--no-loadscope-reorder"]
    command += [*(f"tests/{tier}" for tier in tiers), *coverage]
    console.say(f"tests: {', '.join(tiers)}, {'one after the other' if alone else f'{WORKERS} at a time'}")
    # JSON has the standard output to itself.
    out = sys.stderr if console.as_json else None
    return subprocess.run(command, cwd=ROOT, check=False, env=environment, stdout=out).returncode


def _prepare_hashicorp(console: Console) -> str | None:
    """Build the server; one sentence if that can't be done here."""
    try:
        HASHICORP_SERVER.find(console.say)
    except EstateError as error:
        return f"{HASHICORP}: {error}"
    return None


def _prepare_machines(console: Console) -> str | None:
    """Install and make what machines need; one sentence if that can't be done here."""
    try:
        for image in machines.IMAGES:
            machines.prepare(machines.default_cache(), image, console.say)
        if missing := [package for program, package in _PROGRAMS.items() if shutil.which(program) is None]:
            install(missing, console.say)
    except machines.MachineError as error:
        return f"{MACHINES}: {error}; they need Linux, root, and of Debian's packages {', '.join(_PACKAGES)}"
    return None


def _prepare_clusters(console: Console) -> str | None:
    """Build what clusters are made of; one sentence if that can't be done here."""
    try:
        nodes.prepare(machines.default_cache(), console.say, find_go(console.say, _OLDEST_GO))
    except (machines.MachineError, UnavailableError) as error:
        return f"{CLUSTERS}: {error}; they need Linux, root, and of Debian's packages {', '.join(nodes.PACKAGES)}"
    return None
