"""One node: a container runtime, a kubelet and a service proxy in namespaces of their own; pods really run.

Owns `nodes/<name>/` of a cluster's folder: what its programs read, its disk, its logs. What stays the host's: the
kernel, its clock, its programs.
"""

import importlib.resources
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fake_providers.machines import MachineError
from fake_providers.machines.commands import run
from fake_providers.machines.groups import hierarchies
from fake_providers.nodes.identities import Identities, write_private
from fake_providers.nodes.images import ClusterImage
from fake_providers.nodes.network import NAMES_SERVICE, SERVICES, NodesNetwork
from fake_providers.nodes.pod_identity import AGENT_PORT
from fake_providers.nodes.processes import Background
from fake_providers.nodes.programs import ClusterPrograms

REGION = "sandbox"
_LINE = 300
"""Characters of a line that are told."""
_ZONE_LABEL, _REGION_LABEL = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"


@dataclass(frozen=True, kw_only=True)
class ClusterNode:
    """What a node is to be."""

    name: str
    """Its name in the cluster: small letters, digits, dashes and dots."""
    zone: str
    """Where its volumes are, and the label that says so."""
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Mapping[str, str] = field(default_factory=dict)
    """By key, the value and the effect, such as `{"dedicated": "vault:NoSchedule"}`."""


@dataclass(frozen=True, kw_only=True)
class RunningNode:
    """One node, and where it is."""

    cluster: Path
    """The cluster's folder."""
    node: ClusterNode
    index: int
    network: NodesNetwork
    programs: ClusterPrograms

    @property
    def folder(self) -> Path:
        """Everything of it."""
        return self.cluster / "nodes" / self.node.name

    @property
    def volumes(self) -> Path:
        """What every node of its zone has as /var/lib/volumes."""
        return self.cluster / "zones" / self.node.zone

    @property
    def background(self) -> Background:
        """What runs it."""
        return Background(self.cluster, f"node-{self.node.name}")

    def plug_in(self, images: Sequence[ClusterImage], server: str, policies: bytes) -> None:
        """Start it, unless it runs; with images beside the programs' own. `server` is the API's address, `policies` a
        kubeconfig for who enforces network policies."""
        if self.background.is_running:
            return
        self.network.connect(self.index)
        self._write(images, server, policies)
        part = self.network.part_of(self.index)
        for place in hierarchies():
            _make_group(place, part)
        script = self.folder / "node.sh"
        arguments = [str(self.programs.bin), str(self.folder), str(self.volumes), self.node.name, "--"]
        arguments += ["--node-ip", self.network.node(self.index), "--node-labels", self._labels()]
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts", "--ipc"]
        self.background.start([*self.network.inside(part), *apart, "bash", str(script), *arguments])

    def unplug(self) -> None:
        """Pull its plug: its pods end at once, and what they had not written is lost."""
        self.background.kill()
        self.network.disconnect(self.index)

    def last_words(self) -> str:
        """Of each of its programs, the last line."""
        said = {
            log.stem: log.read_text(errors="replace").strip().rpartition("\n")[2] for log in self.folder.glob("*.log")
        }
        return "; ".join(f"{program}: {line[:_LINE]}" for program, line in sorted(said.items()) if line)

    def _labels(self) -> str:
        labels = {_ZONE_LABEL: self.node.zone, _REGION_LABEL: REGION, **self.node.labels}
        return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))

    def _write(self, images: Sequence[ClusterImage], server: str, policies: bytes) -> None:
        folder = self.folder
        for path in (folder / "lib", folder / "log", folder / "cni", self.volumes):
            # Users of containers enter it, whatever the caller's umask.
            run(["mkdir", "--parents", str(path)])
        self._begin_store()
        identities = Identities(self.cluster / "tls")
        write_private(folder / "kubeconfig", identities.nodes(server, self.node.name))
        write_private(folder / "proxy.kubeconfig", identities.proxys(server))
        write_private(folder / "policies.kubeconfig", policies)
        text = importlib.resources.files(__package__).joinpath("node.sh").read_text(encoding="utf-8")
        _write(folder / "node.sh", text)
        _write(folder / "resolv.conf", "")
        _write(folder / "services", SERVICES)
        _write(folder / "identity", f"http://{self.network.control_plane}:{AGENT_PORT}")
        _write(folder / "images", "".join(f"{one.archive} {one.digest}\n" for one in images))
        _write(folder / "containerd.toml", self._runtime())
        _write(folder / "cni" / "pods.conflist", json.dumps(self._pods_network()))
        _write(folder / "kubelet.yaml", yaml.safe_dump(self._kubelet()))
        _write(folder / "proxy.yaml", yaml.safe_dump(self._proxy()))

    def _begin_store(self) -> None:
        """Give the container runtime the programs' images, unpacked: it shares their files, which nobody writes, and
        has a copy of its own of its databases, which it does."""
        store, fresh = self.folder / "lib" / "containerd", self.folder / "lib" / "containerd.new"
        if store.is_dir():
            return
        run(["rm", "--recursive", "--force", str(fresh)])
        try:
            run(["cp", "--archive", "--link", str(self.programs.store), str(fresh)])
        except MachineError:
            # The cache is on another disk.
            run(["rm", "--recursive", "--force", str(fresh)])
            run(["cp", "--archive", str(self.programs.store), str(fresh)])
        for database in fresh.rglob("*.db"):
            content = database.read_bytes()
            database.unlink()
            database.write_bytes(content)
        fresh.rename(store)

    def _runtime(self) -> str:
        pause = self.programs.pause
        return f"""\
version = 3
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '{pause.reference}'
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true # root may lack CAP_SYS_RESOURCE
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['{self.programs.bin}/cni']
  conf_dir = '{self.folder}/cni'
"""

    def _pods_network(self) -> dict[str, Any]:
        addresses = {"type": "host-local", "ranges": [[{"subnet": self.network.pods_of(self.index)}]]}
        bridge = {
            "type": "bridge",
            "bridge": "pods",
            "isDefaultGateway": True,
            "hairpinMode": True,
            "ipam": {**addresses, "dataDir": "/run/cni"},
        }
        return {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge]}

    def _kubelet(self) -> dict[str, Any]:
        taints = [
            {"key": key, "value": text.partition(":")[0], "effect": text.partition(":")[2]}
            for key, text in sorted(self.node.taints.items())
        ]
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "failCgroupV1": False,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.network.part_of(self.index)}",
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "address": self.network.node(self.index),
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": False},
                "x509": {"clientCAFile": str(Identities(self.cluster / "tls").authority_file)},
            },
            "authorization": {"mode": "AlwaysAllow"},
            "clusterDNS": [NAMES_SERVICE],
            "clusterDomain": "cluster.local",
            "resolvConf": str(self.folder / "resolv.conf"),
            "failSwapOn": False,
            "oomScoreAdj": 0,
            "syncFrequency": "10s",
            "registerWithTaints": taints,
            # Never: there is nowhere to pull an image from again.
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {
                "memory.available": "100Mi",
                "nodefs.available": "1%",
                "nodefs.inodesFree": "1%",
                "imagefs.available": "1%",
            },
        }

    def _proxy(self) -> dict[str, Any]:
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            # With nftables it refuses what goes to the address of the service `kubernetes`, which the API server has.
            "mode": "iptables",
            "hostnameOverride": self.node.name,
            "oomScoreAdj": 0,
            "clusterCIDR": self.network.pods,
            "clientConnection": {"kubeconfig": str(self.folder / "proxy.kubeconfig")},
            # The host's, and shared with it.
            "conntrack": {
                "maxPerCore": 0,
                "min": 0,
                "tcpEstablishedTimeout": "0s",
                "tcpCloseWaitTimeout": "0s",
            },
        }


def _make_group(hierarchy: Path, name: str) -> None:
    """A control group whose pods' limits can be set. In the second version of control groups a parent has to lend its
    controllers; what isn't there, or what the host keeps, is left out."""
    (hierarchy / name).mkdir(exist_ok=True)
    for group in (hierarchy, hierarchy / name):
        controllers = group / "cgroup.controllers"
        for controller in controllers.read_text().split() if controllers.is_file() else []:
            _lend(group / "cgroup.subtree_control", controller)


def _lend(file: Path, controller: str) -> None:
    try:
        file.write_text(f"+{controller}")
    except OSError:
        return  # of a group that has processes, or already lent


def _write(file: Path, content: str) -> None:
    file.write_text(content)
    file.chmod(0o644)
