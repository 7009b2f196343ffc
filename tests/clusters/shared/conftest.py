"""One cluster of five nodes in three zones for all tests here, which ends with the last of them."""

from collections.abc import Iterator

import pytest

from fake_providers import nodes
from tests.support.pods import THREE_ZONES, Pods
from tests.support.running_clusters import running_cluster


@pytest.fixture(scope="package")
def cluster(programs: nodes.ClusterPrograms, tmp_path_factory: pytest.TempPathFactory) -> Iterator[nodes.Cluster]:
    """The one that all look at."""
    with running_cluster(programs, tmp_path_factory.mktemp("cluster"), THREE_ZONES) as made:
        yield made


@pytest.fixture
def pods(cluster: nodes.Cluster, request: pytest.FixtureRequest) -> Iterator[Pods]:
    """Pods in a namespace of this test's, under Kubernetes' restricted standard."""
    with Pods.inside(cluster, str(request.node.name).replace("_", "-").lower()[:60].strip("-")) as found:
        yield found
