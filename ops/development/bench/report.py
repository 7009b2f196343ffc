"""Writes `benchmarks/README.md`: what was measured, on what, how to measure it again, and which targets are missed.

Owns the wording and the tables. Refuses to judge: targets are `ops.development.bench.results`'.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ops.development.bench.measuring import Measurement
from ops.development.bench.results import COMPARED, OPERATIONS, Comparison, Results, ratio_of

COMMAND = "./estate bench"

_HOW = """\
Every number is the median of whole processes: interpreter, imports, engine, providers and policy pack, from start to
exit. Memory is the largest resident size of the process and its children together, where shared pages count for each.
The servers run beside, outside of what is measured; packages, engine and the root of a node that boots are there
before. "CPU" is processor time; where it is far below the time times the number of cores, the machine was busy with
something else or the process was waiting.
"""


def write(results: Results, file: Path) -> None:
    """Replace the report."""
    file.parent.mkdir(exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_text(text(results), encoding="utf-8")
    fresh.replace(file)


def text(results: Results) -> str:
    """The whole report as Markdown."""
    sections = [
        "# Benchmarks",
        f"Written by `{COMMAND}`; don't edit.",
        _HOW.rstrip(),
        _table(["what", "value"], [list(fact) for fact in results.facts.items()]),
        "## Targets",
        _targets(results),
        "## The program",
        _singles(results),
        "## The estate",
        _ESTATE,
        _matrix(results.estate, OPERATIONS, "applications"),
        "## Against another tool",
        *_comparison(results.comparison),
    ]
    return "\n\n".join(sections) + "\n"


_ESTATE = """\
Synthetic applications with all that one usually has: an AppRole login, two secrets, one shared by a neighbour, a
database role, a transit key, a certificate role, a login limit. The policy pack judges each preview and each `up`. The
preview is of an estate that isn't there yet."""

_COMPARED = """\
The same ACL policies, text for text, on a server of the same kind, by {tool}. We run without the policy pack, which the
other side doesn't have. Its no-op reads every object back; ours doesn't. Ratios are ours to theirs."""


def _targets(results: Results) -> str:
    rows = [[one.target, one.measured, "met" if one.met else "**missed**"] for one in results.verdicts()]
    return _table(["target", "measured", ""], rows) if rows else "Nothing was measured that a target speaks of."


def _singles(results: Results) -> str:
    rows = [[f"import of stack {stack}", *_cells(found)] for stack, found in results.imports.items()]
    rows += [[way, *_cells(found)] for way, found in results.ways.items()]
    return _table(["case", "time", "spread", "CPU", "memory", "runs"], rows)


def _matrix(found: Mapping[tuple[str, int], Measurement], operations: Sequence[str], unit: str) -> str:
    sizes = sorted({size for _, size in found})
    rows = [
        [operation, f"{size:,}", *_cells(found[operation, size])]
        for operation in operations
        for size in sizes
        if (operation, size) in found
    ]
    return _table(["operation", unit, "time", "spread", "CPU", "memory", "runs"], rows)


def _comparison(comparison: Comparison | str) -> list[str]:
    if isinstance(comparison, str):
        return [f"{comparison[0].upper()}{comparison[1:]}."]
    rows = []
    for operation in COMPARED:
        for size in sorted({size for _, size in comparison.theirs}):
            ratio = ratio_of(comparison, operation, size)
            if ratio is not None:
                ours, theirs = comparison.ours[operation, size], comparison.theirs[operation, size]
                memory = ours.peak_bytes / theirs.peak_bytes
                times = [f"{ours.seconds:.2f} s", f"{theirs.seconds:.2f} s", f"{ratio:.2f}"]
                rows.append(
                    [operation, f"{size:,}", *times, f"{ours.cpu_seconds / theirs.cpu_seconds:.2f}", f"{memory:.2f}"]
                )
    header = ["operation", "policies", "ours", "theirs", "time ratio", "CPU ratio", "memory ratio"]
    return [_COMPARED.format(tool=comparison.tool), _table(header, rows)]


def _cells(found: Measurement) -> list[str]:
    return [
        f"{found.seconds:.2f} s",
        f"{found.spread_seconds:.2f} s",
        f"{found.cpu_seconds:.2f} s",
        f"{found.peak_mebibytes:.0f} MiB",
        str(found.runs),
    ]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
