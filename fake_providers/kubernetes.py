"""A Kubernetes cluster's objects, and the objects that a Helm chart makes: in a cluster of a sandbox, or in memory.

Keeps the rules of the API and of the official provider that a stack runs into: an object has a name and is in a
namespace that is there, a namespace with something in it stays, and what Kubernetes can't change is replaced
(pulumi-kubernetes, provider/pkg/clients: force-new properties). In memory it runs no pod and judges no schema; in a
cluster, `fake_providers.cluster_objects` makes them. Refuses a cluster that isn't this sandbox's.
"""

from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any

from fake_providers import chart, cluster_waits
from fake_providers.cluster_api import ClusterAccess, ClusterApi, server_of
from fake_providers.cluster_objects import ClusterObjects
from fake_providers.constructing import ChildResource
from fake_providers.memory import MemoryProvider, MemoryType
from fake_providers.servicer import Change, Found, RefusedError, Values

ADMINISTRATOR = "cluster/administrator.kubeconfig"
"""Kubeconfig of whoever may do everything in the sandbox's cluster, in the folder of its machines. The program's own
one asks AWS who it is, which nobody answers here."""

CHART = "kubernetes:helm.sh/v4:Chart"
_NAMESPACE = "core/v1:Namespace"
_CLUSTER_WIDE = (
    _NAMESPACE,
    "rbac.authorization.k8s.io/v1:ClusterRoleBinding",
    "scheduling.k8s.io/v1:PriorityClass",
    "storage.k8s.io/v1:StorageClass",
)
_KINDS = (
    *_CLUSTER_WIDE,
    "apps/v1:StatefulSet",
    "batch/v1:CronJob",
    "batch/v1:Job",
    "cert-manager.io/v1:Certificate",
    "cert-manager.io/v1:Issuer",
    "core/v1:ConfigMap",
    "core/v1:PersistentVolumeClaim",
    "core/v1:Service",
    "core/v1:ServiceAccount",
    "networking.k8s.io/v1:NetworkPolicy",
    "policy/v1:PodDisruptionBudget",
    "rbac.authorization.k8s.io/v1:Role",
    "rbac.authorization.k8s.io/v1:RoleBinding",
)
TYPES: Mapping[str, MemoryType] = {kind: MemoryType("", "metadata") for kind in _KINDS}
_FIXED: Mapping[str, tuple[str, ...]] = {
    "apps/v1:StatefulSet": (
        "spec.podManagementPolicy",
        "spec.selector",
        "spec.serviceName",
        "spec.volumeClaimTemplates",
    ),
    "batch/v1:Job": ("spec.completions", "spec.selector", "spec.template"),
    "core/v1:PersistentVolumeClaim": ("spec.accessModes", "spec.storageClassName"),
    "core/v1:Service": ("spec.clusterIP",),
    "rbac.authorization.k8s.io/v1:ClusterRoleBinding": ("roleRef",),
    "rbac.authorization.k8s.io/v1:RoleBinding": ("roleRef",),
    "scheduling.k8s.io/v1:PriorityClass": ("value",),
    "storage.k8s.io/v1:StorageClass": ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"),
}
_ALWAYS_FIXED = ("metadata.name", "metadata.namespace")


def _at(values: Values, path: str) -> Any:
    found: Any = values
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


class KubernetesProvider(MemoryProvider):
    """The package `kubernetes`; `machines` is the folder of the sandbox's machines, None: objects stay in memory."""

    def __init__(self, world: Path | None, machines: Path | None = None) -> None:
        super().__init__("kubernetes", TYPES, world)
        self._administrator = machines / ADMINISTRATOR if machines else None

    def configure(self, settings: Values) -> ClusterObjects | None:
        """The sandbox's cluster, which is asked at the first object; None: objects stay in memory."""
        if self._administrator is None:
            return None
        server = server_of(str(settings.get("kubeconfig") or ""))
        return ClusterObjects(server, lambda: self._open(server))

    def _open(self, server: str) -> ClusterApi:
        access = ClusterAccess.of_file(file) if (file := self._administrator) and file.is_file() else None
        if access is None or access.server != server:
            raise RefusedError(f"kubeconfig is for {server or 'no cluster'}; expected the cluster of this sandbox")
        return ClusterApi(access)

    def close(self, connection: ClusterObjects | None) -> None:
        """End what waits."""
        if connection:
            connection.end()

    def check(self, token: str, news: Values) -> Values:
        """A name is asked for: the official provider would make one up, and what hangs on it would not find it."""
        checked = super().check(token, news)
        if not _at(checked, "metadata.name"):
            raise RefusedError("metadata.name is missing")
        return checked

    def identity(self, token: str, inputs: Values, count: int) -> str:
        """Namespace and name, as the official provider has it."""
        del token, count
        return "/".join(filter(None, (_at(inputs, "metadata.namespace"), _at(inputs, "metadata.name"))))

    def diff(self, token: str, old: Values, new: Values) -> Change:
        """By value; what can't be changed is replaced, and since names are fixed the old one goes first."""
        found = super().diff(token, old, new)
        fixed = (*_ALWAYS_FIXED, *_FIXED.get(self._kind(token), ()))
        replaced = tuple(sorted({path.split(".")[0] for path in fixed if _at(old, path) != _at(new, path)}))
        return Change(found.changed, replaced, delete_first=bool(replaced))

    def diff_there(self, connection: ClusterObjects | None, token: str, found: Found, new: Values) -> Change:
        """As `diff`; a Job that says so is replaced where it hasn't succeeded, too."""
        change = self.diff(token, found.inputs, new)
        if connection is None or cluster_waits.note(new, "replaceUnready").lower() != "true":
            return change
        if connection.is_ready(self._kind(token), found):
            return change
        replaces = tuple(sorted({*change.replaces, "metadata"}))
        return Change(tuple(sorted({*change.changed, "metadata"})), replaces, delete_first=True)

    def create(self, connection: ClusterObjects | None, token: str, inputs: Values) -> Found:
        """In a namespace that is there."""
        if connection:
            return connection.create(self._kind(token), self.identity(token, inputs, 0), inputs)
        namespace = _at(inputs, "metadata.namespace")
        if self._kind(token) not in _CLUSTER_WIDE:
            with self.world() as world:
                if f"kubernetes:{_NAMESPACE} {namespace}" not in world:
                    raise RefusedError(f'namespaces "{namespace}" not found')
        return super().create(None, token, inputs)

    def read(self, connection: ClusterObjects | None, token: str, found: Found) -> Found | None:
        """What is there. What somebody else changed in a cluster isn't looked for."""
        if connection:
            return connection.read(self._kind(token), found)
        return super().read(None, token, found)

    def update(self, connection: ClusterObjects | None, token: str, found: Found, inputs: Values) -> Found:
        """Change what may be changed."""
        if connection:
            return connection.update(self._kind(token), found, inputs)
        return super().update(None, token, found, inputs)

    def delete(self, connection: ClusterObjects | None, token: str, found: Found) -> None:
        """A namespace goes last: Kubernetes would take everything in it along."""
        if connection:
            connection.delete(self._kind(token), found)
            return
        if self._kind(token) == _NAMESPACE:
            with self.world() as world:
                inside = [key for key in world if key.partition(" ")[2].startswith(f"{found.identity}/")]
            if inside:
                raise RefusedError(f"namespace {found.identity} still has {inside[0]} in it")
        super().delete(None, token, found)

    def drop_unknown(self, connection: ClusterObjects | None, known: Container[tuple[str, str]]) -> list[str]:
        """In a cluster, what this provider made there and nobody knows of. Claims stay: some are left on purpose."""
        if connection is None:
            return super().drop_unknown(None, known)
        kinds = [kind for kind in _KINDS if kind != "core/v1:PersistentVolumeClaim"]
        return [
            f"{self.package}:{kind}"
            for kind, identity in connection.made(kinds)
            if (f"{self.package}:{kind}", identity) not in known and connection.drop(kind, identity)
        ]

    def children(self, token: str, name: str, inputs: Values) -> Iterator[ChildResource]:
        """The objects of a chart's release, by the names that the official provider gives them."""
        if token != CHART:
            raise RefusedError("this type isn't offered by the fake kubernetes provider")
        release, namespace = inputs.get("name") or name, inputs.get("namespace") or "default"
        for one in chart.render(str(inputs.get("chart")), release, namespace, inputs.get("values") or {}):
            version = one["apiVersion"]
            kind = f"kubernetes:{version if '/' in version else f'core/{version}'}:{one['kind']}"
            where = "/".join(filter(None, (one["metadata"].get("namespace"), one["metadata"]["name"])))
            if inputs.get("skipAwait"):
                notes = one["metadata"].get("annotations") or {}
                one["metadata"]["annotations"] = {**notes, "pulumi.com/skipAwait": "true"}
            yield ChildResource(type=kind, name=f"{name}:{where}", inputs=one)

    def _kind(self, token: str) -> str:
        return token.removeprefix("kubernetes:")
