"""Servers in a cluster that tests render, and the keys that both charts really have."""

from collections.abc import Iterator, Mapping
from typing import Any

from components.render.chart.pods import ServerImage, ServerPods
from components.render.chart.server_file import ClusterServer
from components.render.seals import AwsKmsSeal, SealPlace, TransitSeal

KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd"
PLACE = SealPlace(kms_key=KEY)
DIGEST = f"sha256:{'0' * 64}"
REGISTRY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
VAULT = ClusterServer(
    flavor="vault",
    version="2.0.4",
    pods=ServerPods(image=ServerImage(repository=f"{REGISTRY}/hashicorp/vault", digest=DIGEST), replicas=3),
    seal=AwsKmsSeal(region="eu-central-1"),
)
OPENBAO = ClusterServer(
    flavor="openbao",
    version="2.7.2",
    pods=ServerPods(image=ServerImage(repository=f"{REGISTRY}/openbao/openbao", digest=DIGEST), replicas=5),
    seal=TransitSeal(address="https://other.internal:8200", key="vault"),
)
SERVERS = (VAULT, OPENBAO)

OPEN = frozenset(
    {
        "server.affinity",
        "server.extraContainers",
        "server.extraEnvironmentVars",
        "server.extraSecretEnvironmentVars",
        "server.nodeSelector",
        "server.persistentVolumeClaimRetentionPolicy",
        "server.resources",
        "server.statefulSet.annotations",
        "server.statefulSet.securityContext.container",
        "server.statefulSet.securityContext.pod",
        "server.tolerations",
        "server.topologySpreadConstraints",
        "server.volumeMounts",
        "server.volumes",
    }
)
"""What the charts hand on to Kubernetes as it is."""
_BOTH = """
fullnameOverride global.tlsDisable injector.enabled csi.enabled ui.enabled server.image.repository server.image.tag
server.ha.enabled server.ha.replicas server.ha.apiAddr server.ha.disruptionBudget.enabled
server.ha.disruptionBudget.maxUnavailable server.ha.raft.enabled server.ha.raft.setNodeId server.ha.raft.config
server.updateStrategyType server.terminationGracePeriodSeconds server.preStopSleepSeconds server.shareProcessNamespace
server.readinessProbe.enabled server.readinessProbe.port server.readinessProbe.path
server.readinessProbe.successThreshold server.readinessProbe.initialDelaySeconds server.readinessProbe.periodSeconds
server.readinessProbe.timeoutSeconds server.readinessProbe.failureThreshold server.livenessProbe.enabled
server.livenessProbe.port server.livenessProbe.path server.livenessProbe.successThreshold
server.livenessProbe.initialDelaySeconds server.livenessProbe.periodSeconds server.livenessProbe.timeoutSeconds
server.livenessProbe.failureThreshold server.serviceAccount.create server.serviceAccount.name
server.serviceAccount.serviceDiscovery.enabled server.authDelegator.enabled server.networkPolicy.enabled
server.dataStorage.enabled server.dataStorage.size server.dataStorage.storageClass server.auditStorage.enabled
server.auditStorage.size server.auditStorage.storageClass server.priorityClassName server.service.enabled
server.service.publishNotReadyAddresses server.service.active.enabled server.service.standby.enabled
"""
KNOWN: Mapping[str, frozenset[str]] = {
    "vault": OPEN | {*_BOTH.split(), "server.includeConfigAnnotation"},
    "openbao": OPEN
    | {*_BOTH.split(), "server.configAnnotation", "server.image.registry", "server.podManagementPolicy"},
}
"""Read in the templates of vault-helm 0.34.1 and openbao-helm 0.29.2, where each of them is used; by hand, not derived:
both charts let keys pass that they don't know."""


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each key that is set, in full, and its value; what the charts hand on isn't looked into."""
    for name, value in values.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and key not in OPEN:
            yield from leaves(value, f"{key}.")
        else:
            yield key, value


def keys(values: Mapping[str, Any]) -> Iterator[str]:
    """The keys alone."""
    return (key for key, _ in leaves(values))
