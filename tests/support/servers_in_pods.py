"""Three OpenBao servers in a cluster whose pods really run: by the chart's objects, with the product's own values.

Owns what stands in for an account: a static seal whose key is in the listener's Secret, a certificate of a test's
authority, and a program `aws` that does nothing, since the cluster's address is known. The root token stays with the
test.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hvac
import requests

from components.render.chart import names, values
from components.render.chart.pods import ServerImage, ServerPods
from components.render.chart.server_file import ClusterServer, server_file
from components.render.seals import SealPlace, TransitSeal
from fake_providers import chart, nodes
from ops.clusters.gate import Gate
from ops.clusters.pods import VaultPods
from ops.clusters.raft import Raft
from ops.platforms.forwarding import ForwardedPort, Programs, forwarded
from ops.platforms.kubectl import Kubectl
from tests.support.certificates import issue_for, make_authority
from tests.support.servers import eventually, free_ports

COUNT = 3
_SEAL = """seal "static" {
  current_key_id = "test"
  current_key = "file:///openbao/tls/seal.key"
}
"""
_RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@dataclass(kw_only=True)
class ServersInPods:
    """All of them, and how they are reached."""

    cluster: nodes.Cluster
    folder: Path
    port: ForwardedPort
    server: ClusterServer
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
        begin = text.index('seal "transit"')
        text = text[:begin] + _SEAL + text[text.index("}\n", begin) + 2 :]
        made = chart.render("openbao-0.29.2.tgz", names.RELEASE, names.NAMESPACE, values.values(server, text))
        self.have(*made)

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
    repository, _, digest = cluster.programs.server.reference.partition("@")
    pods = ServerPods(
        image=ServerImage(repository=repository, digest=digest),
        replicas=COUNT,
        cpu_millicores=100,
        memory_mebibytes=512,
    )
    seal = TransitSeal(address="https://replaced.invalid:8200", key="replaced")
    server = ClusterServer(flavor="openbao", version="2.7.2", pods=pods, seal=seal, zones=zones)
    port = ForwardedPort(
        cluster="test",
        region="nowhere",
        profile=None,
        port=free_ports(1)[0],
        kubeconfig=cluster.kubeconfig,
        authority=authority / "ca.crt",
    )
    made = ServersInPods(cluster=cluster, folder=folder, port=port, server=server)
    cluster.kubectl("label", "nodes", "--all", "--overwrite", "role=vault")
    made.have(*_around(authority))
    made.apply(server)
    try:
        assert eventually(lambda: _runs(made), 120)
        with forwarded(port, waits=True, say=print, programs=made.programs):
            _initialise(made)
            yield made
    finally:
        cluster.kubectl("delete", "namespace", names.NAMESPACE, "--wait=false")


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


def _around(authority: Path) -> list[Mapping[str, Any]]:
    """What the servers need beside the chart."""
    pair = issue_for([*names.certified(COUNT)], authority)
    files = {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": (authority / "ca.crt").read_bytes()}
    files["seal.key"] = b"0123456789abcdef0123456789abcdef"
    place = {"namespace": names.NAMESPACE}
    encoded = {name: base64.b64encode(content).decode() for name, content in files.items()}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.NAMESPACE, "labels": _RESTRICTED}},
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
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": names.CERTIFICATE, **place}, "data": encoded},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": names.SEAL_TOKEN, **place},
            "data": {"token": "eA==", "ca.crt": encoded["ca.crt"]},
        },
    ]
