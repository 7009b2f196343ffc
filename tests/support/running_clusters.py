"""A cluster whose nodes run, for as long as a test or several need it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fake_providers import nodes


@contextmanager
def running_cluster(programs: nodes.ClusterPrograms, folder: Path, zones: Mapping[str, str]) -> Iterator[nodes.Cluster]:
    """One below a folder, with nodes by their zones, all ready; taken away in the end."""
    cluster = nodes.Cluster(folder / "cluster", programs)
    try:
        cluster.start()
        for name, zone in zones.items():
            cluster.add_node(nodes.ClusterNode(name=name, zone=zone, labels={"size": "small"}))
        cluster.wait_ready()
        yield cluster
    finally:
        cluster.remove()
