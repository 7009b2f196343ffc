"""Servers whose pods really run: upgraded under load, stopped by a broken image, drained, and made to join again.

Not held here: AWS' volumes, which take longer to move, HashiCorp's server, and five servers.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from components.render.chart.names import NAMESPACE, api_in_cluster
from fake_providers import nodes
from ops.clusters.api import TOO_MANY, KubernetesRefusedError
from ops.clusters.gate import Gate
from ops.clusters.pods import PodView
from ops.clusters.rejoining import Rejoin
from ops.clusters.upgrading import Upgrade, Upgraded
from ops.errors import EstateError
from tests.support import writing_load
from tests.support.pods import Pods
from tests.support.servers import eventually
from tests.support.servers_in_pods import COUNT, ServersInPods, servers_in_pods

ZONES = 2


@pytest.fixture(scope="module")
def servers(cluster: nodes.Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServersInPods]:
    """Three that vote."""
    with servers_in_pods(cluster, tmp_path_factory.mktemp("servers"), zones=ZONES) as made:
        made.gate([]).settle()
        made.client.sys.enable_secrets_engine("kv", path="secret", options={"version": "1"})
        yield made


def upgrade(servers: ServersInPods, patience: float = 300.0) -> Upgraded:
    """One run."""
    gate = servers.gate([], patience)
    return Upgrade(gate=gate, say=print, snapshot=lambda: None, again="the same command").run()


def test_an_upgrade_stops_at_a_broken_image_and_goes_on_without_a_lost_write(
    servers: ServersInPods, pods: Pods
) -> None:
    writes(servers, pods)
    before = servers.gate([]).look()
    pods_of = servers.server.pods
    image = pods_of.image.model_copy(update={"digest": f"sha256:{'0' * 64}"})
    servers.apply(replace(servers.server, pods=pods_of.model_copy(update={"image": image})))

    with pytest.raises(EstateError, match="isn't ready") as caught:
        upgrade(servers, 60)

    stopped = servers.gate([]).look()
    broken = [name for name, pod in stopped.pods.pods.items() if pod.uid != before.pods.pods[name].uid]
    assert len(broken) == 1
    assert f"Pods at the new revision {stopped.pods.revision}: {broken[0]}; at an older revision" in str(caught.value)

    servers.apply(replace(servers.server, pods=pods_of.model_copy(update={"cpu_millicores": 101})))
    done = upgrade(servers)

    assert done.replaced[0] == broken[0]
    assert sorted(done.replaced) == [f"vault-{number}" for number in range(COUNT)]
    assert {pod.revision for pod in servers.gate([]).look().pods.pods.values()} == {done.revision}
    said = pods.kubectl("logs", "load").splitlines()
    assert [line for line in said if line.startswith("lost")] == []
    assert len([line for line in said if line.startswith("written")]) > len(done.replaced)


def writes(servers: ServersInPods, pods: Pods) -> None:
    """Somebody who writes from now on, from a pod of another namespace."""
    authority = servers.port.authority.read_text(encoding="ascii")
    given = {"ADDRESS": api_in_cluster().removeprefix("https://"), "TOKEN": servers.root_token, "AUTHORITY": authority}
    program = Path(writing_load.__file__).read_text(encoding="utf-8")
    settings = "; ".join(f"os.environ[{name!r}] = {value!r}" for name, value in given.items())
    text = f"import os; {settings}\n{program}"
    pods.start("load", ["python3", "-B", "-c", text], image=pods.cluster.programs.tools.reference)
    assert eventually(lambda: "written" in pods.kubectl("logs", "load", "--ignore-errors"), 120)


def test_each_node_is_drained_and_a_second_eviction_at_once_is_refused(servers: ServersInPods) -> None:
    gate = servers.gate([])
    fewest = [COUNT]
    for node in servers.cluster.nodes():
        assert eventually(lambda: well(gate, fewest), 300)
        look = gate.look()
        placed = where(servers)
        first = look.pods.pods[next(name for name, one in placed.items() if one == node)]
        second = next(pod for pod in look.pods.pods.values() if pod.name != first.name)
        servers.cluster.kubectl("cordon", node)

        assert eventually(lambda one=first: evicted(gate, one))  # type: ignore[misc]
        with pytest.raises(KubernetesRefusedError) as caught:
            gate.pods.evict(second)

        assert caught.value.why == TOO_MANY
        servers.cluster.kubectl("uncordon", node)
    assert eventually(lambda: well(gate, fewest), 300)
    assert fewest[0] >= COUNT - 1


def evicted(gate: Gate, pod: PodView) -> bool:
    """Whether the disruption budget lets it go. It may count another one as missing that has just come back."""
    try:
        gate.pods.evict(pod)
    except KubernetesRefusedError as error:
        if error.why != TOO_MANY:
            raise
        return False
    return True


def well(gate: Gate, fewest: list[int]) -> bool:
    """Whether nothing is doubted. Counts the voters that are well on the way."""
    look = gate.look()
    if look.raft:
        fewest.append(min(fewest.pop(), sum(one.votes and one.is_healthy for one in look.raft.servers.values())))
    return not look.doubts()


def where(servers: ServersInPods) -> dict[str, str]:
    """On which node each server is."""
    found = json.loads(servers.cluster.kubectl("get", "pods", "--namespace", NAMESPACE, "--output", "json"))
    return {one["metadata"]["name"]: one["spec"].get("nodeName", "") for one in found["items"]}


def test_a_server_that_was_taken_out_joins_again_with_new_volumes(servers: ServersInPods) -> None:
    gate = servers.gate([])
    assert eventually(lambda: well(gate, [COUNT]), 300)
    look = gate.look()
    assert look.raft is not None
    out = next(name for name in look.pods.names if name != look.raft.leader)
    volumes = {str(claim["spec"]["volumeName"]) for claim in claims(gate, out)}

    gate.raft.remove(out)
    doubt = f"{out} isn't among Raft's servers, whatever its pod says"
    assert eventually(lambda: doubt in [one.text for one in gate.look().doubts()])
    done = Rejoin(gate=gate, say=print).run(out)

    assert set(done.left_volumes) == volumes
    assert volumes.isdisjoint({claim["spec"]["volumeName"] for claim in claims(gate, out)})
    assert servers.client.adapter.get("/v1/secret/load")["data"]["number"] > 0


def claims(gate: Gate, server: str) -> list[dict[str, dict[str, str]]]:
    """Both of a server's."""
    return [dict(found) for volume in ("data", "audit") if (found := gate.pods.claim(volume, server))]
