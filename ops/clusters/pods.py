"""The servers' pods as the cluster has them: which there are, at which revision, and what can be done to one.

Owns what is read of the StatefulSet, its pods, claims, disruption budget, and of how full volumes are. Refuses to end a
pod by its name: it is the one that was looked at, or none.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from components.render.chart.names import NAMESPACE, RELEASE
from ops.clusters.api import KubernetesApi
from ops.errors import EstateError

_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
_CLAIMS = f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims"
_SET = f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/{RELEASE}"
_BUDGET = f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets/{RELEASE}"
_STATISTICS = "/api/v1/nodes/{node}/proxy/stats/summary"
"""What a node's kubelet tells of its pods."""
_REVISION = "controller-revision-hash"
"""Label by which the StatefulSet's controller tells from which template a pod was made."""
VOLUMES = ("data", "audit")
_IDENTITY = {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_WEB_IDENTITY_TOKEN_FILE"}
"""Variables by which AWS' client in a pod finds a role's credentials; EKS adds one as it makes the pod, never later."""


@dataclass(frozen=True, kw_only=True)
class VolumeView:
    """One server's volume, as its node sees it."""

    volume: str
    """Of `VOLUMES`."""
    server: str
    percent: int
    """How full it is, rounded up, as `df` counts: of what isn't kept for root."""


@dataclass(frozen=True, kw_only=True)
class PodView:
    """One server's pod, as it was looked at."""

    name: str
    uid: str
    revision: str
    """Of the template that it was made from."""
    created: str
    """When, as Kubernetes writes it."""
    is_ready: bool
    is_ending: bool
    trouble: str
    """Why a container of it doesn't run, in Kubernetes' word; empty: none is known."""
    node: str = ""
    """Where it is; empty: nowhere yet."""
    has_identity: bool = False
    """Whether EKS gave it a role of AWS' as it was made."""

    @classmethod
    def read(cls, pod: Mapping[str, Any]) -> "PodView":
        """Of what the API says."""
        metadata, status = pod["metadata"], pod.get("status") or {}
        ready = [one["status"] == "True" for one in status.get("conditions") or () if one["type"] == "Ready"]
        waiting = [(one.get("state") or {}).get("waiting") or {} for one in status.get("containerStatuses") or ()]
        return cls(
            name=metadata["name"],
            uid=metadata["uid"],
            revision=(metadata.get("labels") or {}).get(_REVISION, ""),
            created=str(metadata.get("creationTimestamp") or ""),
            is_ready=any(ready),
            is_ending="deletionTimestamp" in metadata,
            trouble=next((one["reason"] for one in waiting if one.get("reason")), ""),
            node=str((pod.get("spec") or {}).get("nodeName") or ""),
            has_identity=any(
                variable["name"] in _IDENTITY
                for container in (pod.get("spec") or {}).get("containers") or ()
                for variable in container.get("env") or ()
            ),
        )

    def told_of_identity(self) -> "PodView":
        """The same, told what is to be done where it was made too early."""
        if self.has_identity:
            return self
        delete = f"kubectl delete pod {self.name} --namespace {NAMESPACE}"
        return replace(self, trouble=f"made before service account {RELEASE} had its role in AWS: {delete}")


@dataclass(frozen=True, kw_only=True)
class SetView:
    """All of them, and what they are to be."""

    replicas: int
    revision: str
    """Of the template that new pods are made from."""
    is_observed: bool
    """Whether the controller has taken up what was asked of it last."""
    strategy: str
    image: str
    """Of the server, for new pods."""
    pods: Mapping[str, PodView]

    @property
    def names(self) -> Sequence[str]:
        """What the servers are called, in order."""
        return [f"{RELEASE}-{ordinal}" for ordinal in range(self.replicas)]

    @property
    def behind(self) -> Sequence[PodView]:
        """Those that another template made."""
        return [one for one in self.pods.values() if one.revision != self.revision]

    def told(self) -> str:
        """Which pods are at which revision, for people."""
        found: dict[str, list[str]] = {}
        for one in self.pods.values():
            found.setdefault(one.revision, []).append(one.name)
        ordered = sorted(found.items(), key=lambda item: item[0] != self.revision)
        which = {True: "the new", False: "an older"}
        return "; ".join(
            f"at {which[revision == self.revision]} revision {revision}: {', '.join(names)}"
            for revision, names in ordered
        )


class VaultPods:
    """The pods of the chart's release."""

    def __init__(self, api: KubernetesApi, *, needs_identity: bool = False) -> None:
        """`needs_identity`: their seal is opened by a role of AWS' that pods have."""
        self.api, self.needs_identity = api, needs_identity

    def look(self) -> SetView:
        """All of them now. Raises EstateError: the release isn't in the cluster, or its API refuses."""
        found = self.api.get(_SET)
        if found is None:
            raise EstateError(
                f"StatefulSet {RELEASE} isn't in namespace {NAMESPACE}; expected the servers that up makes"
            )
        selector = ",".join(f"{name}={value}" for name, value in found["spec"]["selector"]["matchLabels"].items())
        found_pods = (self.api.get(f"{_PODS}?labelSelector={selector}") or {}).get("items") or []
        pods = [PodView.read(one) for one in found_pods]
        if self.needs_identity:
            pods = [one.told_of_identity() for one in pods]
        status = found.get("status") or {}
        return SetView(
            replicas=int(found["spec"]["replicas"]),
            revision=str(status.get("updateRevision") or ""),
            is_observed=status.get("observedGeneration") == found["metadata"]["generation"],
            strategy=found["spec"]["updateStrategy"]["type"],
            image=found["spec"]["template"]["spec"]["containers"][0]["image"],
            pods={one.name: one for one in sorted(pods, key=lambda one: one.name)},
        )

    def may_lose(self) -> int | None:
        """How many pods the disruption budget lets go at once; None: there is no budget, or one in percent."""
        budget = self.api.get(_BUDGET)
        limit = budget["spec"].get("maxUnavailable") if budget else None
        return limit if isinstance(limit, int) else None

    def fullness(self, pods: SetView) -> Sequence[VolumeView]:
        """Of all volumes whose node knows it; a node learns it within a minute of a pod's start.
        Raises KubernetesRefusedError: it isn't for this login, since who may ask a node may do more there."""
        nodes = sorted({one.node for one in pods.pods.values() if one.node})
        found = [one for node in nodes for one in _volumes(self.api.get(_STATISTICS.format(node=node)) or {})]
        return sorted(found, key=lambda one: (one.volume, one.server))

    def evict(self, pod: PodView) -> None:
        """End it as long as the disruption budget lets it go: who drains a node meanwhile, or upgrades too, is counted.
        Raises KubernetesRefusedError: `TOO_MANY` where another one is missing."""
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": NAMESPACE},
            "deleteOptions": {"preconditions": {"uid": pod.uid}},
        }
        self.api.create(f"{_PODS}/{pod.name}/eviction", body)

    def delete(self, pod: PodView) -> None:
        """End one that doesn't serve, which the disruption budget would keep. Raises KubernetesRefusedError."""
        self.api.delete(f"{_PODS}/{pod.name}", pod.uid)

    def scale(self, replicas: int) -> None:
        """Have so many; those with the highest numbers go. Raises KubernetesRefusedError."""
        self.api.patch("statefulset", NAMESPACE, RELEASE, {"spec": {"replicas": replicas}})

    def claim(self, volume: str, server: str) -> Mapping[str, Any] | None:
        """The claim of one of a server's volumes. Raises KubernetesRefusedError."""
        return self.api.get(f"{_CLAIMS}/{volume}-{server}")

    def delete_claim(self, claim: Mapping[str, Any]) -> None:
        """Give a claim up; it goes when no pod uses it any more, and its volume stays.
        Raises KubernetesRefusedError."""
        self.api.delete(f"{_CLAIMS}/{claim['metadata']['name']}", claim["metadata"]["uid"])

    def create_claim(self, like: Mapping[str, Any]) -> None:
        """Make a claim as another one was, for a new volume. Raises KubernetesRefusedError."""
        metadata = like["metadata"]
        kept = {
            name: value for name, value in (metadata.get("annotations") or {}).items() if "kubernetes.io/" not in name
        }
        body = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": metadata["name"], "labels": metadata.get("labels") or {}, "annotations": kept},
            "spec": {name: like["spec"][name] for name in ("accessModes", "storageClassName", "resources")},
        }
        self.api.create(_CLAIMS, body)

    def resize_claim(self, claim: Mapping[str, Any], size: str) -> None:
        """Have a claim's volume grow. Raises KubernetesRefusedError."""
        changes = {"spec": {"resources": {"requests": {"storage": size}}}}
        self.api.patch("persistentvolumeclaim", NAMESPACE, claim["metadata"]["name"], changes)


def _volumes(statistics: Mapping[str, Any]) -> Iterator[VolumeView]:
    """Of the servers' claims among everything that a node tells."""
    for pod in statistics.get("pods") or ():
        server = pod["podRef"]
        for one in pod.get("volume") or () if server["namespace"] == NAMESPACE else ():
            claim, used, free = one.get("pvcRef") or {}, one.get("usedBytes"), one.get("availableBytes")
            volume = str(claim.get("name", "")).removesuffix(f"-{server['name']}")
            if volume in VOLUMES and used is not None and free is not None and used + free > 0:
                yield VolumeView(volume=volume, server=server["name"], percent=math.ceil(100 * used / (used + free)))
