"""Control groups of what was started here, in every hierarchy of this host; removed with whoever is in them."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from fake_providers.machines.commands import MachineError, eventually

_REMOVE_SECONDS = 90.0
"""A process that was killed may still wait for its disk."""


def hierarchies() -> Iterator[Path]:
    """Where this host's hierarchies of control groups are mounted."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind in {"cgroup", "cgroup2"}:
            yield Path(place)


def remove_groups(name: str) -> None:
    """Remove a control group from each hierarchy; whoever is still in it, or still dying, is killed.
    Raises MachineError: somebody in it doesn't end."""
    for place in hierarchies():
        _remove(place / name)


def _remove(group: Path) -> None:
    def is_gone() -> bool:
        for folder, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):  # it ended or went meanwhile; tried again
                for number in (Path(folder) / "cgroup.procs").read_text().split():
                    os.kill(int(number), signal.SIGKILL)
                Path(folder).rmdir()
        return not group.exists()

    if not eventually(is_gone, _REMOVE_SECONDS):
        raise MachineError(f"control group {group} is still in use")
