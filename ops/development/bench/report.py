"""What one run of the benchmark found, the targets it is held against, and the text of `benchmarks/README.md`.

Owns the targets, the wording and the tables. Refuses to measure.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ops.development.bench.scratch import Measured

OPERATIONS = ("preview", "up", "no-op up", "refresh")
"""What is measured at each size, in the order of an estate's life."""
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
    for words, operation, index, limit in _LIMITS:
        if size := max(found.sizes(THEIRS, operation), default=0):
            ratio = found.ratios(operation, size)[index]
            yield (
                f"{words} of {size:,} policies within {limit} times {found.peer}",
                f"{ratio:.2f} times",
                ratio <= limit,
            )


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

Every number is the median of whole processes, from start to exit. The servers run beside, outside of what is measured;
packages and engine are there before. "CPU" is processor time: far below the time, the
machine was busy with something else or the process was waiting. Memory is the largest resident size of the process and
its children together, where shared pages count for each.

{facts}

## Targets

{targets}

## Measured

An application has all that one usually has: an AppRole login, two secrets, one shared by a neighbour, a database role,
a transit key, a certificate role, a login limit. The policy pack judges each preview and each `up`. The preview is of
an estate that isn't there yet.

{measured}

## Against another tool

The same ACL policies, text for text, on a server of the same kind. We run without the policy pack, which the other side
doesn't have, and write the state once, at the end (`PULUMI_SKIP_CHECKPOINTS`, ADR 13). Its no-op reads every object
back; ours doesn't. Ratios are ours to theirs.

The other tool: {peer}.

{compared}
"""


def text(found: Results) -> str:
    """The whole report as Markdown."""
    return _TEXT.format(
        facts=_table(("what", "value"), found.facts.items()),
        targets=_table(
            ("target", "measured", ""),
            ((words, measured, "met" if met else "**missed**") for words, measured, met in verdicts(found)),
        ),
        measured=_table(
            ("of", "what", "size", "time", "spread", "CPU", "memory", "runs"),
            (
                (
                    *(part, case, f"{size:,}" if size else ""),
                    *(f"{seconds:.2f} s" for seconds in (one.seconds, one.spread_seconds, one.cpu_seconds)),
                    *(f"{one.peak_bytes / 2**20:.0f} MiB", str(one.runs)),
                )
                for (part, case, size), one in found.cases.items()
            ),
        ),
        peer=found.peer,
        compared=_table(
            ("operation", "policies", "time ratio", "CPU ratio", "memory ratio"),
            (
                (operation, f"{size:,}", *(f"{ratio:.2f}" for ratio in found.ratios(operation, size)))
                for operation in OPERATIONS
                for size in found.sizes(THEIRS, operation)
            ),
        ),
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, ["---"] * len(header), *rows))
