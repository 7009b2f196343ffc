"""A cluster that is stopped and started keeps what it had, and nothing of one that is removed stays on this machine."""

from collections.abc import Callable
from pathlib import Path

import psutil

from fake_providers import nodes
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


def test_a_cluster_ends_and_starts_again_with_what_it_had(
    clusters: Callable[[dict[str, str]], nodes.Cluster],
) -> None:
    cluster = clusters({"only": "zone-a"})
    cluster.wait_ready()
    cluster.kubectl("create", "configmap", "kept", "--from-literal=word=yes")
    mine = network.find(cluster.folder)
    assert mine is not None

    assert left(cluster.folder, mine) != []

    cluster.stop()
    assert left(cluster.folder, mine) == []

    cluster.start()
    cluster.wait_ready()
    assert cluster.nodes() == {"only": True}
    assert cluster.kubectl("get", "configmap", "kept", "--output", "jsonpath={.data.word}") == "yes"

    mine = network.find(cluster.folder)
    assert mine is not None

    cluster.remove()
    assert left(cluster.folder, mine) == []
    assert not cluster.folder.exists()
