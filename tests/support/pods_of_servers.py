"""A fake of the cluster's API, for real servers on this machine that stand in for pods. It changes nothing."""

from collections.abc import Mapping
from typing import Any

import requests

from tests.support.three_servers import COUNT, OneOfThree, ThreeServers


class PodsOfServers:
    """Each server is a pod that is ready when its own health says so."""

    def __init__(self, cluster: ThreeServers) -> None:
        self.cluster = cluster

    def get(self, path: str) -> Mapping[str, Any] | None:
        """The set, or its pods."""
        if path.endswith("/statefulsets/vault"):
            template = {"spec": {"containers": [{"image": "example.com/openbao:2.7.2"}]}}
            spec = {
                "replicas": COUNT,
                "selector": {"matchLabels": {"one": "of-three"}},
                "template": template,
                "updateStrategy": {"type": "OnDelete"},
            }
            status = {"updateRevision": "r-1", "observedGeneration": 1}
            return {"metadata": {"generation": 1}, "spec": spec, "status": status}
        return {"items": [self._pod(one) for one in self.cluster.servers]}

    def _pod(self, server: OneOfThree) -> Mapping[str, Any]:
        probed = f"{server.bao.address}/v1/sys/health?standbyok=true&perfstandbyok=true"
        try:
            answer = requests.get(probed, verify=str(self.cluster.ca_file), timeout=5)
            ready = answer.ok
        except requests.RequestException:
            ready = False
        conditions = [{"type": "Ready", "status": str(ready)}]
        metadata = {"name": server.bao.name, "uid": server.bao.name, "labels": {"controller-revision-hash": "r-1"}}
        return {"metadata": metadata, "status": {"conditions": conditions}}

    def create(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Nothing here is made."""
        raise AssertionError(path + str(body))

    def delete(self, path: str, uid: str) -> None:
        """Nothing here goes."""
        raise AssertionError(path + uid)

    def patch(self, kind: str, namespace: str, name: str, changes: Mapping[str, Any]) -> None:
        """Nothing here changes."""
        raise AssertionError(kind + namespace + name + str(changes))
