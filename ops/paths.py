"""Where things are kept: the project, what belongs to this checkout, and what may be shared between checkouts."""

import os
from dataclasses import dataclass
from pathlib import Path

from composition.private_files import private_directory

ROOT = Path(__file__).resolve().parents[1]
"""The project: the folder of `Pulumi.yaml`."""


@dataclass(frozen=True, kw_only=True)
class Paths:
    """The folders the operator's command writes to. Tests make their own, so that no two share a file."""

    project: Path = ROOT
    """Folder of `Pulumi.yaml` and the stack files; only ever read."""

    @property
    def own(self) -> Path:
        """State, keys and data of this checkout; ignored by git, closed to others."""
        return self.project / ".estate"

    @property
    def local(self) -> Path:
        """Data and keys of the local server."""
        return self.own / "local"

    @property
    def state(self) -> Path:
        """Pulumi state of the local stack."""
        return self.own / "state"

    @property
    def taking_over(self) -> Path:
        """Record that an `up` takes over what the local server holds and the state doesn't know."""
        return self.own / "adopting"

    @property
    def taking_down(self) -> Path:
        """Record that a `down` of the local stack has begun."""
        return self.own / "destroying"

    def stack_file(self, stack: str) -> Path:
        """The committed settings of a stack."""
        return self.project / f"Pulumi.{stack}.yaml"

    def make_own(self) -> Path:
        """Make the folder of this checkout, closed to everybody else."""
        return private_directory(self.own)


def cache() -> Path:
    """The user's cache: tools that cost minutes to make, kept by version, safe to delete."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "vault-estate"
