"""What stands behind an EKS cluster in a sandbox: a control plane, nodes, cert-manager, identities of pods.

Owns the one cluster of a sandbox's folder, and the names of its nodes. What isn't real is said by `NOT_REAL`. Refuses a
second cluster.
"""

import sys
import time
from base64 import b64encode
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fake_providers import cluster_waits, pod_endpoints
from fake_providers.cluster_api import ClusterAccess, ClusterApi
from fake_providers.cluster_waits import Waiting
from fake_providers.kubernetes import ADMINISTRATOR
from fake_providers.machines import MachineError, default_cache
from fake_providers.nodes import Cluster, ClusterNode, prepare
from fake_providers.nodes.images import AUTHORITIES_FILE
from fake_providers.servicer import RefusedError, Values
from fake_providers.token_service import TokenService

NOT_REAL = (
    "the network, its security groups and the metadata service; how commands here log in to the cluster, which is as "
    "its own administrator; what AWS allows nodes and the control plane; signatures of requests, which nobody "
    "verifies but those by which somebody logs in to the cluster; zones and volumes, which are folders of this "
    "machine; all nodes but one of those that aren't for servers; AWS itself, of which moto keeps objects and secrets "
    "for as long as it runs"
)
_NODES_FOR_ALL = 1
"""Nothing here needs a second one, and each takes memory and time to start."""
_TAINTS = {"NO_SCHEDULE": "NoSchedule", "NO_EXECUTE": "NoExecute", "PREFER_NO_SCHEDULE": "PreferNoSchedule"}
_NODE = "core/v1:Node"
_READY_SECONDS = 300.0
"""A node takes 10 s on a machine that does nothing else, and a minute on a busy one."""
_GROUP_LABEL = "eks.amazonaws.com/nodegroup"


def folder_of(machines: Path) -> Path:
    """Where the cluster is, in the folder of a sandbox's machines."""
    return machines / "cluster" / "kubernetes"


@dataclass(frozen=True)
class EksMachines:
    """The cluster of one sandbox."""

    machines: Path

    @property
    def cluster(self) -> Cluster:
        """What runs, or could. Raises RefusedError: it can't be built."""
        with refusing():
            programs = prepare(default_cache(), lambda text: print(text, file=sys.stderr, flush=True))
            return Cluster(folder_of(self.machines), programs)

    def start(self) -> Values:
        """Have the control plane running; what follows from it for `eks.Cluster`. Raises RefusedError."""
        cluster = self.cluster
        with refusing():
            cluster.start()
        file = self.machines / ADMINISTRATOR
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600)
        file.write_bytes(cluster.kubeconfig.read_bytes())
        authority = b64encode(cluster.authority).decode()
        return {"endpoint": cluster.endpoint, "certificateAuthority": {"data": authority}, "status": "ACTIVE"}

    def let_in(self, world: Path, aws: TokenService) -> None:
        """Let in whom the access entries in the file of this sandbox's objects name. Raises RefusedError."""
        cluster = self.cluster
        with refusing():
            cluster.use_token_service(aws)
            cluster.let_in(world)

    def scale(self, group: str, inputs: Values, zones: Collection[str]) -> None:
        """Have a group's nodes, spread over its zones, and no others of it; they are ready then. Of a group that is for
        all pods one is enough. Raises RefusedError."""
        cluster, there = self.cluster, sorted(zones)
        wished = int(inputs["scalingConfig"]["desiredSize"])
        wanted = {
            f"{group}-{number}": ClusterNode(
                name=f"{group}-{number}",
                zone=there[number % len(there)],
                labels={**(inputs.get("labels") or {}), _GROUP_LABEL: group},
                taints={
                    one["key"]: f"{one.get('value', '')}:{_TAINTS[one['effect']]}" for one in inputs.get("taints") or []
                },
            )
            for number in range(wished if inputs.get("taints") else min(wished, _NODES_FOR_ALL))
        }
        with refusing():
            for name in _of(cluster, group) - wanted.keys():
                cluster.remove_node(name)
            for node in wanted.values():
                cluster.add_node(node)
        self._await_ready(sorted(wanted))

    def _await_ready(self, names: Sequence[str]) -> None:
        """These alone: other groups come at the same time."""
        api, waiting = self.api(), Waiting(pause=_pause, seconds=_READY_SECONDS)
        for name in names:
            waiting.until(partial(_is_ready, api, name), partial(self._told, name))

    def _told(self, name: str) -> str:
        return f"node {name}; {self.cluster.last_words(name)}"

    def remove_group(self, group: str) -> None:
        """Take a group's nodes away."""
        cluster = self.cluster
        with refusing():
            for name in sorted(_of(cluster, group)):
                cluster.remove_node(name)

    def keep_groups(self, groups: Collection[str]) -> None:
        """Take away nodes of other groups, as of a run that was killed."""
        if not folder_of(self.machines).is_dir():
            return
        cluster = self.cluster
        with refusing():
            for name in cluster.nodes():
                if name.rpartition("-")[0] not in groups:
                    cluster.remove_node(name)

    def install(self, addon: str) -> None:
        """What an add-on brings that the nodes don't have by themselves. Raises RefusedError."""
        if addon == "cert-manager":
            cluster = self.cluster
            with refusing():
                cluster.install_certificates()

    def associate(self, identity: str, inputs: Values, aws: TokenService | None) -> None:
        """Give an account's pods their role, and where this sandbox's AWS is. Raises RefusedError."""
        namespace, account, cluster = inputs["namespace"], inputs["serviceAccount"], self.cluster
        with refusing():
            if aws:
                cluster.use_token_service(aws)
            cluster.associate(namespace, account, str(inputs["roleArn"]))
        if aws:
            variables = {
                "AWS_ENDPOINT_URL": aws.url,
                # HashiCorp's server has AWS' client of the first version, which doesn't know that variable.
                "AWS_KMS_ENDPOINT": aws.url,
                **({"AWS_CA_BUNDLE": f"/{AUTHORITIES_FILE}"} if aws.authority else {}),
            }
            pod_endpoints.tell(self.api(), f"aws-of-{identity}", namespace, account, variables)

    def dissociate(self, identity: str, inputs: Values) -> None:
        """Take that away."""
        with refusing():
            self.cluster.associate(inputs["namespace"], inputs["serviceAccount"], None)
        pod_endpoints.forget(self.api(), f"aws-of-{identity}")

    def api(self) -> ClusterApi:
        """The cluster's API, as its administrator."""
        return ClusterApi(ClusterAccess.of_file(self.machines / ADMINISTRATOR))

    def remove(self) -> None:
        """Take all of it away. Its images and its network stay with the sandbox: images are added and servers beside it
        are started before there is a cluster, and one that takes the place of a killed run's has to have them."""
        cluster = self.cluster
        with refusing():
            cluster.empty()
        (self.machines / ADMINISTRATOR).unlink(missing_ok=True)


def _pause(seconds: float) -> bool:
    """Nobody ends this wait."""
    time.sleep(seconds)
    return False


def _is_ready(api: ClusterApi, node: str) -> bool:
    return cluster_waits.has(api.find(_NODE, None, node), "Ready")


def _of(cluster: Cluster, group: str) -> set[str]:
    return {name for name in cluster.nodes() if name.rpartition("-")[0] == group}


@contextmanager
def refusing() -> Iterator[None]:
    """What a cluster can't do, the cloud refuses."""
    try:
        yield
    except MachineError as error:
        raise RefusedError(str(error)) from error
