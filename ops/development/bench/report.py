"""What one run of the benchmark found, the targets it is held against, and the text of `benchmarks/README.md`.

Owns the targets, the wording and the tables. Refuses to measure.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ops.development.bench.measuring import Measured

OPERATIONS = ("preview", "up", "no-op up", "refresh")
"""What is measured at each size, in the order of an estate's life."""
PROGRAM, ESTATE, OURS, THEIRS = "program", "estate", "ours", "theirs"
"""Parts of the report: the program itself; estates by number of applications; policies by us and by another tool."""
IMPORT = "import of stack"
_IMPORT_SECONDS = 0.6
_GROWTH_LIMIT = 1.5
"""How much dearer an application may become. Linear growth is 1; quadratic from 10 over 100 to 1,000 would be 10."""
_LIMITS = (("no-op up", "no-op up", 0, 2.0), ("up", "up", 0, 2.5), ("memory of up", "up", 2, 2.0))
"""Of ratios to the other tool: in words, of which operation, which of its ratios, and the limit."""

Case = tuple[str, str, int]
"""Part, what is run, size; 0 where there is none."""


class Results(NamedTuple):
    """Everything one run found."""

    facts: Mapping[str, str]
    """Machine and versions, by name."""
    peer: str
    """The tool that was compared with, as it names itself; or why nothing was compared."""
    cases: Mapping[Case, Measured]

    def sizes(self, part: str, operation: str) -> dict[int, Measured]:
        """One operation, by size."""
        return {size: one for (of, name, size), one in self.cases.items() if (of, name) == (part, operation)}

    def ratios(self, operation: str, size: int) -> list[float]:
        """Ours to theirs: time, processor time, memory."""
        ours, theirs = (self.cases[part, operation, size][:3] for part in (OURS, THEIRS))
        return [one / other for one, other in zip(ours, theirs, strict=True)]


def verdicts(found: Results) -> Iterator[tuple[str, str, bool]]:
    """Every target that what was measured can speak to: its words, what was measured, whether it is met."""
    for (_, case, _), one in found.cases.items():
        if case.startswith(IMPORT):
            yield f"{case} within {_IMPORT_SECONDS} s", f"{one.seconds:.2f} s", one.seconds <= _IMPORT_SECONDS
    for operation in OPERATIONS:
        times = {size: one.seconds for size, one in found.sizes(ESTATE, operation).items()}
        if len(times) > 2:
            factor, words = (
                growth(times),
                f"{operation} grows linearly (at most {_GROWTH_LIMIT} times dearer an application)",
            )
            yield words, f"{factor:.2f} times", factor <= _GROWTH_LIMIT
    for words, operation, index, limit in _LIMITS:
        if size := max(found.sizes(THEIRS, operation), default=0):
            ratio = found.ratios(operation, size)[index]
            target = f"{words} of {size:,} policies within {limit} times {found.peer}"
            yield target, f"{ratio:.2f} times", ratio <= limit


def growth(times: Mapping[int, float]) -> float:
    """How much dearer one more application is between the two largest of at least three sizes than between the two
    smallest; so the constant part (start-up) drops out."""
    sizes = sorted(times)
    first, last = ((times[b] - times[a]) / (b - a) for a, b in (sizes[:2], sizes[-2:]))
    # Where the small sizes differ by less than the noise, nothing can be said about them but that they are cheap.
    return last / first if first > 0 else float("inf")


_TEXT = """\
# Benchmarks

Written by `./estate bench`; don't edit.

Every number is the median of whole processes: interpreter, imports, engine, providers and policy pack, from start to
exit. Memory is the largest resident size of the process and its children together, where shared pages count for each.
The servers run beside, outside of what is measured; packages, engine and the root of a node that boots are there
before. "CPU" is processor time; where it is far below the time times the number of cores, the machine was busy with
something else or the process was waiting.

{facts}

## Targets

{targets}

## The program

{program}

## The estate

Synthetic applications with all that one usually has: an AppRole login, two secrets, one shared by a neighbour, a
database role, a transit key, a certificate role, a login limit. The policy pack judges each preview and each `up`. The
preview is of an estate that isn't there yet.

{estate}

## Against another tool

{compared}
"""
_COMPARED = """\
The same ACL policies, text for text, on a server of the same kind, by {peer}. We run without the policy pack, which the
other side doesn't have, and write the state once, at the end (`PULUMI_SKIP_CHECKPOINTS`, ADR 13). Its no-op reads every
object back; ours doesn't. Ratios are ours to theirs.

{table}"""
_COLUMNS = ("time", "spread", "CPU", "memory", "runs")


def text(found: Results) -> str:
    """The whole report as Markdown."""
    judged = [(words, measured, "met" if met else "**missed**") for words, measured, met in verdicts(found)]
    columns = ("operation", "policies", "ours", "theirs", "time ratio", "CPU ratio", "memory ratio")
    compared = [
        (
            *(operation, f"{size:,}", f"{found.cases[OURS, operation, size].seconds:.2f} s", f"{theirs.seconds:.2f} s"),
            *(f"{ratio:.2f}" for ratio in found.ratios(operation, size)),
        )
        for operation in OPERATIONS
        for size, theirs in found.sizes(THEIRS, operation).items()
    ]
    return _TEXT.format(
        facts=_table(("what", "value"), found.facts.items()),
        targets=_table(("target", "measured", ""), judged),
        program=_table(
            ("case", *_COLUMNS), [(case, *_cells(one)) for (of, case, _), one in found.cases.items() if of == PROGRAM]
        ),
        estate=_table(
            ("operation", "applications", *_COLUMNS),
            [
                (operation, f"{size:,}", *_cells(one))
                for operation in OPERATIONS
                for size, one in found.sizes(ESTATE, operation).items()
            ],
        ),
        compared=_COMPARED.format(peer=found.peer, table=_table(columns, compared))
        if compared
        else f"Not run: {found.peer}.",
    )


def _cells(one: Measured) -> Sequence[str]:
    times = (one.seconds, one.spread_seconds, one.cpu_seconds)
    return *(f"{seconds:.2f} s" for seconds in times), f"{one.peak_bytes / 2**20:.0f} MiB", str(one.runs)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, ["---"] * len(header), *rows))
