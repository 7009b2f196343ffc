"""What of this host's limits a cluster's nodes would soon use up."""

from contextlib import suppress
from pathlib import Path

WATCHERS = Path("/proc/sys/fs/inotify/max_user_instances")
"""How many watchers of files the programs of one user may have (inotify(7))."""
NEEDED = 512
"""A node has nine. Where Linux' own limit of 128 is used up, kubelets end with "too many open files" (kind, Known
issues, which names this number)."""


def let_nodes_watch(limit: Path = WATCHERS) -> None:
    """Raise that limit until this host starts next. Where it may not be raised, some nodes run all the same."""
    if int(limit.read_text(encoding="ascii")) < NEEDED:
        with suppress(OSError):
            limit.write_text(f"{NEEDED}\n", encoding="ascii")
