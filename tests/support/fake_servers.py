"""Servers that are pods of one Raft cluster, in memory: a fake of Kubernetes' API, of its controllers and of Raft.

As strict as these in what tests lean on: a pod and a claim go by their uid only, the disruption budget counts, a claim
stays while a pod uses it and grows only once it has a volume, some seconds after its pod is there, a server with data
that was taken out never joins again, and one that joined votes after 15 s.
Time passes only when somebody waits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import hvac

from components.render.chart.names import labels
from ops.clusters.api import KubernetesRefusedError
from ops.clusters.gate import Gate, Pace
from ops.clusters.pods import VOLUMES, VaultPods
from ops.clusters.raft import Raft, RaftView

ENDS_SECONDS, BOUND_SECONDS, READY_SECONDS, VOTES_SECONDS = 8.0, 5.0, 20.0, 15.0
TEMPLATE_SIZE, CLAIMED_SIZE = "20Gi", "30Gi"
_LABELS = labels("openbao")
_NAMESPACE = "/namespaces/vault/"


@dataclass(kw_only=True)
class FakePod:
    """One pod of the set."""

    uid: str
    revision: str
    image: str
    born: float
    ends: float | None = None


@dataclass(kw_only=True)
class FakeServers:
    """The whole of it. It is a `KubernetesApi`."""

    replicas: int = 3
    leader: str = "vault-0"
    revision: str = "old"
    image: str = "example.com/openbao:2.7.2@sha256:0"
    strategy: str = "OnDelete"
    budget: int | None = 1
    now: float = 1_000.0
    broken: set[str] = field(default_factory=set)
    """Revisions whose pods never serve."""
    pods: dict[str, FakePod] = field(default_factory=dict)
    members: dict[str, float] = field(default_factory=dict)
    """Who is in Raft, and from when on it votes."""
    taken_out: set[str] = field(default_factory=set)
    """Whose data says that it was taken out of Raft."""
    claims: dict[str, dict[str, Any]] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    """What was asked for, in order."""
    fewest: int = 99
    """Voters that served, at the worst moment since pods were first ended."""
    hands_over: bool = True
    full: dict[str, int] = field(default_factory=dict)
    """How full volumes are, by their claims, in per cent; all others are half full."""
    tells: bool = True
    """Whether nodes may be asked that."""
    early: set[str] = field(default_factory=set)
    """Whose pod was made before its account had a role in AWS, and never serves."""
    silent_until: float = 0.0
    """Until when no server answers, though all serve: they are busy."""
    on: dict[str, Callable[[], None]] = field(default_factory=dict)
    """What else happens when something is asked for."""
    _count: int = 0

    def __post_init__(self) -> None:
        """All of them serve and vote, with claims that are larger than the template's."""
        for name in self.names:
            for volume in VOLUMES:
                self.claims[f"{volume}-{name}"] = self._claim(f"{volume}-{name}", CLAIMED_SIZE)
            self.pods[name] = self._pod(born=0.0)
            self.members[name] = 0.0
            self._bind(name)

    @property
    def names(self) -> list[str]:
        """Of those that are to be."""
        return [f"vault-{number}" for number in range(self.replicas)]

    def gate(self, say: Callable[[str], None]) -> Gate:
        """As commands look at it."""
        return Gate(
            pods=VaultPods(self), raft=FakeRaft(self), say=say, pace=Pace(clock=lambda: self.now, pause=self.wait)
        )

    def change(self, revision: str = "new", image: str | None = None) -> None:
        """Another template, as after an `up`."""
        self.revision, self.image = revision, image or self.image

    def serves(self, name: str) -> bool:
        """Whether its pod is ready."""
        pod = self.pods.get(name)
        return bool(
            pod
            and pod.ends is None
            and pod.revision not in self.broken
            and name not in self.early
            and self.now >= pod.born + READY_SECONDS
        )

    def votes(self, name: str) -> bool:
        """Whether it is a voter, whatever its pod does."""
        return name in self.members and self.now >= self.members[name]

    def wait(self, seconds: float) -> None:
        """Time passes, and controllers work."""
        self.now += seconds
        self._end_pods()
        for name in self.names:
            if name not in self.pods and self._claimed(name):
                self.pods[name] = self._pod(born=self.now)
            if name in self.pods and self.now >= self.pods[name].born + BOUND_SECONDS:
                self._bind(name)
            if self.serves(name) and name not in self.members and name not in self.taken_out:
                self.members[name] = self.now + VOTES_SECONDS
        if self.leader and not self.serves(self.leader):
            self._elect()
        self.fewest = min(self.fewest, sum(self.serves(one) and self.votes(one) for one in self.members))

    def _end_pods(self) -> None:
        for name, pod in list(self.pods.items()):
            if name not in self.names and pod.ends is None:
                pod.ends = self.now + ENDS_SECONDS
            if pod.ends is not None and self.now >= pod.ends:
                del self.pods[name]
                for claim in [f"{volume}-{name}" for volume in VOLUMES]:
                    if self.claims[claim]["metadata"].get("deletionTimestamp"):
                        del self.claims[claim]
                        self.taken_out.discard(name)

    def get(self, path: str) -> Mapping[str, Any] | None:
        """Of the six kinds that commands look at."""
        if path.startswith("/api/v1/nodes/"):
            return self._statistics(path.removeprefix("/api/v1/nodes/node-of-").removesuffix("/proxy/stats/summary"))
        if path.endswith("/statefulsets/vault"):
            template = {"spec": {"containers": [{"image": self.image}]}}
            specification = {
                "replicas": self.replicas,
                "updateStrategy": {"type": self.strategy},
                "selector": {"matchLabels": _LABELS},
                "template": template,
            }
            status = {"updateRevision": self.revision, "observedGeneration": 1}
            return {"metadata": {"name": "vault", "generation": 1}, "spec": specification, "status": status}
        if path.endswith("/poddisruptionbudgets/vault"):
            return None if self.budget is None else {"spec": {"maxUnavailable": self.budget}}
        kind, _, name = path.partition(_NAMESPACE)[2].partition("/")
        if kind == "persistentvolumeclaims":
            return self.claims.get(name)
        selector = ",".join(f"{key}={value}" for key, value in _LABELS.items())
        assert path == f"/api/v1{_NAMESPACE}pods?labelSelector={selector}"
        return {"items": [self._document(name) for name in self.pods]}

    def _statistics(self, name: str) -> Mapping[str, Any]:
        """What a node's kubelet tells of its pod, as Kubernetes 1.36 does, in no order."""
        if not self.tells:
            raise KubernetesRefusedError(
                "the cluster refuses get: nodes is forbidden; expected it to be done", "Forbidden"
            )
        other = {"podRef": {"name": name, "namespace": "elsewhere"}, "volume": [{"pvcRef": {"name": f"data-{name}"}}]}
        volumes: list[Mapping[str, Any]] = [{"name": "tmp", "usedBytes": 99, "availableBytes": 1}]
        for claim in (f"{volume}-{name}" for volume in reversed(VOLUMES)):
            percent = self.full.get(claim, 50)
            told = {"usedBytes": percent * 2**20, "availableBytes": (100 - percent) * 2**20}
            volumes.append({"pvcRef": {"name": claim, "namespace": "vault"}, "capacityBytes": 105 * 2**20, **told})
        return {"pods": [other, {"podRef": {"name": name, "namespace": "vault"}, "volume": volumes}]}

    def create(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """An eviction, or a claim."""
        kind, _, rest = path.partition(_NAMESPACE)[2].partition("/")
        if kind == "persistentvolumeclaims":
            name = body["metadata"]["name"]
            if name in self.claims:
                raise KubernetesRefusedError("there", "AlreadyExists")
            self.claims[name] = self._claim(name, body["spec"]["resources"]["requests"]["storage"])
            return self.claims[name]
        name = rest.removesuffix("/eviction")
        assert rest.endswith("/eviction"), path
        assert body["metadata"]["name"] == name
        self.asked(f"evict {name}")
        if sum(not self.serves(one) for one in self.names) >= (self.budget or 0):
            raise KubernetesRefusedError("the budget forbids it", "TooManyRequests")
        self._end(name, body["deleteOptions"]["preconditions"]["uid"])
        return {"status": "Success"}

    def delete(self, path: str, uid: str) -> None:
        """A pod, or a claim."""
        kind, _, name = path.partition(_NAMESPACE)[2].partition("/")
        self.asked(f"delete {name}")
        if kind == "pods":
            self._end(name, uid)
            return
        assert kind == "persistentvolumeclaims", path
        assert self.claims[name]["metadata"]["uid"] == uid
        self.claims[name]["metadata"]["deletionTimestamp"] = "now"

    def patch(self, kind: str, namespace: str, name: str, changes: Mapping[str, Any]) -> None:
        """The set's size, or a claim's."""
        assert namespace == "vault"
        if kind == "persistentvolumeclaim":
            if self.claims[name]["status"]["phase"] != "Bound":
                raise KubernetesRefusedError("spec is immutable after creation except for bound claims", "Invalid")
            self.claims[name]["spec"]["resources"] = changes["spec"]["resources"]
            self.asked(f"resize {name}")
            return
        assert (kind, name) == ("statefulset", "vault")
        self.replicas = changes["spec"]["replicas"]
        self.asked(f"scale {self.replicas}")

    def asked(self, what: str) -> None:
        """Take it down, and do what else happens then."""
        self.done.append(what)
        if what in self.on:
            self.on.pop(what)()

    def _end(self, name: str, uid: str) -> None:
        if self.pods[name].uid != uid:
            raise KubernetesRefusedError("another uid", "Conflict")
        self.pods[name].ends = self.now + ENDS_SECONDS

    def _pod(self, born: float) -> FakePod:
        self._count += 1
        return FakePod(uid=f"pod-{self._count}", revision=self.revision, image=self.image, born=born)

    def _claim(self, name: str, size: str) -> dict[str, Any]:
        self._count += 1
        specification = {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "vault-gp3",
            "resources": {"requests": {"storage": size}},
        }
        metadata = {"name": name, "uid": f"claim-{self._count}"}
        return {"metadata": metadata, "spec": specification, "status": {"phase": "Pending"}}

    def _bind(self, name: str) -> None:
        """Give its claims their volumes."""
        for claim in (self.claims[f"{volume}-{name}"] for volume in VOLUMES):
            claim["spec"].setdefault("volumeName", f"volume-of-{claim['metadata']['uid']}")
            claim["status"]["phase"] = "Bound"

    def _claimed(self, name: str) -> bool:
        """Makes what lacks, in the template's size; not before one that ends is gone."""
        for claim in [f"{volume}-{name}" for volume in VOLUMES]:
            if claim not in self.claims:
                self.claims[claim] = self._claim(claim, TEMPLATE_SIZE)
            if "deletionTimestamp" in self.claims[claim]["metadata"]:
                return False
        return True

    def _elect(self) -> None:
        serving = [one for one in self.members if self.serves(one) and self.votes(one)]
        voters = [one for one in self.members if self.votes(one)]
        self.leader = serving[0] if len(serving) > len(voters) // 2 else ""

    def _document(self, name: str) -> Mapping[str, Any]:
        pod = self.pods[name]
        ready = {"type": "Ready", "status": str(self.serves(name))}
        waiting = {"state": {"waiting": {"reason": "ImagePullBackOff"}}} if pod.revision in self.broken else {}
        metadata = {"name": name, "uid": pod.uid, "labels": {"controller-revision-hash": pod.revision}}
        metadata["creationTimestamp"] = f"{pod.born:09.0f}"
        ending = {"deletionTimestamp": "now"} if pod.ends is not None else {}
        role = {"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://169.254.170.23/v1/credentials"}
        given = [{"name": "AWS_EC2_METADATA_DISABLED", "value": "true"}, *([] if name in self.early else [role])]
        return {
            "metadata": {**metadata, **ending},
            "spec": {"nodeName": f"node-of-{name}", "containers": [{"name": "vault", "env": given}]},
            "status": {"conditions": [ready], "containerStatuses": [waiting]},
        }


class FakeRaft(Raft):
    """Raft of these servers, answering as OpenBao's API does."""

    def __init__(self, servers: FakeServers) -> None:
        super().__init__(hvac.Client(url="https://127.0.0.1:1"))
        self.servers = servers

    def look(self) -> RaftView | None:
        """None while nobody leads, or answers."""
        fake = self.servers
        if not fake.leader or fake.now < fake.silent_until:
            return None
        healthy = {name: fake.serves(name) for name in fake.members}
        listed = [{"node_id": name, "leader": name == fake.leader, "voter": fake.votes(name)} for name in fake.members]
        voters = [name for name in fake.members if fake.votes(name)]
        tolerance = sum(healthy[name] for name in voters) - len(voters) // 2 - 1
        about = {
            name: {"healthy": healthy[name], "last_index": 500, "version": self._version(name)} for name in fake.members
        }
        state = {"servers": about, "healthy": all(healthy.values()), "failure_tolerance": tolerance}
        return RaftView.read({"config": {"servers": listed}}, state)

    def step_down(self) -> None:
        """To the next one that serves."""
        fake = self.servers
        fake.asked(f"step down {fake.leader}")
        if fake.hands_over:
            fake.leader = next(one for one in reversed(fake.members) if one != fake.leader and fake.serves(one))

    def remove(self, server: str) -> None:
        """Its data says so from now on."""
        self.servers.asked(f"remove {server}")
        del self.servers.members[server]
        self.servers.taken_out.add(server)

    def _version(self, name: str) -> str:
        pod = self.servers.pods.get(name)
        return pod.image.partition("@")[0].rpartition(":")[2] if pod else ""
