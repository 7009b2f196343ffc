"""What one run of the benchmark found, and what follows from it: growth, ratios, targets met or missed.

Owns the targets. Refuses to measure and to write.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ops.development.bench.measuring import Measurement

OPERATIONS = ("preview", "up", "no-op up", "refresh")
"""What is measured at each size, in the order of an estate's life. The preview is of an estate that isn't there yet."""
COMPARED = ("preview", "up", "no-op up", "refresh")

IMPORT_SECONDS = 0.6
"""Budget of the import time per stack, warm, from the project's first issue. With EC2 and EKS it is to be 1.2 s."""
GROWTH_LIMIT = 1.5
"""How much dearer an application may become between the smallest and the largest sizes. Linear growth is 1; quadratic
growth from 10 over 100 to 1,000 would be 10."""
RATIO_LIMITS: Mapping[str, float] = {"no-op up": 2.0, "up": 2.5}
"""Times the other tool's, in one run; from the project's first issue."""
MEMORY_RATIO_LIMIT = 2.0
"""Peak memory of `up`, times the other tool's; from the same."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The same ACL policies by us and by another tool."""

    tool: str
    """As the tool names itself."""
    ours: Mapping[tuple[str, int], Measurement]
    """By operation and number of policies."""
    theirs: Mapping[tuple[str, int], Measurement]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One target: whether it was met, and by how much."""

    target: str
    measured: str
    met: bool


@dataclass(frozen=True, kw_only=True)
class Results:
    """Everything one run found."""

    facts: Mapping[str, str]
    """Machine and versions, by name."""
    imports: Mapping[str, Measurement]
    """By stack."""
    ways: Mapping[str, Measurement]
    """What an operator waits for, by what it is; empty: not measured."""
    estate: Mapping[tuple[str, int], Measurement]
    """By operation and number of applications."""
    comparison: Comparison | str
    """Or why there is none."""

    @property
    def sizes(self) -> list[int]:
        """Numbers of applications that were measured."""
        return sorted({size for _, size in self.estate})

    def verdicts(self) -> list[Verdict]:
        """Every target that what was measured can speak to."""
        return [*self._imports(), *self._growth(), *self._ratios()]

    def _imports(self) -> Iterator[Verdict]:
        for stack, found in self.imports.items():
            yield Verdict(
                target=f"import of stack {stack} within {IMPORT_SECONDS} s",
                measured=f"{found.seconds:.2f} s",
                met=found.seconds <= IMPORT_SECONDS,
            )

    def _growth(self) -> Iterator[Verdict]:
        for operation in OPERATIONS:
            times = {
                size: self.estate[operation, size].seconds for size in self.sizes if (operation, size) in self.estate
            }
            if len(times) > 2:
                factor = growth(times)
                yield Verdict(
                    target=f"{operation} grows linearly (at most {GROWTH_LIMIT} times dearer an application)",
                    measured=f"{factor:.2f} times",
                    met=factor <= GROWTH_LIMIT,
                )

    def _ratios(self) -> Iterator[Verdict]:
        if isinstance(self.comparison, str):
            return
        size = max((size for _, size in self.comparison.theirs), default=0)
        for operation, limit in RATIO_LIMITS.items():
            ratio = ratio_of(self.comparison, operation, size)
            if ratio is not None:
                yield Verdict(
                    target=f"{operation} of {size:,} policies within {limit} times {self.comparison.tool}",
                    measured=f"{ratio:.2f} times",
                    met=ratio <= limit,
                )
        pair = (self.comparison.ours.get(("up", size)), self.comparison.theirs.get(("up", size)))
        if pair[0] and pair[1]:
            memory = pair[0].peak_bytes / pair[1].peak_bytes
            yield Verdict(
                target=f"memory of up of {size:,} policies within {MEMORY_RATIO_LIMIT} times {self.comparison.tool}",
                measured=f"{memory:.2f} times",
                met=memory <= MEMORY_RATIO_LIMIT,
            )


def growth(times: Mapping[int, float]) -> float:
    """How much dearer one more application is between the two largest sizes than between the two smallest.

    Args:
        times: seconds by size; at least three sizes, so that the constant part (start-up) drops out.

    Raises:
        ValueError: fewer than three sizes.
    """
    sizes = sorted(times)
    if len(sizes) < 3:
        msg = f"times has {len(sizes)} sizes; expected at least 3"
        raise ValueError(msg)
    first = (times[sizes[1]] - times[sizes[0]]) / (sizes[1] - sizes[0])
    last = (times[sizes[-1]] - times[sizes[-2]]) / (sizes[-1] - sizes[-2])
    # Where the small sizes differ by less than the noise, nothing can be said about them but that they are cheap.
    return last / first if first > 0 else float("inf")


def ratio_of(comparison: Comparison, operation: str, size: int) -> float | None:
    """Our time over theirs; None where one of the two wasn't measured."""
    ours, theirs = comparison.ours.get((operation, size)), comparison.theirs.get((operation, size))
    return ours.seconds / theirs.seconds if ours and theirs else None
