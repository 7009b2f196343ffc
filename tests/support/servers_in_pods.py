"""OpenBao servers in a cluster whose pods really run: by the chart's objects and the network policies, as the product
makes both.

Owns what stands in for an account: another Vault on this machine that unseals, a certificate of a test's authority, and
a program `aws` that does nothing, since the cluster's address is known. The root token stays with the test.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hvac
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from components.render.chart import names, network_policies, values
from components.render.chart.network_policies import PodTraffic
from components.render.chart.pods import ServerImage, ServerPods
from components.render.chart.server_file import ClusterServer, server_file
from components.render.seals import SealPlace
from fake_providers import chart, nodes
from fake_providers.machines import MachineError
from fake_providers.nodes import network
from ops.clusters.gate import Gate
from ops.clusters.pods import VaultPods
from ops.clusters.raft import Raft
from ops.platforms.forwarding import ForwardedPort, Programs, forwarded
from ops.platforms.kubectl import Kubectl
from tests.support.certificates import issue_for, make_authority
from tests.support.sealed import UnsealingVault, unsealing_vault
from tests.support.servers import eventually, free_ports

COUNT = 3
"""How many there are at first."""
MOST = 5
"""How many there may be: the certificate has their names."""
_RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@dataclass(kw_only=True)
class ServersInPods:
    """All of them, and how they are reached."""

    cluster: nodes.Cluster
    folder: Path
    port: ForwardedPort
    server: ClusterServer
    unsealing: UnsealingVault
    root_token: str = field(default="", repr=False)

    @property
    def address(self) -> str:
        """Of the forwarded port."""
        return f"https://127.0.0.1:{self.port.port}"

    @property
    def programs(self) -> Programs:
        """`kubectl`, and an `aws` that does nothing."""
        path = f"{self.folder / 'bin'}:{self.cluster.programs.bin}:/usr/bin:/bin"
        return Programs(environ={"PATH": path, "HOME": str(self.folder)})

    @property
    def kubectl(self) -> Kubectl:
        """As commands use it."""
        return Kubectl(cluster=self.port, programs=self.programs)

    @property
    def client(self) -> hvac.Client:
        """With the root token."""
        return hvac.Client(url=self.address, verify=str(self.port.authority), token=self.root_token, timeout=10)

    def gate(self, said: list[str], patience: float = 300.0) -> Gate:
        """As commands look."""
        return Gate(pods=VaultPods(self.kubectl), raft=Raft(self.client), say=said.append, patience=patience)

    def apply(self, server: ClusterServer) -> None:
        """What the chart makes for such servers."""
        text = server_file(server, SealPlace())
        made = chart.render("openbao-0.29.2.tgz", names.RELEASE, names.NAMESPACE, values.values(server, text))
        self.have(*made)

    def certify(self) -> str:
        """Another certificate for all of them, as cert-manager puts a renewed one; its SHA-256."""
        folder = self.port.authority.parent
        pair = issue_for([*names.certified(MOST)], folder)
        files = {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": (folder / "ca.crt").read_bytes()}
        self.have(_secret(names.CERTIFICATE, files))
        return x509.load_pem_x509_certificate(pair.certificate).fingerprint(hashes.SHA256()).hex()

    def inside(self, server: str, script: str) -> str:
        """What a shell in a server's container prints. Raises MachineError: it ends with an error."""
        where = ["--namespace", names.NAMESPACE, server, "--container", "openbao"]
        return self.cluster.kubectl("exec", *where, "--", "sh", "-c", script)

    def told(self, server: str) -> str:
        """What a server's container says, and what the one before it said."""
        what = ["logs", "--namespace", names.NAMESPACE, server, "--container", "openbao", "--ignore-errors"]
        said = ""
        for which in ([], ["--previous"]):
            with suppress(MachineError):  # there is none yet, or none before it
                said += self.cluster.kubectl(*what, *which)
        return said

    def restarts(self) -> dict[str, int]:
        """How often each server's container was started anew."""
        found = json.loads(self.cluster.kubectl("get", "pods", "--namespace", names.NAMESPACE, "--output", "json"))
        return {
            pod["metadata"]["name"]: sum(
                one["restartCount"] for one in pod["status"]["containerStatuses"] if one["name"] == "openbao"
            )
            for pod in found["items"]
        }

    def have(self, *objects: Mapping[str, Any]) -> None:
        """Have objects as they are given."""
        given = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.cluster.kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-", given=given)


@contextmanager
def servers_in_pods(cluster: nodes.Cluster, folder: Path, zones: int) -> Iterator[ServersInPods]:
    """Started, initialised and reached; some may not vote yet. All nodes of the cluster take them."""
    (folder / "bin").mkdir()
    (folder / "bin" / "aws").write_text("#!/bin/sh\n# a fake, made by a test: the cluster's address is there already\n")
    (folder / "bin" / "aws").chmod(0o755)
    authority = folder / "tls"
    authority.mkdir(mode=0o700)
    make_authority(authority)
    with unsealing_vault(folder / "unsealing", cluster.host_address) as unsealing:
        made = _wanted(cluster, folder, zones, unsealing)
        cluster.kubectl("label", "nodes", "--all", "--overwrite", "role=vault")
        made.have(*_around(made))
        made.certify()
        made.apply(made.server)
        try:
            assert eventually(lambda: _runs(made), 120)
            with forwarded(made.port, waits=True, say=print, programs=made.programs):
                _initialise(made)
                yield made
        finally:
            cluster.kubectl("delete", "namespace", names.NAMESPACE, "--wait=false")


def _wanted(cluster: nodes.Cluster, folder: Path, zones: int, unsealing: UnsealingVault) -> ServersInPods:
    repository, _, digest = cluster.programs.server.reference.partition("@")
    pods = ServerPods(
        image=ServerImage(repository=repository, digest=digest),
        replicas=COUNT,
        cpu_millicores=100,
        memory_mebibytes=512,
    )
    server = ClusterServer(flavor="openbao", version="2.7.2", pods=pods, seal=unsealing.seal, zones=zones)
    port = ForwardedPort(
        cluster="test",
        region="nowhere",
        profile=None,
        port=free_ports(1)[0],
        kubeconfig=cluster.kubeconfig,
        authority=folder / "tls" / "ca.crt",
    )
    return ServersInPods(cluster=cluster, folder=folder, port=port, server=server, unsealing=unsealing)


def _runs(made: ServersInPods) -> bool:
    """Whether there is a pod that a port can be forwarded to."""
    pods = [*VaultPods(made.kubectl).look().pods]
    where = ["--namespace", names.NAMESPACE, "--output", "jsonpath={.items[*].status.phase}"]
    return len(pods) == COUNT and made.cluster.kubectl("get", "pods", *where).split() == ["Running"] * COUNT


def _initialise(made: ServersInPods) -> None:
    found: list[str] = []

    def initialised() -> bool:
        body = {"recovery_shares": 1, "recovery_threshold": 1}
        try:
            answer = requests.put(f"{made.address}/v1/sys/init", json=body, verify=str(made.port.authority), timeout=60)
        except requests.RequestException:
            return False
        found.append(answer.text)
        return answer.ok

    assert eventually(initialised, 120), found
    made.root_token = str(json.loads(found[-1])["root_token"])


def _around(made: ServersInPods) -> list[Mapping[str, Any]]:
    """What the servers need beside the chart and the certificate."""
    own = network.find(made.cluster.folder)
    assert own is not None
    traffic = PodTraffic(
        flavor=made.server.flavor,
        api_networks=(f"{network.API_SERVICE}/32", f"{own.control_plane}/32"),
        needs=made.server.seal.needs(),
    )
    given = {"token": made.unsealing.token.encode(), "ca.crt": made.unsealing.server.ca_file.read_bytes()}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.NAMESPACE, "labels": _RESTRICTED}},
        _policy("nothing", network_policies.nothing()),
        _policy(names.RELEASE, network_policies.servers(traffic)),
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": names.STORAGE_CLASS},
            "provisioner": "ebs.csi.aws.com",
            "volumeBindingMode": "WaitForFirstConsumer",
            "allowVolumeExpansion": True,
            "reclaimPolicy": "Retain",
        },
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": names.PRIORITY_CLASS},
            "value": 1_000,
        },
        _secret(names.SEAL_TOKEN, given),
    ]


def _policy(name: str, specification: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = {"name": name, "namespace": names.NAMESPACE}
    kind = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}
    return {**kind, "metadata": metadata, "spec": specification}


def _secret(name: str, files: Mapping[str, bytes]) -> Mapping[str, Any]:
    encoded = {file: base64.b64encode(content).decode() for file, content in files.items()}
    metadata = {"name": name, "namespace": names.NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded}
