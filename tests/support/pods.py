"""Pods of a cluster's tests, and what they print: in a namespace that enforces Kubernetes' restricted standard."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from fake_providers import nodes

_SECONDS = 90
THREE_ZONES = {"n-1": "zone-a", "n-2": "zone-a", "n-3": "zone-b", "n-4": "zone-b", "n-5": "zone-c"}
"""Nodes of the cluster that tests share, by their zones: as many as production has servers."""


@dataclass(frozen=True)
class Pods:
    """Those of one namespace."""

    cluster: nodes.Cluster
    namespace: str

    @classmethod
    @contextmanager
    def inside(cls, cluster: nodes.Cluster, name: str) -> Iterator[Self]:
        """A namespace, which is taken away in the end."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        self = cls(cluster, name)
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        yield self
        cluster.kubectl("delete", "namespace", name, "--wait=false")

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Have objects as they are given."""
        given = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.cluster.kubectl("apply", "--server-side", "--filename", "-", given=given)

    def kubectl(self, *arguments: str) -> str:
        """`kubectl` in the namespace."""
        return self.cluster.kubectl("--namespace", self.namespace, *arguments, seconds=_SECONDS + 5)

    def start(self, name: str, command: Sequence[str], **more: Any) -> None:
        """A pod of the busybox image that runs a command; `more` of its specification. With `claim`, that claim is at
        /volume; with `image`, another image; with `environment`, variables."""
        claim, image = more.pop("claim", None), more.pop("image", self.cluster.programs.busybox.reference)
        environment = more.pop("environment", {})
        mounts = [{"name": "volume", "mountPath": "/volume"}] if claim else []
        volumes = [{"name": "volume", "persistentVolumeClaim": {"claimName": claim}}] if claim else []
        container = {
            "name": "main",
            "image": image,
            "command": list(command),
            "env": [{"name": name, "value": value} for name, value in environment.items()],
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            "volumeMounts": mounts,
        }
        specification = {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65_532,
                "runAsGroup": 65_532,
                "fsGroup": 65_532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": volumes,
            **more,
        }
        metadata = {"name": name, "namespace": self.namespace, "labels": {"app": name}}
        self.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": specification})

    def run(self, name: str, command: Sequence[str], **more: Any) -> str:
        """What a pod prints that runs to its end; fails where it fails."""
        self.start(name, command, **more)
        self.wait(name, "jsonpath={.status.containerStatuses[0].state.terminated}")
        said = self.kubectl("logs", name)
        code = "jsonpath={.status.containerStatuses[0].state.terminated.exitCode}"
        assert self.kubectl("get", "pod", name, "--output", code) == "0", said
        return said

    def wait(self, name: str, condition: str) -> None:
        """Wait for one of a pod's conditions."""
        self.kubectl("wait", f"--for={condition}", f"pod/{name}", f"--timeout={_SECONDS}s")

    def claim(self, name: str, storage_class: str) -> None:
        """A claim of a gigabyte."""
        self.apply(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": name, "namespace": self.namespace},
                "spec": {
                    "storageClassName": storage_class,
                    "accessModes": ["ReadWriteOnce"],
                    "resources": {"requests": {"storage": "1Gi"}},
                },
            }
        )


def asking(address: str, port: int, *, until: str) -> list[str]:
    """A program that asks once a second, half a minute long, until it is answered or refused. A server that has just
    begun, and who enforces policies, need a moment."""
    program = f"""\
import socket, sys, time
for _ in range(30):
    try:
        socket.create_connection(("{address}", {port}), timeout=2).close()
        said = "answered"
    except OSError:
        said = "refused"
    if said == "{until}":
        sys.exit()
    time.sleep(1)
sys.exit(said)
"""
    return ["python3", "-c", program]


def on(node: str) -> dict[str, Any]:
    """What places a pod on a node."""
    return {"nodeSelector": {"kubernetes.io/hostname": node}}
