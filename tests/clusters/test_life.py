"""A cluster that is stopped and started keeps what it had, and nothing of one that is removed stays on this machine."""

from pathlib import Path

from fake_providers import nodes
from fake_providers.nodes import network
from tests.support.leftovers import left
from tests.support.running_clusters import running_cluster


def test_a_cluster_ends_and_starts_again_with_what_it_had(programs: nodes.ClusterPrograms, tmp_path: Path) -> None:
    with running_cluster(programs, tmp_path, {"only": "zone-a"}) as cluster:
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
