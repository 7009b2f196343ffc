"""What things in the cluster are called. Certificates, addresses to join and claims hang on these: they never change.

Owns the names and those that follow from a flavour; refuses to know what they are for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..release import Flavor
from ..traffic import API_PORT

RELEASE = "vault"
"""Of the chart's release and of everything it makes."""
NAMESPACE = "vault"
"""Of the servers and of nothing else: their service account may change every pod there."""
JOBS_NAMESPACE = "vault-jobs"
"""Of first boot, of snapshots and of rotations."""
HEADLESS = f"{RELEASE}-internal"
"""The service by which each pod has a name of its own."""
ACTIVE = f"{RELEASE}-active"
"""The service that has the active server only."""
CERTIFICATE = "vault-tls"
"""Secret with the listener's certificate, its key and its authority."""
AUTHORITIES = "vault-authorities"
"""ConfigMap with authorities that the servers trust beside their image's own."""
SEAL_TOKEN = "vault-seal"  # noqa: S105 - a name
"""Secret that an operator makes for a seal by another Vault, with the keys `token` and `ca.crt`, its authority's."""
ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"
"""Of a service account, the role that its pods take on by their token (AWS EKS, IAM roles for service accounts)."""
STORAGE_CLASS = "vault-gp3"
PRIORITY_CLASS = "vault"
NODE_LABEL: Mapping[str, str] = {"role": "vault"}
"""Of nodes that are for servers only."""
NODE_TAINT: Mapping[str, str] = {"key": "dedicated", "value": "vault", "effect": "NoSchedule"}
"""Keeps everything else from these nodes."""
SERVES = "/v1/sys/health?standbyok=true&perfstandbyok=true"
"""What a server answers with 200 as long as it serves: unsealed, whether it leads or not (Vault, /sys/health)."""
CLUSTER_PORT = 8201
"""Where servers talk to each other; the charts fix it."""


@dataclass(frozen=True, kw_only=True)
class ChartNames:
    """What a flavour's chart calls things."""

    chart: str
    """The chart, and the label `app.kubernetes.io/name` of what it makes."""
    version: str
    """Of the chart that the values are for."""
    variables: str
    """What the server's variables begin with."""
    config_annotation: str
    """Value that puts the configuration's checksum on each pod."""
    home: str
    """Folder of the server's files."""


NAMES: Mapping[Flavor, ChartNames] = {
    "vault": ChartNames(
        chart="vault",
        version="0.34.1",
        variables="VAULT",
        config_annotation="includeConfigAnnotation",
        home="/vault",
    ),
    "openbao": ChartNames(
        chart="openbao",
        version="0.29.2",
        variables="BAO",
        config_annotation="configAnnotation",
        home="/openbao",
    ),
}


def labels(flavor: Flavor) -> dict[str, str]:
    """By which the servers' pods are selected."""
    return {
        "app.kubernetes.io/name": NAMES[flavor].chart,
        "app.kubernetes.io/instance": RELEASE,
        "component": "server",
    }


def host(ordinal: int) -> str:
    """A pod's name in the cluster's DNS, from inside the servers' namespace."""
    return f"{RELEASE}-{ordinal}.{HEADLESS}"


def pod_address(ordinal: int) -> str:
    """A pod's API."""
    return f"https://{host(ordinal)}:{API_PORT}"


def api_in_cluster() -> str:
    """The API for pods of every namespace that is let in: any server that is ready."""
    return f"https://{RELEASE}.{NAMESPACE}.svc:{API_PORT}"


def certified(replicas: int) -> Iterator[str]:
    """Every name that the listener's certificate is for."""
    for service in (RELEASE, ACTIVE):
        yield from (service, f"{service}.{NAMESPACE}", f"{service}.{NAMESPACE}.svc")
    for ordinal in range(replicas):
        yield from (host(ordinal), f"{host(ordinal)}.{NAMESPACE}.svc")
    yield "localhost"


def claims(replicas: int) -> Iterator[tuple[str, str]]:
    """Which volume, and the name of its claim as the chart's StatefulSet expects it, for each pod."""
    for ordinal in range(replicas):
        for volume in ("data", "audit"):
            yield volume, f"{volume}-{RELEASE}-{ordinal}"
