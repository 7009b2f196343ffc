"""One cluster of five nodes in three zones for all tests here; those that end one start their own."""

from collections.abc import Callable, Iterator

import pytest

from fake_providers import machines, nodes
from tests.support.pods import THREE_ZONES, Pods


@pytest.fixture(scope="session")
def programs() -> nodes.ClusterPrograms:
    """What clusters are made of; built if it isn't in the cache. Skips, and says why, where none can run."""
    reason = nodes.why_not()
    if reason:
        pytest.skip(f"no cluster can run here: {reason}")
    return nodes.prepare(machines.default_cache(), print)


@pytest.fixture(scope="session")
def clusters(
    programs: nodes.ClusterPrograms, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[dict[str, str]], nodes.Cluster]]:
    """Starts a cluster with nodes, by their zones; taken away in the end."""
    made: list[nodes.Cluster] = []

    def make(zones: dict[str, str]) -> nodes.Cluster:
        cluster = nodes.Cluster(tmp_path_factory.mktemp("cluster") / "cluster", programs)
        made.append(cluster)
        cluster.start()
        for name, zone in zones.items():
            cluster.add_node(nodes.ClusterNode(name=name, zone=zone, labels={"size": "small"}))
        return cluster

    yield make
    for cluster in made:
        cluster.remove()


@pytest.fixture(scope="session")
def cluster(clusters: Callable[[dict[str, str]], nodes.Cluster]) -> nodes.Cluster:
    """The one that all look at."""
    cluster = clusters(THREE_ZONES)
    cluster.wait_ready()
    return cluster


@pytest.fixture
def pods(cluster: nodes.Cluster, request: pytest.FixtureRequest) -> Iterator[Pods]:
    """Pods in a namespace of this test's, under Kubernetes' restricted standard."""
    with Pods.inside(cluster, str(request.node.name).replace("_", "-").lower()[:60].strip("-")) as found:
        yield found
