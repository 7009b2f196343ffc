"""Which variables a program reads, and whether each is anywhere: in `.env`, in Vault, or set beside it.

Owns the walk through a folder and the verdict. Follows no link, and opens nothing that others brought: environments,
packages, caches. Shows names and places, no value.
"""

import ast
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vault_estate.migration import mapping
from vault_estate.migration.mapping import Mapped, ValuePlace
from vault_estate.migration.scanning import python_code, text_files
from vault_estate.migration.scanning.python_code import PythonSource
from vault_estate.migration.scanning.uses import SourceScan, VariableUse

LARGEST_BYTES = 1_048_576
"""A longer source was generated."""
_OTHERS = frozenset({"__pycache__", "build", "dist", "node_modules", "site-packages", "venv"})
"""Folders that are looked at as little as those that begin with a dot."""


@dataclass(frozen=True, kw_only=True)
class ScannedVariable:
    """One variable that something reads."""

    name: str
    uses: Sequence[VariableUse]
    in_env: bool
    in_vault: bool | None
    """None: nobody asked."""
    mapped: str
    """`secret#key`, `stays`, or empty."""
    is_set: bool
    """Whether a Dockerfile or a compose file gives it a value."""

    @property
    def is_nowhere(self) -> bool:
        """Whether the program would miss it."""
        has_default = all(one.has_default for one in self.uses)
        is_kept = self.in_vault if self.in_vault is not None else "#" in self.mapped
        return not (self.in_env or is_kept or self.is_set or has_default)


def sources(folder: Path) -> SourceScan:
    """Everything that is read below a folder. Raises OSError: the folder itself can't be read."""
    found, programs = SourceScan(), []
    for path in _files(folder):
        shown = path.relative_to(folder).as_posix()
        try:
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".py":
                programs.append(PythonSource(file=shown, tree=ast.parse(text)))
            elif what := text_files.kind(path.name, text.partition("\n")[0]):
                found.add([text_files.scan(shown, text, what)])
        except (OSError, ValueError, SyntaxError, RecursionError):
            # Its own words would quote a line. Of what is no program it doesn't matter.
            if path.suffix == ".py":
                found.unread.append(shown)
    found.add([python_code.scan(programs)])
    return found


def _files(folder: Path) -> Iterator[Path]:
    next(os.scandir(folder), None)
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(one for one in folders if not one.startswith(".") and one not in _OTHERS)
        for name in sorted(names):
            path = Path(here, name)
            if not path.is_symlink() and path.is_file() and path.stat().st_size <= LARGEST_BYTES:
                yield path


@dataclass(frozen=True, kw_only=True)
class KnownPlaces:
    """Where a variable may be."""

    env: Collection[str]
    """Names in `.env`."""
    mapped: Mapped
    kept: Collection[ValuePlace] | None
    """What Vault has; None: nobody asked it."""

    def rows(self, found: SourceScan) -> Sequence[ScannedVariable]:
        """Each variable that is read once, by name."""
        by_name: dict[str, list[VariableUse]] = {}
        for use in sorted(found.uses, key=lambda one: (one.file, one.line)):
            if not text_files.SYSTEMS_OWN.fullmatch(use.name):
                by_name.setdefault(use.name, []).append(use)
        return [self._row(name, by_name[name], is_set=name in found.sets) for name in sorted(by_name)]

    def _row(self, name: str, uses: Sequence[VariableUse], *, is_set: bool) -> ScannedVariable:
        names = {name}
        if any(one.folds for one in uses):
            names |= {one for one in (*self.env, *self.mapped) if one.upper() == name}
        said = [one.place for one in uses if one.place]
        places = [*said, *(place for one in names if (place := self.mapped.get(one)))]
        stays = any(one in self.mapped for one in names)
        return ScannedVariable(
            name=name,
            uses=uses,
            in_env=not names.isdisjoint(self.env),
            in_vault=None if self.kept is None else any(one in self.kept for one in places),
            mapped=str(places[0]) if places else mapping.STAYS if stays else "",
            is_set=is_set,
        )
