"""One Kubernetes cluster on this machine, whose nodes really run pods; any process finds it again by its folder.

Owns that folder: `cluster.json` says which nodes there are and which names its DNS answers. It outlives the process
that made it, until `remove`. Refuses a second of the same folder at once: each change holds its lock.
"""

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fake_providers.machines import MachineError
from fake_providers.machines.commands import environment, run
from fake_providers.nodes import certificates, images, limits, logins, names, network, pod_identity
from fake_providers.nodes.control_plane import ControlPlane
from fake_providers.nodes.identities import write_private
from fake_providers.nodes.images import ClusterImage
from fake_providers.nodes.network import NodesNetwork
from fake_providers.nodes.node import ClusterNode, RunningNode
from fake_providers.nodes.processes import running
from fake_providers.nodes.programs import ClusterPrograms
from fake_providers.shared_file import locked, shared
from fake_providers.token_service import TokenService

_READY_SECONDS = 180.0
"""It takes 15 s on a machine that does nothing else."""
_KUBECTL_SECONDS = 60.0
_IMAGES = "images"


@dataclass(frozen=True)
class Cluster:
    """One cluster, by its folder."""

    folder: Path
    programs: ClusterPrograms

    def __post_init__(self) -> None:
        """Its programs are started elsewhere."""
        object.__setattr__(self, "folder", self.folder.resolve())

    def start(self) -> None:
        """Start it, or what of it doesn't run; with what it had, if it was there before. Nodes are plugged in again,
        all but those that somebody unplugged. Returns when its API is ready.
        Raises MachineError: it doesn't start; with the last lines of who ended."""
        limits.let_nodes_watch()
        with self._exclusive():
            plane = ControlPlane(folder=self.folder, network=network.ensure(self.folder), programs=self.programs)
            plane.start()
            authority = base64.b64encode(self.authority).decode()
            asked = pod_identity.webhook(plane.network.control_plane, authority)
            own = names.objects(self.programs.coredns, self._kept().get("names", {}))
            self._apply([*own, asked, *logins.bindings()])
            for node in self._running_nodes():
                if self._kept()["nodes"][node.node.name]["plugged_in"]:
                    self._plug_in(node)

    @property
    def is_running(self) -> bool:
        """Whether the control plane runs."""
        return network.find(self.folder) is not None and self._plane().is_running

    @property
    def endpoint(self) -> str:
        """URL of its API."""
        return self._plane().endpoint

    @property
    def authority(self) -> bytes:
        """Who signed the API's certificate, as PEM."""
        return self._plane().identities.authority_file.read_bytes()

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self._plane().kubeconfig

    @property
    def host_address(self) -> str:
        """Where its nodes and pods reach servers of this machine."""
        return self._network().host

    def add_image(self, name: str, image: ClusterImage, authority: bytes) -> ClusterImage:
        """An image whose programs trust one more authority (PEM), by a reference of its own. Nodes have it from when
        they are plugged in next."""
        with self._exclusive():
            return images.trusting(image, self.folder / _IMAGES / f"{name}.tar", authority)

    def add_node(self, node: ClusterNode) -> None:
        """Plug a new node in; `wait_ready` tells when it is one of the cluster's. The same again is no error.
        Raises MachineError: another one has the name, or there are too many."""
        with self._exclusive():
            with shared(self._file) as kept:
                there = kept.setdefault("nodes", {})
                if node.name not in there:
                    index = network.free_index(one["index"] for one in there.values())
                    there[node.name] = {"index": index, "plugged_in": True, "node": asdict(node)}
                elif there[node.name]["node"] != asdict(node):
                    raise MachineError(f"there is a node {node.name!r} already, and another than this one")
            self._plug_in(self._running_node(node.name))

    def nodes(self) -> dict[str, bool]:
        """Every node, and whether it runs."""
        return {one.node.name: one.background.is_running for one in self._running_nodes()}

    def last_words(self, name: str) -> str:
        """Of each program of a node, the last line."""
        return self._running_node(name).last_words()

    def remove_node(self, name: str) -> None:
        """Unplug a node and forget it; its zone's volumes stay. None of that name is no error."""
        with self._exclusive():
            if name not in self._kept().get("nodes", {}):
                return
            node = self._running_node(name)
            node.unplug()
            if self.is_running:
                self.kubectl("delete", "node", name, "--ignore-not-found", "--wait=false")
            shutil.rmtree(node.folder, ignore_errors=True)
            with shared(self._file) as kept:
                del kept["nodes"][name]

    def unplug(self, name: str) -> None:
        """Pull a node's plug: everything on it ends at once. The cluster finds out by itself."""
        with self._exclusive():
            self._remember(name, plugged_in=False)
            self._running_node(name).unplug()

    def plug_in(self, name: str) -> None:
        """Start a node again, with its disk."""
        with self._exclusive():
            self._remember(name, plugged_in=True)
            self._plug_in(self._running_node(name))

    def wait_ready(self, seconds: float = _READY_SECONDS) -> None:
        """Wait until every node that is plugged in is ready, and the cluster's DNS answers if there is any.
        Raises MachineError: one isn't within that time, or ended; with the last line of each of its programs."""
        for node in self._running_nodes():
            if self._kept()["nodes"][node.node.name]["plugged_in"]:
                try:
                    node.background.wait(lambda name=node.node.name: self._is_ready(name), seconds)  # type: ignore[misc]
                except MachineError as error:
                    raise MachineError(f"{error}; {node.last_words()}") from None
        if self.nodes():
            limit = f"--timeout={seconds:.0f}s"
            which = ["--namespace", names.NAMESPACE, f"deployment/{names.NAME}", limit]
            self.kubectl("rollout", "status", *which, seconds=seconds + 5)

    def resolve(self, addresses: Mapping[str, str]) -> None:
        """Have pods find names outside the cluster at these addresses, and no others than these. Raises MachineError:
        the cluster's DNS doesn't take them on."""
        with self._exclusive():
            with shared(self._file) as kept:
                kept["names"] = dict(addresses)
            self._apply(names.objects(self.programs.coredns, addresses))
        self.wait_ready()

    def install_certificates(self) -> None:
        """Have cert-manager in the cluster; its pod runs as soon as there is a node for it. Raises MachineError: the
        cluster refuses."""
        with self._exclusive():
            self._apply(list(certificates.kinds(self.programs.bin / "certificates")))
            self._apply(certificates.controller(self.programs.certificates))
            self.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")

    def remove_certificates(self) -> None:
        """Take cert-manager away, and with its kinds all objects of them. Nothing there is no error."""
        with self._exclusive():
            for objects in (
                certificates.controller(self.programs.certificates),
                list(certificates.kinds(self.programs.bin / "certificates")),
            ):
                given = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
                self.kubectl("delete", "--ignore-not-found", "--filename", "-", given=given)

    def use_token_service(self, service: TokenService) -> None:
        """Where Pod Identity gets credentials, by a URL at which this machine's address in the cluster answers."""
        with self._exclusive():
            file = self.folder / "token-service.crt"
            if service.authority is not None:
                write_private(file, service.authority)
            with shared(pod_identity.Associations(self.folder).file) as kept:
                kept.update(
                    token_service=service.url,
                    region=service.region,
                    cluster=service.cluster,
                    authority_file=str(file) if service.authority else None,
                )

    def let_in(self, world: Path) -> None:
        """Let in whom the account's access entries name, as they are in the file of its objects at each login. The
        token service says who somebody is."""
        with self._exclusive(), shared(pod_identity.Associations(self.folder).file) as kept:
            kept["world"] = str(world.resolve())

    def associate(self, namespace: str, account: str, role: str | None) -> None:
        """Give pods of a service account a role, by its ARN, or none. As in EKS, pods that are there keep what they
        were made with."""
        with self._exclusive(), shared(pod_identity.Associations(self.folder).file) as kept:
            roles = kept.setdefault("roles", {})
            roles.pop(f"{namespace}/{account}", None)
            if role is not None:
                roles[f"{namespace}/{account}"] = role

    def kubectl(self, *arguments: str, given: str | None = None, seconds: float = _KUBECTL_SECONDS) -> str:
        """What `kubectl` prints, as the administrator; `given` is its standard input. Raises MachineError: it failed;
        with its last line."""
        command = [str(self.programs.bin / "kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]
        if given is None:
            return run(command, timeout=seconds)
        answer = subprocess.run(
            command, input=given, capture_output=True, text=True, check=False, timeout=seconds, env=environment()
        )
        if answer.returncode:
            said = (answer.stderr.strip() or "no reason given").splitlines()[-1]
            raise MachineError(f"kubectl {arguments[0]} ended with {answer.returncode}: {said}")
        return answer.stdout

    def stop(self) -> None:
        """Pull every plug, the control plane's too; what the cluster has is kept. Nothing of it runs any more, and its
        network is gone."""
        with self._exclusive():
            self._stop()

    def remove(self) -> None:
        """Stop it and remove all that it has. Nothing there is no error."""
        if not self.folder.is_dir():
            return
        with self._exclusive():
            self._stop()
        run(["rm", "--recursive", "--force", "--one-file-system", str(self.folder)])

    def empty(self) -> None:
        """Stop it and remove all that it has, but for the images that were added: nodes of the next one have them, too.
        Its network stays, since servers of this machine listen at its address. Nothing there is no error."""
        if not self.folder.is_dir():
            return
        with self._exclusive():
            self._end()
            found = network.find(self.folder)
            if found is not None:
                found.empty()
            for path in self.folder.iterdir():
                if path.name not in (_IMAGES, *network.FILES):
                    run(["rm", "--recursive", "--force", "--one-file-system", str(path)])

    def _stop(self) -> None:
        self._end()
        found = network.find(self.folder)
        if found is not None:
            found.remove()

    def _end(self) -> None:
        for one in running(self.folder):
            one.kill()

    def _plug_in(self, node: RunningNode) -> None:
        if not node.background.is_running:
            self._doubt(node.node.name)
        plane = self._plane()
        own = [images.read(archive) for archive in sorted((self.folder / _IMAGES).glob("*.tar"))]
        node.plug_in(own, plane.endpoint, plane.identities.administrators(plane.endpoint))

    def _doubt(self, name: str) -> None:
        """The cluster may still take a node for ready that was unplugged a moment ago; nobody is to wait for that."""
        if self.kubectl("get", "node", name, "--ignore-not-found", "--output", "name"):
            condition = {"type": "Ready", "status": "Unknown", "reason": "PluggedIn", "message": "it starts"}
            patch = json.dumps({"status": {"conditions": [condition]}})
            self.kubectl("patch", "node", name, "--subresource", "status", "--patch", patch)

    def _is_ready(self, name: str) -> bool:
        ready = '{.status.conditions[?(@.type=="Ready")].status}'
        try:
            return self.kubectl("get", "node", name, "--output", f"jsonpath={ready}") == "True"
        except MachineError:
            return False  # it isn't there yet

    def _apply(self, objects: Sequence[Mapping[str, Any]]) -> None:
        given = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-", given=given)

    def _remember(self, name: str, *, plugged_in: bool) -> None:
        with shared(self._file) as kept:
            if name not in kept.get("nodes", {}):
                raise MachineError(f"there is no node {name!r}; expected one of: {', '.join(kept.get('nodes', {}))}")
            kept["nodes"][name]["plugged_in"] = plugged_in

    def _running_node(self, name: str) -> RunningNode:
        kept = self._kept()["nodes"][name]
        node = ClusterNode(**kept["node"])
        found = self._network()
        return RunningNode(cluster=self.folder, node=node, index=kept["index"], network=found, programs=self.programs)

    def _running_nodes(self) -> Iterator[RunningNode]:
        for name in sorted(self._kept().get("nodes", {})):
            yield self._running_node(name)

    def _plane(self) -> ControlPlane:
        return ControlPlane(folder=self.folder, network=self._network(), programs=self.programs)

    def _network(self) -> NodesNetwork:
        found = network.find(self.folder)
        if found is None:
            raise MachineError(f"there is no cluster in {self.folder}; expected one that was started")
        return found

    @property
    def _file(self) -> Path:
        return self.folder / "cluster.json"

    def _kept(self) -> dict[str, Any]:
        return json.loads(self._file.read_text()) if self._file.is_file() else {}

    def _exclusive(self) -> AbstractContextManager[None]:
        """Hold this cluster against other threads and processes that would change it."""
        return locked(self.folder.with_name(f"{self.folder.name}.lock"))
