"""One run of the benchmark: its cases, the targets they are held against, and the tables of `benchmarks/README.md`."""

import ast
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psutil

from ops import stack_file
from ops.commands import doctor
from ops.console import Console
from ops.development.bench import peer
from ops.development.bench.scratch import NO_POLICIES, OPERATIONS, STACK, Measured, measure, run, scratch, settings
from ops.paths import ROOT, Paths

PROGRAM, ESTATE, OURS, THEIRS = "program", "applications", "policies, ours", "policies, theirs"
"""What is measured: the program itself; estates by number of applications; policies by us and by another tool."""
IMPORT = "import of stack"
_IMPORT_SECONDS = 0.6
_GROWTH_LIMIT = 1.5
"""How much dearer an application may become. Linear growth is 1; quadratic from 10 over 100 to 1,000 would be 10."""
_LIMITS = (("no-op up", "no-op up", 0, 2.0), ("up", "up", 0, 2.5), ("memory of up", "up", 2, 2.0))
"""Of ratios to the other tool: in words, of which operation, which of its ratios, and the limit."""

Case = tuple[str, str, int]
"""Part, what is run, size; 0 where there is none."""


class Results(NamedTuple):
    """Everything one run found. `peer` is the tool that was compared with, or why nothing was."""

    facts: Mapping[str, str]
    peer: str
    cases: Mapping[Case, Measured]

    def sizes(self, part: str, operation: str) -> dict[int, Measured]:
        """One operation, by size."""
        return {size: one for (of, name, size), one in self.cases.items() if (of, name) == (part, operation)}

    def ratios(self, operation: str, size: int) -> list[float]:
        """Ours to theirs: time, processor time, memory."""
        ours, theirs = (self.cases[part, operation, size][:3] for part in (OURS, THEIRS))
        return [one / other for one, other in zip(ours, theirs, strict=True)]


def measured(
    say: Callable[[str], None], *, sizes: Sequence[int], compared_sizes: Sequence[int], runs: int, note: str = ""
) -> Results:
    """Measure estates of `sizes` applications, and compare on `compared_sizes` ACL policies with another tool.

    Each case is run `runs` times; the median counts. `note` is what a reader of the report has to know about this
    machine or its tools. Takes from minutes to an hour; leaves nothing behind.
    Raises EstateError: a case failed. Nothing of it is reported as measured."""
    about = facts(note)
    samples: defaultdict[Case, list[Measured]] = defaultdict(list)

    def live(part: str, size: int, operate: Callable[[str], Measured]) -> None:
        for operation in OPERATIONS:
            samples[part, operation, size].append(operate(operation))

    with tempfile.TemporaryDirectory() as tools, tempfile.TemporaryDirectory(prefix="estate-bench-") as folder:
        tool = peer.find(Path(tools)) if compared_sizes else "not asked for"
        for number in range(1, runs + 1):
            say(f"run {number} of {runs}")
            for stack, command in program_imports().items():
                run(command, ROOT)  # so that what is measured is warm
                samples[PROGRAM, f"{IMPORT} {stack}", 0].append(run(command, ROOT))
            for size in sizes:
                with scratch(Path(folder), settings(size)) as local:
                    live(ESTATE, size, partial(measure, local))
            if isinstance(tool, str):
                continue
            for size in compared_sizes:
                with scratch(Path(folder), settings(1), peer.PROGRAM.format(count=size)) as local:
                    live(OURS, size, partial(measure, local, NO_POLICIES))
                with scratch(Path(folder), settings(1)) as local, tool.begun(size, local) as operate:
                    live(THEIRS, size, operate)
    named = tool if isinstance(tool, str) else tool.version
    return Results(about, named, {case: medians(found) for case, found in samples.items()})


def medians(runs: Sequence[Measured]) -> Measured:
    """Sum up several runs, at least one."""
    times, cpu, peaks, _, _ = zip(*runs, strict=True)
    return Measured(median(times), median(cpu), int(median(peaks)), len(runs), max(times) - min(times))


def program_imports() -> dict[str, list[str]]:
    """For each stack, what runs the beginning of `__main__.py`, all that it imports, and its platform's composition."""
    text = (ROOT / "__main__.py").read_text(encoding="utf-8")
    last = max(part.lineno for part in ast.parse(text).body if isinstance(part, ast.Import | ast.ImportFrom))
    found = {}
    for file in sorted(ROOT.glob("Pulumi.*.yaml")):
        stack = file.name.split(".")[1]
        kind = stack_file.read(Paths(), stack).settings.platform.kind
        program = [*text.splitlines()[:last], f"import composition.{kind}"]
        found[stack] = [sys.executable, "-c", "\n".join(program)]
    return found


def facts(note: str = "") -> dict[str, str]:
    """Where and with what it was measured."""
    describe = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    commit = subprocess.run(describe, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    told = Path("/proc/cpuinfo")
    named = re.search("model name\t: (.*)", told.read_text(encoding="utf-8") if told.is_file() else "")
    processor, gigabytes = named[1] if named else platform.machine(), psutil.virtual_memory().total / 2**30
    return {
        "day and commit": f"{datetime.now(UTC).date().isoformat()}, {commit or 'unknown'}",
        "machine": f"{processor}, {os.cpu_count()} cores, {gigabytes:.0f} GiB",
        "load before": ", ".join(f"{load:.1f}" for load in os.getloadavg()) + " (1, 5 and 15 minutes)",
        "system": f"{platform.system()} {platform.release()}",
        **{one.subject: one.taken for one in doctor.examine(Paths(), STACK, Console(as_json=True))},
        **({"note": note} if note else {}),
    }


def verdicts(found: Results) -> Iterator[tuple[str, str, bool]]:
    """Every target that what was measured can speak to: its words, what was measured, whether it is met."""
    for (_, case, _), one in found.cases.items():
        if case.startswith(IMPORT):
            yield f"{case} within {_IMPORT_SECONDS} s", f"{one.seconds:.2f} s", one.seconds <= _IMPORT_SECONDS
    for operation in OPERATIONS:
        times = {size: one.seconds for size, one in found.sizes(ESTATE, operation).items()}
        if len(times) > 2:
            words = f"{operation} grows linearly (at most {_GROWTH_LIMIT} times dearer an application)"
            yield words, f"{growth(times):.2f} times", growth(times) <= _GROWTH_LIMIT
    for what, operation, index, limit in _LIMITS:
        if size := max(found.sizes(THEIRS, operation), default=0):
            ratio = found.ratios(operation, size)[index]
            words = f"{what} of {size:,} policies within {limit} times {found.peer}"
            yield words, f"{ratio:.2f} times", ratio <= limit


def growth(times: Mapping[int, float]) -> float:
    """How much dearer one more application is between the two largest of at least three sizes than between the two
    smallest; so the constant part (start-up) drops out."""
    sizes = sorted(times)
    first, last = ((times[b] - times[a]) / (b - a) for a, b in (sizes[:2], sizes[-2:]))
    # Where the small sizes differ by less than the noise, nothing can be said about them but that they are cheap.
    return last / first if first > 0 else float("inf")


def tables(found: Results) -> list[str]:
    """Those of the report, in its order."""
    cases = []
    for (part, case, size), one in found.cases.items():
        times = [f"{seconds:.2f} s" for seconds in (one.seconds, one.spread_seconds, one.cpu_seconds)]
        memory = f"{one.peak_bytes / 2**20:.0f} MiB"
        cases.append((part, case, f"{size:,}" if size else "", *times, memory, str(one.runs)))
    compared = [
        (operation, f"{size:,}", *(f"{ratio:.2f}" for ratio in found.ratios(operation, size)))
        for operation in OPERATIONS
        for size in found.sizes(THEIRS, operation)
    ]
    return [
        table("what | value", {**found.facts, "compared with": found.peer}.items()),
        targets(verdicts(found)),
        table("of | what | size | time | spread | CPU | memory | runs", cases),
        table("operation | policies | time ratio | CPU ratio | memory ratio", compared),
    ]


def targets(found: Iterable[tuple[str, str, bool]]) -> str:
    """The table of what was to be met."""
    return table("target | measured | ", [(words, one, "met" if met else "**missed**") for words, one, met in found])


def text(found: Results, before: str) -> str:
    """The report with this run's tables."""
    return filled(tables(found), before)


def filled(made: Iterable[str], before: str) -> str:
    """A report with its tables of `before` replaced by those; the words between them stay."""
    those = iter(made)
    return re.sub(r"(?:^\|.*\n)+", lambda _: next(those), before, flags=re.MULTILINE)


def table(header: str, rows: Iterable[Sequence[str]]) -> str:
    """In Markdown."""
    line = " | ".join("---" for _ in header.split("|"))
    return "".join(f"| {cells} |\n" for cells in (header, line, *(" | ".join(row) for row in rows)))
