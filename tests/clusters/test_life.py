"""A cluster that is stopped and started keeps what it had, and nothing of one that is removed stays on this machine."""

from dataclasses import replace
from pathlib import Path

import pytest

from fake_providers import nodes
from fake_providers.machines import MachineError
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


def test_a_node_whose_runtime_ends_is_told_with_its_last_words(programs: nodes.ClusterPrograms, tmp_path: Path) -> None:
    broken = tmp_path / "bin"
    broken.mkdir()
    for program in programs.bin.iterdir():
        (broken / program.name).symlink_to(program)
    runtime = broken / "containerd"
    runtime.unlink()
    runtime.write_text("#!/bin/sh\necho no such disk >&2\nexit 3\n")
    runtime.chmod(0o755)

    with (
        pytest.raises(
            MachineError, match=r"node-only of the cluster ended: .*containerd ended; containerd: no such disk"
        ),
        running_cluster(replace(programs, bin=broken), tmp_path, {"only": "zone-a"}),
    ):
        pass
