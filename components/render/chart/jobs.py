"""Pods of Jobs beside the servers, as Kubernetes' specifications: first boot, snapshots, rotations, and who publishes
the servers' authority.

Owns what they may do and are given. Refuses the servers' private key to each: of its Secret the authority's certificate
alone is mounted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from ...model import Form
from ..traffic import API_PORT, HTTPS_PORT, Need
from .names import ACTIVE, CERTIFICATE, NAMESPACE, host

Specification = dict[str, Any]

PINNED = Form(
    r"[a-z0-9.-]+(?::[0-9]+)?(?:/[a-z0-9._-]+)+(?::[A-Za-z0-9._-]+)?@sha256:[0-9a-f]{64}",
    "an image by its digest, such as registry.example.com/tools@sha256:, and 64 hexadecimal digits",
)
PinnedImage = Annotated[str, PINNED]
"""An image with Python 3.9 or later, boto3 and pysequoia, in which anybody may run it."""
FIRST_BOOT = "bootstrap"
"""Service account of first boot, in the jobs' namespace, and what its Jobs' names begin with."""
PUBLISHER = "publish-authority"
"""Service account of who publishes the authority, in the servers' namespace."""
AUTHORITY = "vault-authority"
"""ConfigMap in the jobs' namespace with the certificate of the servers' authority, as `ca.crt`."""
AUTHORITY_FILE = "/authority/ca.crt"
PROGRAMS = "/programs"
SECONDS = 900
"""A run may wait 450 seconds for one that was killed, and may take 420 itself (payloads/key_shares_in_aws.py)."""
ACTIVE_SERVER = f"https://{ACTIVE}.{NAMESPACE}.svc:{API_PORT}"
"""Whichever server is active, as another namespace sees it."""
SNAPSHOTS = "snapshots"
"""Service account of who takes snapshots, in the jobs' namespace."""
_IDENTITY_FOLDER = "/identity"
IDENTITY_FILE = f"{_IDENTITY_FOLDER}/token"
AUDIENCE = "vault"
"""Whom that token is for, so that it opens nothing else."""
_IDENTITY: Mapping[str, Any] = {
    "serviceAccountToken": {"audience": AUDIENCE, "expirationSeconds": 600, "path": IDENTITY_FILE.rpartition("/")[2]}
}
_USER = 65_532
"""Nobody in particular."""
POD_SECURITY: Specification = {
    "runAsNonRoot": True,
    "runAsUser": _USER,
    "runAsGroup": _USER,
    "fsGroup": _USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY: Specification = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
"""As the restricted standard asks, and a root that nobody writes to."""
_READABLE = 0o444
FIRST_SERVER = f"https://{host(0)}.{NAMESPACE}.svc:{API_PORT}"
"""Which server first boot asks, as another namespace sees it."""


@dataclass(frozen=True, kw_only=True)
class JobPod:
    """The one pod of a Job."""

    image: str
    """What it runs in, by its digest."""
    account: str
    """Its service account."""
    seconds: int = SECONDS
    """How long it may run."""
    command: Sequence[str]
    """A program of PROGRAMS, or `-m` and a module of the image, and its arguments."""
    authority: Mapping[str, Any]
    """Volume with the authority's certificate as `ca.crt`."""
    asks_kubernetes: bool = False
    """Whether it has a token of the cluster's own API."""
    logs_in: bool = False
    """Whether it has a token for Vault's Kubernetes auth method, as IDENTITY_FILE."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Further variables. No secret: everybody who sees the pod sees them."""
    scratch: Mapping[str, Any] = field(default_factory=lambda: {"medium": "Memory", "sizeLimit": "16Mi"})
    """What /tmp is."""


def job(pod: JobPod, programs: str) -> Specification:
    """A Job that runs a program of that ConfigMap once and isn't tried again by itself: the next `up` does, which tells
    what went wrong. It stays when it is done: one that Kubernetes took away would be made again by each `up`."""
    return {
        "backoffLimit": 0,
        "activeDeadlineSeconds": pod.seconds,
        "template": {"metadata": {"labels": labels(pod.account)}, "spec": _pod(pod, programs)},
    }


def repeated(pod: JobPod, programs: str, schedule: str) -> Specification:
    """A CronJob: one run at a time, and none if it is ten minutes late. The last runs stay to be looked at. The
    schedule is in cron's words and in UTC."""
    return {
        "schedule": schedule,
        "timeZone": "Etc/UTC",
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 600,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 5,
        "jobTemplate": {"spec": job(pod, programs)},
    }


def first_boot_needs(region: str) -> Need:
    """What first boot reaches beside the servers, for `PodTraffic.job_needs`."""
    return Need(host=f"secretsmanager.{region}.amazonaws.com", port=HTTPS_PORT, reason="key shares")


def labels(account: str) -> dict[str, str]:
    """By which its pods are selected."""
    return {"app.kubernetes.io/name": account, "app.kubernetes.io/part-of": "vault-estate"}


def published() -> Specification:
    """The authority's certificate, where it is published."""
    return {"configMap": {"name": AUTHORITY, "defaultMode": _READABLE, "items": [{"key": "ca.crt", "path": "ca.crt"}]}}


def made() -> Specification:
    """The authority's certificate, where cert-manager puts it. The Secret's other keys are left out."""
    return {
        "secret": {"secretName": CERTIFICATE, "defaultMode": _READABLE, "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    }


def _pod(pod: JobPod, programs: str) -> Specification:
    return {
        "serviceAccountName": pod.account,
        "automountServiceAccountToken": pod.asks_kubernetes,
        "enableServiceLinks": False,
        # Servers tell each other's addresses by names of their own namespace.
        "dnsConfig": {"searches": [f"{NAMESPACE}.svc.cluster.local"]},
        "restartPolicy": "Never",
        # Kept by the node itself, also where the rest of the cluster doesn't hear of it.
        "activeDeadlineSeconds": pod.seconds,
        "securityContext": POD_SECURITY,
        "containers": [
            {
                "name": pod.account,
                "image": pod.image,
                "command": ["python3", "-B", "-E", "-s", *pod.command],
                # Without the metadata service, AWS' client fails where the pod's own identity is missing, and never
                # takes the node's.
                "env": [
                    {"name": "AWS_EC2_METADATA_DISABLED", "value": "true"},
                    {"name": "HOME", "value": "/tmp"},  # noqa: S108 - the pod's own
                    *({"name": name, "value": value} for name, value in pod.environment.items()),
                ],
                "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
                "securityContext": CONTAINER_SECURITY,
                "volumeMounts": [
                    {"name": "programs", "mountPath": PROGRAMS, "readOnly": True},
                    {"name": "authority", "mountPath": AUTHORITY_FILE.rpartition("/")[0], "readOnly": True},
                    {"name": "scratch", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
                    *([{"name": "identity", "mountPath": _IDENTITY_FOLDER, "readOnly": True}] if pod.logs_in else []),
                ],
            }
        ],
        "volumes": [
            {"name": "programs", "configMap": {"name": programs, "defaultMode": _READABLE}},
            {"name": "authority", **pod.authority},
            {"name": "scratch", "emptyDir": dict(pod.scratch)},
            *([{"name": "identity", "projected": {"sources": [_IDENTITY]}}] if pod.logs_in else []),
        ],
    }
