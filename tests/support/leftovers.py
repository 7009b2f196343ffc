"""What a cluster on this machine leaves: processes, mounts, networks, control groups, routes."""

from pathlib import Path

import psutil

from fake_providers.machines.commands import run
from fake_providers.machines.groups import hierarchies
from fake_providers.nodes import network


def left(folder: Path, mine: network.NodesNetwork) -> list[str]:
    """Whatever of a cluster is on this machine, by its folder, the names of its network's parts, and its addresses."""
    processes = [" ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"])]
    found = [line for line in processes if str(folder) in line]
    found += [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(folder) in line]
    for place in (Path("/run/netns"), Path("/sys/class/net"), *hierarchies()):
        found += [str(path) for name in (mine.part, f"{mine.part}-*") for path in place.glob(name)]
    return found + run(["ip", "-4", "route", "show", "table", "all", "root", mine.whole]).splitlines()
