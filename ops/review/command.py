"""Comparing two commits, stack by stack: the order of the steps behind `./estate diff`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths
from ops.review import trees
from ops.review.acknowledging import said_by, unacknowledged
from ops.review.comparing import Difference, compare
from ops.review.declaring import declared, stacks


@dataclass(frozen=True, kw_only=True)
class Review:
    """What a change does to every stack that was asked for."""

    differences: Sequence[Difference]
    unacknowledged: Mapping[str, Sequence[str]]
    """What allows more than before and has nobody who answers for it, by stack."""

    @property
    def widens(self) -> bool:
        """Whether something is left to acknowledge."""
        return any(self.unacknowledged.values())


def review(paths: Paths, base: str, to: str | None, stack: str | None, console: Console) -> Review:
    """Compare what two commits declare; `to` is None for the working tree.
    Raises EstateError: no such commit or stack, or one of them can't be declared."""
    with trees.room(paths) as place:
        before = trees.committed(paths.project, place, "BASE", base)
        after = trees.committed(paths.project, place, "--to", to) if to else trees.working(paths.project, place)
        there = sorted({*stacks(before), *stacks(after)})
        if stack is not None and stack not in there:
            raise EstateError(f"stack {stack!r} has no file in either commit; expected one of: {', '.join(there)}")
        said = said_by(before, after, there)
        found, open_ones = [], {}
        with console.stage(f"comparing {base} with {to or trees.WORKING_TREE}") as steps:
            for name in [stack] if stack else there:
                steps.step(name, finished=False)
                old = declared(before, base, name)
                new = declared(after, to or trees.WORKING_TREE, name)
                difference = compare(name, old, new)
                found.append(difference)
                open_ones[name] = unacknowledged(difference, said)
                steps.step(name, finished=True)
    return Review(differences=found, unacknowledged=open_ones)
