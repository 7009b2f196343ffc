"""Rules about pods that keep running: what they may do, where they are, and what is known of them.

Owns the reading of a pod's template, in the words of Kubernetes' Pod Security Standards.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .rule import Check, Resource, Rule

_SET = "kubernetes:apps/v1:StatefulSet"
TYPES = (_SET, "kubernetes:apps/v1:Deployment", "kubernetes:batch/v1:CronJob", "kubernetes:batch/v1:Job")
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}\Z")
_RESTRICTED = "Kubernetes, Pod Security Standards: restricted"

Judge = Callable[[Any], str | None]


def _context(one: Any) -> Mapping[str, Any]:
    return one.get("securityContext") or {}


def _pod(spec: Any) -> Any:
    """Of what makes pods, or of what makes what makes them."""
    spec = ((spec or {}).get("jobTemplate") or {}).get("spec") or spec
    return ((spec or {}).get("template") or {}).get("spec") or {}


def containers(judge: Judge) -> Check:
    """A check of each container of a pod, those that run first among them."""

    def check(resource: Resource) -> Iterator[str]:
        if not (resource.has_inputs and resource.known("spec")):
            return
        with resource.remembering():
            pod = _pod(resource.get("spec"))
            for kind in ("initContainers", "containers"):
                for number, container in enumerate(pod.get(kind) or []):
                    with resource.remembering():
                        if wrong := judge(container):
                            yield f"{kind}[{number}] {wrong}"

    return check


def spec(judge: Judge, *, of_pod: bool = True) -> Check:
    """A check of a pod's specification, or of what makes the pods."""

    def check(resource: Resource) -> Iterator[str]:
        if not (resource.has_inputs and resource.known("spec")):
            return
        with resource.remembering():
            found = resource.get("spec")
            if wrong := judge(_pod(found) if of_pod else found or {}):
                yield f"spec {wrong}"

    return check


def _nobody(pod: Any) -> str | None:
    context = _context(pod)
    if context.get("runAsNonRoot") is not True or context.get("runAsUser") == 0:
        return "lets its pods run as root"
    return None


def _seccomp(pod: Any) -> str | None:
    kind = (_context(pod).get("seccompProfile") or {}).get("type")
    return None if kind in ("RuntimeDefault", "Localhost") else "lets its pods make every system call"


def _apart(pod: Any) -> str | None:
    if any(pod.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")):
        return "shares a namespace with its node"
    if any(volume.get("hostPath") for volume in pod.get("volumes") or []):
        return "mounts a folder of its node"
    return None


def _privileges(container: Any) -> str | None:
    context = _context(container)
    if context.get("privileged") or context.get("allowPrivilegeEscalation") is not False:
        return "may raise its privileges"
    return None


def _capabilities(container: Any) -> str | None:
    found = _context(container).get("capabilities") or {}
    return None if "ALL" in list(found.get("drop") or []) and not found.get("add") else "keeps capabilities"


def _read_only(container: Any) -> str | None:
    return None if _context(container).get("readOnlyRootFilesystem") is True else "may write into its own image"


def _digest(container: Any) -> str | None:
    return None if _DIGEST.search(str(container.get("image") or "")) else "has an image that may become another one"


def _resources(container: Any) -> str | None:
    found = container.get("resources") or {}
    requests, limits = found.get("requests") or {}, found.get("limits") or {}
    if requests.get("cpu") and requests.get("memory") and limits.get("memory"):
        return None
    return "doesn't say what it takes: CPU and memory it is sure to get, and memory it never exceeds"


def _serves(container: Any) -> bool:
    return bool(container.get("ports"))


def _probed(container: Any) -> str | None:
    if _serves(container) and not (container.get("readinessProbe") and container.get("livenessProbe")):
        return "serves, and nobody asks whether it is ready and alive"
    return None


def _honest(container: Any) -> str | None:
    asked = (container.get("readinessProbe") or {}).get("httpGet") or {}
    if "sealedcode" in str(asked.get("path")) or "uninitcode" in str(asked.get("path")):
        return "counts as ready while it is sealed"
    return "is asked without TLS" if asked and asked.get("scheme") != "HTTPS" else None


def _spread(found: Any) -> str | None:
    pod = _pod(found)
    if (found.get("replicas") or 1) < 2:
        return None
    zones = [
        one
        for one in pod.get("topologySpreadConstraints") or []
        if one.get("topologyKey") == "topology.kubernetes.io/zone" and one.get("whenUnsatisfiable") == "DoNotSchedule"
    ]
    if not any(one.get("minDomains") for one in zones):
        return "may have its pods in fewer zones than there are"
    anti = ((pod.get("affinity") or {}).get("podAntiAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    return None if anti else "may have two pods on one node"


def _by_hand(found: Any) -> str | None:
    kind = (found.get("updateStrategy") or {}).get("type")
    return None if kind == "OnDelete" else "replaces its pods without looking whether the others have a majority"


def _claims_stay(found: Any) -> str | None:
    kept = found.get("persistentVolumeClaimRetentionPolicy") or {}
    gone = "Delete" in (kept.get("whenDeleted"), kept.get("whenScaled"))
    return "deletes claims with its pods" if gone else None


def _patience(pod: Any) -> str | None:
    seconds = pod.get("terminationGracePeriodSeconds") or 0
    return None if seconds >= 30 else "ends its pods before they have handed their lead over"


def _rule(name: str, sentence: str, remediation: str, source: str, check: Check, *, set_only: bool = False) -> Rule:
    return Rule(
        name=name,
        sentence=sentence,
        remediation=remediation,
        source=source,
        types=(_SET,) if set_only else TYPES,
        check=check,
    )


RULES = (
    _rule(
        "pods-run-as-nobody",
        "Pods don't run as root.",
        "Set runAsNonRoot in the pod's security context, and another user than 0.",
        f"{_RESTRICTED}; Checkov CKV_K8S_23",
        spec(_nobody),
    ),
    _rule(
        "pods-filter-system-calls",
        "Pods make the system calls that the runtime allows.",
        "Set seccompProfile to RuntimeDefault.",
        f"{_RESTRICTED}; Checkov CKV_K8S_31",
        spec(_seccomp),
    ),
    _rule(
        "pods-are-apart-from-their-node",
        "Pods share no namespace and no folder with their node.",
        "Leave hostNetwork, hostPID, hostIPC and hostPath out.",
        "Kubernetes, Pod Security Standards: baseline; Checkov CKV_K8S_17 to 19",
        spec(_apart),
    ),
    _rule(
        "containers-raise-no-privileges",
        "Containers keep the privileges that they begin with.",
        "Set allowPrivilegeEscalation to false, and leave privileged out.",
        f"{_RESTRICTED}; Checkov CKV_K8S_16, CKV_K8S_20",
        containers(_privileges),
    ),
    _rule(
        "containers-drop-capabilities",
        "Containers have none of root's capabilities.",
        "Drop ALL and add none.",
        f"{_RESTRICTED}; Checkov CKV_K8S_37",
        containers(_capabilities),
    ),
    _rule(
        "containers-write-to-volumes-only",
        "Containers write to their volumes, and not into their image.",
        "Set readOnlyRootFilesystem, and mount an emptyDir where the program writes.",
        "NSA and CISA, Kubernetes Hardening Guidance: immutable filesystems; Checkov CKV_K8S_22",
        containers(_read_only),
    ),
    _rule(
        "containers-are-by-digest",
        "Containers run the image that was looked at.",
        "Write the image's digest behind its tag.",
        "NSA and CISA, Kubernetes Hardening Guidance; Checkov CKV_K8S_43",
        containers(_digest),
    ),
    _rule(
        "containers-say-what-they-take",
        "Containers are sure of what they need, and take no more memory.",
        "Give requests for cpu and memory, and a limit for memory.",
        "Kubernetes, Resource management for pods; Checkov CKV_K8S_10 to 13",
        containers(_resources),
    ),
    _rule(
        "servers-are-probed",
        "What serves is asked whether it is ready and whether it is alive.",
        "Give readinessProbe and livenessProbe.",
        "Kubernetes, Configure probes; Checkov CKV_K8S_8, CKV_K8S_9",
        containers(_probed),
        set_only=True,
    ),
    _rule(
        "ready-is-who-serves",
        "A server that is sealed or not initialised isn't ready.",
        "Leave sealedcode and uninitcode out of the readiness probe's path, and ask by HTTPS.",
        "This project: a drain would take the majority",
        containers(_honest),
        set_only=True,
    ),
    _rule(
        "servers-are-spread",
        "Servers are on nodes of their own, in all zones.",
        "Give a required anti-affinity by host, and a constraint by zone with minDomains and DoNotSchedule.",
        "HashiCorp, Vault on Kubernetes reference architecture: spread over zones",
        spec(_spread, of_pod=False),
        set_only=True,
    ),
    _rule(
        "servers-are-updated-by-hand",
        "A server is replaced once the others have a majority without it.",
        "Set updateStrategy to OnDelete.",
        "HashiCorp, Vault on Kubernetes: upgrading",
        spec(_by_hand, of_pod=False),
        set_only=True,
    ),
    _rule(
        "claims-outlive-pods",
        "Claims stay when a set of pods goes or shrinks.",
        "Set both of persistentVolumeClaimRetentionPolicy to Retain.",
        "Kubernetes, StatefulSets: PersistentVolumeClaim retention",
        spec(_claims_stay, of_pod=False),
        set_only=True,
    ),
    _rule(
        "servers-have-time-to-end",
        "A server has time to hand its lead over.",
        "Set terminationGracePeriodSeconds to 30 or more.",
        "HashiCorp, Vault on Kubernetes; vault-helm's default is 10, half of which is a pause",
        spec(_patience),
        set_only=True,
    ),
)
