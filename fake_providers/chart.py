"""What the official charts of both servers make of their values, without Helm: vault 0.34.1 and openbao 0.29.2.

Owns the objects, as Helm was seen to make them of the estate's values. Refuses a value that it doesn't know, which the
charts themselves let pass without a word, and what they would make something else of: a template in a text.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from fake_providers.servicer import RefusedError, Values

_ARCHIVE = re.compile(r"(?:.*/)?(?P<chart>vault|openbao)-(?P<version>[0-9]+\.[0-9]+\.[0-9]+)\.tgz")
VERSIONS = {"vault": "0.34.1", "openbao": "0.29.2"}
API_PORT, CLUSTER_PORT, REPLICATION_PORT = 8200, 8201, 8202
"""Both charts' templates have these as numbers."""
_ALWAYS = {
    "server.authDelegator.enabled",
    "server.auditStorage.enabled",
    "server.dataStorage.enabled",
    "server.ha.disruptionBudget.enabled",
    "server.ha.enabled",
    "server.ha.raft.enabled",
    "server.ha.raft.setNodeId",
    "server.livenessProbe.enabled",
    "server.readinessProbe.enabled",
    "server.service.active.enabled",
    "server.service.enabled",
    "server.serviceAccount.create",
    "server.serviceAccount.serviceDiscovery.enabled",
}
_NEVER = {
    "csi.enabled",
    "global.tlsDisable",
    "injector.enabled",
    "server.networkPolicy.enabled",
    "server.service.standby.enabled",
    "ui.enabled",
}
"""What has to be on, and what has to be off: nothing else is made here."""


@dataclass
class Given:
    """The values, and which of them were looked at."""

    values: Values
    seen: set[str] = field(default_factory=set)

    def get(self, path: str, default: Any = None) -> Any:
        """One value, or what stands in for it."""
        self.seen.add(path)
        found: Any = self.values
        for name in path.split("."):
            if not isinstance(found, Mapping) or name not in found:
                return default
            found = found[name]
        return found

    def must(self, path: str) -> Any:
        """One value. Raises RefusedError: it isn't given."""
        found = self.get(path)
        if found is None:
            raise RefusedError(f"value {path} is missing")
        return found

    def unseen(self) -> list[str]:
        """What is given and was never looked at."""
        return sorted(
            key for key in _leaves(self.values) if not any(f"{key}.".startswith(f"{one}.") for one in self.seen)
        )


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


@dataclass(frozen=True, kw_only=True)
class _Release:
    """One release: what it is called, and its values."""

    name: str
    namespace: str
    chart: str
    given: Given

    @property
    def variables(self) -> str:
        """What the server's variables begin with."""
        return "VAULT" if self.chart == "vault" else "BAO"

    @property
    def selected(self) -> dict[str, str]:
        """By which pods are found."""
        return {
            "app.kubernetes.io/name": self.chart,
            "app.kubernetes.io/instance": self.name,
            "component": "server",
        }

    def labels(self) -> dict[str, str]:
        """Of everything but the set."""
        return {
            "helm.sh/chart": f"{self.chart}-{VERSIONS[self.chart]}",
            "app.kubernetes.io/name": self.chart,
            "app.kubernetes.io/instance": self.name,
            "app.kubernetes.io/managed-by": "Helm",
        }

    def metadata(self, name: str, labels: Mapping[str, str] | None = None, *, namespaced: bool = True) -> Values:
        """Name and labels of one object."""
        where = {"namespace": self.namespace} if namespaced else {}
        return {"name": name, **where, "labels": {**self.labels(), **(labels or {})}}


def render(archive: str, name: str, namespace: str, values: Values) -> list[Values]:
    """Every object of a release. Raises RefusedError for another chart, and for a value that isn't known."""
    match = _ARCHIVE.fullmatch(archive)
    if match is None or VERSIONS[match["chart"]] != match["version"]:
        known = ", ".join(f"{chart}-{version}.tgz" for chart, version in VERSIONS.items())
        raise RefusedError(f"chart is {archive}; expected one of {known}, which are known without Helm")
    given = Given(values)
    _only_what_is_made(given)
    release = _Release(name=name, namespace=namespace, chart=match["chart"], given=given)
    called = given.get("fullnameOverride", release.chart)
    made = [*_around(release, called), _set(release, called)]
    if unseen := given.unseen():
        raise RefusedError(f"value {unseen[0]} is none that is known of the chart {release.chart}")
    return made


def _only_what_is_made(given: Given) -> None:
    for path in sorted(_ALWAYS):
        if given.must(path) is not True:
            raise RefusedError(f"value {path} is off; expected it on, nothing else is known here")
    for path in sorted(_NEVER):
        if given.must(path) is not False:
            raise RefusedError(f"value {path} is on; expected it off, nothing else is known here")


def _config(release: _Release) -> str:
    text = str(release.given.must("server.ha.raft.config"))
    if "{{" in text:
        raise RefusedError("value server.ha.raft.config holds a template, which Helm would run")
    return "\n" + text.rstrip("\n")


def _around(release: _Release, called: str) -> Iterator[Values]:
    given, account = release.given, release.given.must("server.serviceAccount.name")
    most = given.get("server.ha.disruptionBudget.maxUnavailable")
    yield {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": release.metadata(called),
        "spec": {
            "maxUnavailable": 0 if given.must("server.ha.replicas") == 1 else most,
            "selector": {"matchLabels": release.selected},
        },
    }
    notes = given.get("server.serviceAccount.annotations")
    metadata = {**release.metadata(account), **({"annotations": notes} if notes else {})}
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
    yield {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            **release.metadata(f"{called}-config"),
            "annotations": {"vault.hashicorp.com/config-checksum": _checksum(release)},
        },
        "data": {"extraconfig-from-values.hcl": _config(release)},
    }
    subject = {"kind": "ServiceAccount", "name": account, "namespace": release.namespace}
    rights = "rbac.authorization.k8s.io"
    yield {
        "apiVersion": f"{rights}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": release.metadata(f"{called}-server-binding", namespaced=False),
        "roleRef": {"apiGroup": rights, "kind": "ClusterRole", "name": "system:auth-delegator"},
        "subjects": [subject],
    }
    verbs = ["get", "watch", "list", "update", "patch"]
    yield {
        "apiVersion": f"{rights}/v1",
        "kind": "Role",
        "metadata": release.metadata(f"{called}-discovery-role"),
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": verbs}],
    }
    yield {
        "apiVersion": f"{rights}/v1",
        "kind": "RoleBinding",
        "metadata": release.metadata(f"{called}-discovery-rolebinding"),
        "roleRef": {"apiGroup": rights, "kind": "Role", "name": f"{called}-discovery-role"},
        "subjects": [subject],
    }
    ready_only = given.must("server.service.publishNotReadyAddresses")
    active = {f"{release.chart}-active": "true"}
    yield _service(release, f"{called}-active", active, {**release.selected, **active}, published=ready_only)
    yield _service(
        release, f"{called}-internal", {f"{release.chart}-internal": "true"}, release.selected, headless=True
    )
    yield _service(release, called, {}, release.selected, published=ready_only)


def _service(
    release: _Release,
    name: str,
    labels: Mapping[str, str],
    selector: Mapping[str, str],
    *,
    published: bool = True,
    headless: bool = False,
) -> Values:
    told = {"appProtocol": "HTTPS"} if release.chart == "openbao" else {}
    ports = [
        {"name": "https", "port": API_PORT, "targetPort": API_PORT, **told},
        {"name": "https-internal", "port": CLUSTER_PORT, "targetPort": CLUSTER_PORT},
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": release.metadata(name, labels),
        "spec": {
            **({"clusterIP": "None"} if headless else {}),
            "publishNotReadyAddresses": published,
            "ports": ports,
            "selector": dict(selector),
        },
    }


def _checksum(release: _Release) -> str:
    """Of the text alone; the charts' own is of more."""
    return hashlib.sha256(_config(release).encode()).hexdigest()


def _set(release: _Release, called: str) -> Values:
    given = release.given
    annotation = "includeConfigAnnotation" if release.chart == "vault" else "configAnnotation"
    prefix = "vault" if release.chart == "vault" else "openbao"
    checksum = {f"{prefix}.hashicorp.com/config-checksum": _checksum(release)}
    labels = {name: text for name, text in release.labels().items() if name != "helm.sh/chart"}
    template = {
        "metadata": {
            "labels": {"helm.sh/chart": release.labels()["helm.sh/chart"], **release.selected},
            **({"annotations": checksum} if given.get(f"server.{annotation}") else {}),
        },
        "spec": _pod(release, called),
    }
    ordered = "Parallel" if release.chart == "vault" else given.get("server.podManagementPolicy", "OrderedReady")
    annotations = given.get("server.statefulSet.annotations")
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {
            "name": called,
            "namespace": release.namespace,
            "labels": labels,
            **({"annotations": annotations} if annotations else {}),
        },
        "spec": {
            "serviceName": f"{called}-internal",
            "podManagementPolicy": ordered,
            "replicas": given.must("server.ha.replicas"),
            "updateStrategy": {"type": given.must("server.updateStrategyType")},
            "persistentVolumeClaimRetentionPolicy": given.must("server.persistentVolumeClaimRetentionPolicy"),
            "selector": {"matchLabels": release.selected},
            "template": template,
            "volumeClaimTemplates": [_claim(release, volume) for volume in ("data", "audit")],
        },
    }


def _claim(release: _Release, volume: str) -> Values:
    storage = f"server.{volume}Storage"
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": volume},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": release.given.must(f"{storage}.size")}},
            "storageClassName": release.given.must(f"{storage}.storageClass"),
        },
    }


def _pod(release: _Release, called: str) -> Values:
    given = release.given
    return {
        "affinity": yaml.safe_load(str(given.must("server.affinity"))),
        "topologySpreadConstraints": given.must("server.topologySpreadConstraints"),
        "tolerations": given.must("server.tolerations"),
        "nodeSelector": given.must("server.nodeSelector"),
        "priorityClassName": given.must("server.priorityClassName"),
        "terminationGracePeriodSeconds": given.get("server.terminationGracePeriodSeconds", 10),
        "serviceAccountName": given.must("server.serviceAccount.name"),
        "shareProcessNamespace": given.must("server.shareProcessNamespace"),
        "securityContext": given.must("server.statefulSet.securityContext.pod"),
        "hostNetwork": False,
        "volumes": [
            {"name": "config", "configMap": {"name": f"{called}-config"}},
            *given.must("server.volumes"),
            {"name": "home", "emptyDir": {}},
        ],
        "containers": [_container(release, called), *given.must("server.extraContainers")],
    }


def _container(release: _Release, called: str) -> Values:
    given, home = release.given, f"/{release.chart}"
    image = given.must("server.image.repository")
    if release.chart == "openbao":
        image = f"{given.get('server.image.registry', 'docker.io')}/{image}"
    program = "vault" if release.chart == "vault" else "bao"
    pause = given.get("server.preStopSleepSeconds", 5)
    return {
        "name": release.chart,
        "resources": given.must("server.resources"),
        "image": f"{image}:{given.must('server.image.tag')}",
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-ec"],
        "args": [f"exec {program} server -config={home}/config/extraconfig-from-values.hcl"],
        "securityContext": given.must("server.statefulSet.securityContext.container"),
        "env": [*_environment(release, called)],
        "volumeMounts": [
            {"name": "audit", "mountPath": f"{home}/audit"},
            {"name": "data", "mountPath": f"{home}/data"},
            {"name": "config", "mountPath": f"{home}/config"},
            *given.must("server.volumeMounts"),
            {"name": "home", "mountPath": f"/home/{release.chart}"},
        ],
        "ports": [
            {"containerPort": API_PORT, "name": "https"},
            {"containerPort": CLUSTER_PORT, "name": "https-internal"},
            {"containerPort": REPLICATION_PORT, "name": "https-rep"},
        ],
        "readinessProbe": _probe(given, "server.readinessProbe"),
        "livenessProbe": _probe(given, "server.livenessProbe"),
        "lifecycle": {
            "preStop": {"exec": {"command": ["/bin/sh", "-c", f"sleep {pause} && kill -SIGTERM $(pidof {program})"]}}
        },
    }


def _probe(given: Given, path: str) -> Values:
    times = ("failureThreshold", "initialDelaySeconds", "periodSeconds", "successThreshold", "timeoutSeconds")
    return {
        "httpGet": {"path": given.must(f"{path}.path"), "port": given.must(f"{path}.port"), "scheme": "HTTPS"},
        **{name: given.must(f"{path}.{name}") for name in times},
    }


def _environment(release: _Release, called: str) -> Iterator[Values]:
    """In the templates' order, in which each may name earlier ones only."""
    given, prefix = release.given, release.variables

    def of_pod(name: str, path: str) -> Values:
        return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}

    yield of_pod("HOST_IP", "status.hostIP")
    yield of_pod("POD_IP", "status.podIP")
    yield of_pod(f"{prefix}_K8S_POD_NAME", "metadata.name")
    yield of_pod(f"{prefix}_K8S_NAMESPACE", "metadata.namespace")
    yield {"name": f"{prefix}_ADDR", "value": f"https://127.0.0.1:{API_PORT}"}
    yield {"name": f"{prefix}_API_ADDR", "value": given.get("server.ha.apiAddr", f"https://$(POD_IP):{API_PORT}")}
    yield {"name": "SKIP_CHOWN", "value": "true"}
    yield {"name": "SKIP_SETCAP", "value": "true"}
    yield of_pod("HOSTNAME", "metadata.name")
    yield {"name": f"{prefix}_CLUSTER_ADDR", "value": f"https://$(HOSTNAME).{called}-internal:{CLUSTER_PORT}"}
    yield of_pod(f"{prefix}_RAFT_NODE_ID", "metadata.name")
    yield {"name": "HOME", "value": f"/home/{release.chart}"}
    plain = [{"name": name, "value": text} for name, text in given.get("server.extraEnvironmentVars", {}).items()]
    secret = [
        {
            "name": one["envName"],
            "valueFrom": {"secretKeyRef": {"name": one["secretName"], "key": one["secretKey"]}},
        }
        for one in given.get("server.extraSecretEnvironmentVars", [])
    ]
    yield from (*plain, *secret) if release.chart == "vault" else (*secret, *plain)
