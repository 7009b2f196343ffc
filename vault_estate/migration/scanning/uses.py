"""What is found in a source: a variable that is read, one that is set, and what can't be told."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from vault_estate.migration.mapping import ValuePlace


@dataclass(frozen=True, kw_only=True)
class VariableUse:
    """One place that reads a variable."""

    name: str
    file: str
    line: int
    has_default: bool = False
    """Whether the program goes on without it."""
    folds: bool = False
    """Whether it is read in upper and lower case, as settings are."""
    place: ValuePlace | None = None
    """Where a field of settings says itself that its value is kept."""

    @property
    def where(self) -> str:
        """For tables."""
        return f"{self.file}:{self.line}"


@dataclass(kw_only=True)
class SourceScan:
    """What was found in one source, or in all."""

    uses: list[VariableUse] = field(default_factory=list)
    sets: set[str] = field(default_factory=set)
    """Variables that a Dockerfile or a compose file gives a value."""
    unknown: list[str] = field(default_factory=list)
    """`file:line` of reads whose variable isn't written there."""
    unread: list[str] = field(default_factory=list)
    """Files that could not be read."""

    def add(self, others: Sequence["SourceScan"]) -> None:
        """All of others."""
        for other in others:
            self.uses += other.uses
            self.sets |= other.sets
            self.unknown += other.unknown
            self.unread += other.unread
