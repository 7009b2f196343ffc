"""The values of both charts, from one model: each with what it is for, and what would happen without it.

Owns everything that is set; what isn't here has the chart's own default. Refuses to hold a secret: values are in the
state and in the cluster as plain text.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..seals import TransitSeal
from ..traffic import API_PORT
from .names import (
    AUTHORITIES,
    CERTIFICATE,
    HEADLESS,
    NAMES,
    NODE_LABEL,
    NODE_TAINT,
    PRIORITY_CLASS,
    RELEASE,
    ROLE_ANNOTATION,
    SEAL_TOKEN,
    SERVES,
    STORAGE_CLASS,
    labels,
)
from .server_file import ClusterServer

Values = dict[str, Any]

AUDIT_FILE_BYTES = 256 * 2**20
"""How large an audit log becomes before it begins anew."""
AUDIT_SHARE_PERCENT = 85
"""Of the volume that old audit logs may fill; ext4 keeps 5 % for root (mke2fs, reserved-blocks-percentage)."""
_FILES_PER_GIBIBYTE = 2**30 // AUDIT_FILE_BYTES
_FOLLOWS = Path(__file__).parents[2] / "payloads" / "follow_certificate.sh"
_USER, _GROUP = 100, 1000
"""Both images' own user and group."""
_READABLE_BY_GROUP = 0o440
_RESTRICTED: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
"""What `pod-security.kubernetes.io/enforce: restricted` asks of a container; the charts' defaults lack capabilities and
seccomp, and are refused."""


def values(server: ClusterServer, config: Any, role_arn: Any = None) -> Values:
    """All values of the flavour's chart. `config` is the server's file, or what becomes it; `role_arn` a role that its
    pods take on by their token.

    `fullnameOverride` because certificates, addresses to join and claims hang on the name. `tlsDisable` is true by
    default, and switches the scheme of probes, services and the pods' own clients. The injector, the CSI provider and
    the UI are left out: how secrets get to applications isn't this chart's to decide.
    """
    return {
        "fullnameOverride": RELEASE,
        "global": {"tlsDisable": False},
        "injector": {"enabled": False},
        "csi": {"enabled": False},
        "ui": {"enabled": False},
        "server": {
            **_image(server),
            **_cluster(server, config),
            **_set(server),
            **_process(server),
            **_beside(server),
            **_probes(),
            **_rights(role_arn),
            **_volumes(server),
            **_storage(),
            **_placement(server),
            **_reached(),
        },
    }


def _image(server: ClusterServer) -> Values:
    """The templates write `repository:tag`, so the digest is part of the tag. OpenBao's puts a registry before it,
    quay.io unless it is told."""
    image, tag = server.pods.image, server.tag
    if server.flavor == "openbao":
        registry, _, repository = image.repository.partition("/")
        return {"image": {"registry": registry, "repository": repository, "tag": tag}}
    return {"image": {"repository": image.repository, "tag": tag}}


def _cluster(server: ClusterServer, config: Any) -> Values:
    """`setNodeId` gives each pod its own name in Raft. `apiAddr` by the pod's name, since a pod's IP is in no
    certificate; `$(HOSTNAME)` wouldn't do: the templates declare it after the variable that uses it. One pod may be
    evicted at a time: by default it were two of five, which leaves none to spare."""
    name = f"$({NAMES[server.flavor].variables}_K8S_POD_NAME)"
    return {
        "ha": {
            "enabled": True,
            "replicas": server.pods.replicas,
            "apiAddr": f"https://{name}.{HEADLESS}:{API_PORT}",
            "disruptionBudget": {"enabled": True, "maxUnavailable": 1},
            "raft": {"enabled": True, "setNodeId": True, "config": config},
        }
    }


def _set(server: ClusterServer) -> Values:
    """A pod gets what changed when it is deleted, one after another, by who looks at votes between. The annotation with
    the configuration's checksum tells which are behind. OpenBao's chart begins pods in order by default: the second
    would wait for the first to be ready, which it is after first boot only. A StatefulSet that has to be replaced
    leaves its pods, which the new one takes over."""
    ordered = {"podManagementPolicy": "Parallel"} if server.flavor == "openbao" else {}
    return {
        "updateStrategyType": "OnDelete",
        NAMES[server.flavor].config_annotation: True,
        "statefulSet": {
            "annotations": {"pulumi.com/deletionPropagationPolicy": "orphan"},
            **_security_contexts(),
        },
        **ordered,
    }


def _process(server: ClusterServer) -> Values:
    """The shell that is the first process doesn't pass a signal on; the chart's `preStop` does, after a pause in which
    the services learn of it. Leadership is handed over then, within a minute. Without the metadata service, AWS' client
    fails where the pod's own identity is missing, and never takes the node's. A seal's token comes from a Secret that
    an operator makes."""
    variables = NAMES[server.flavor].variables
    token: Values = {}
    if isinstance(server.seal, TransitSeal):
        named = {"envName": "VAULT_TOKEN", "secretName": SEAL_TOKEN, "secretKey": "token"}
        token = {"extraSecretEnvironmentVars": [named]}
    memory = f"{server.pods.memory_mebibytes}Mi"
    return {
        "terminationGracePeriodSeconds": 60,
        "preStopSleepSeconds": 5,
        "extraEnvironmentVars": {
            "AWS_EC2_METADATA_DISABLED": "true",
            f"{variables}_CACERT": f"{server.tls}/ca.crt",
            # A folder; the image's own authorities are in a file, and stay trusted (Go, crypto/x509).
            **({"SSL_CERT_DIR": server.authorities} if server.has_authorities else {}),
        },
        "resources": {
            "requests": {"cpu": f"{server.pods.cpu_millicores}m", "memory": memory},
            "limits": {"memory": memory},
        },
        **token,
    }


def _beside(server: ClusterServer) -> Values:
    """A second container that signals the server when its certificate changed, since Vault doesn't look by itself, and
    when its audit log is to begin anew. It sees the server's process, and has its user and its image."""
    told = {
        "CERTIFICATE": f"{server.tls}/tls.crt",
        "AUDIT_LOG": server.audit_log,
        "AUDIT_BYTES": str(AUDIT_FILE_BYTES),
        "AUDIT_FILES": str(server.pods.audit_gibibytes * _FILES_PER_GIBIBYTE * AUDIT_SHARE_PERCENT // 100),
        "PROGRAM": "bao" if server.flavor == "openbao" else "vault",
    }
    container = {
        "name": "certificate",
        "image": f"{server.pods.image.repository}:{server.tag}",
        "command": ["/bin/sh", "-c", _FOLLOWS.read_text(encoding="utf-8")],
        "env": [{"name": name, "value": value} for name, value in told.items()],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "32Mi"}},
        "securityContext": dict(_RESTRICTED),
        "volumeMounts": [
            {"name": "tls", "mountPath": server.tls, "readOnly": True},
            {"name": "audit", "mountPath": f"{server.home}/audit"},
        ],
    }
    return {"shareProcessNamespace": True, "extraContainers": [container]}


def _probes() -> Values:
    """Ready is who serves: a pod that is sealed or not initialised isn't, or a drain would count it as healthy and take
    the majority. Alive is who answers at all: a sealed pod isn't restarted. By default the first starts the server's
    whole program each five seconds and verifies no certificate, and the second is off."""
    common = {"enabled": True, "port": API_PORT, "successThreshold": 1}
    alive = f"{SERVES}&sealedcode=204&uninitcode=204&removedcode=204&haunhealthycode=204"
    return {
        "readinessProbe": {
            **common,
            "path": SERVES,
            "initialDelaySeconds": 5,
            "periodSeconds": 5,
            "timeoutSeconds": 3,
            "failureThreshold": 2,
        },
        "livenessProbe": {
            **common,
            "path": alive,
            "initialDelaySeconds": 60,
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 12,
        },
    }


def _security_contexts() -> Values:
    return {
        "securityContext": {
            "pod": {
                "runAsNonRoot": True,
                "runAsUser": _USER,
                "runAsGroup": _GROUP,
                "fsGroup": _GROUP,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "container": dict(_RESTRICTED),
        }
    }


def _rights(role_arn: Any) -> Values:
    """Service discovery lets a server label its own pod, which gives it every pod of its namespace; asking the cluster
    about tokens is what logins of pods need. Network policies are our own: the chart's let every namespace in, to the
    port between servers, too."""
    return {
        "serviceAccount": {
            "create": True,
            "name": RELEASE,
            "serviceDiscovery": {"enabled": True},
            **({"annotations": {ROLE_ANNOTATION: role_arn}} if role_arn is not None else {}),
        },
        "authDelegator": {"enabled": True},
        "networkPolicy": {"enabled": False},
    }


def _volumes(server: ClusterServer) -> Values:
    """The start script copies the configuration to /tmp, and nothing else is writable. The certificate is for the
    server's group only; the chart's own `extraVolumes` would fix its folder and let everybody read it. A plugin that a
    server fetches has a volume of its own: its folder is no part of the data. A seal by another Vault has a certificate
    to verify that by. What servers connect to may have one of an authority that the image doesn't know."""
    volumes: list[Values] = []
    mounts: list[Values] = []
    if server.kms_plugin is not None and server.kms_plugin.image is not None:
        volumes.append({"name": "plugins", "emptyDir": {"sizeLimit": "512Mi"}})
        mounts.append({"name": "plugins", "mountPath": server.plugins})
    if isinstance(server.seal, TransitSeal):
        authority = {"secretName": SEAL_TOKEN, "items": [{"key": "ca.crt", "path": "ca.crt"}]}
        volumes.append({"name": "seal", "secret": {**authority, "defaultMode": _READABLE_BY_GROUP}})
        mounts.append({"name": "seal", "mountPath": server.seal_folder, "readOnly": True})
    if server.has_authorities:
        volumes.append({"name": "authorities", "configMap": {"name": AUTHORITIES, "defaultMode": _READABLE_BY_GROUP}})
        mounts.append({"name": "authorities", "mountPath": server.authorities, "readOnly": True})
    return {
        "volumes": [
            {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
            {"name": "tls", "secret": {"secretName": CERTIFICATE, "defaultMode": _READABLE_BY_GROUP}},
            *volumes,
        ],
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - in the pod, and its own
            {"name": "tls", "mountPath": server.tls, "readOnly": True},
            *mounts,
        ],
    }


def _storage() -> Values:
    """What a StatefulSet says of its claims can't change, so another size would replace the set and end all its pods.
    The claims are there before it, each of its own size, and this one is never used. They stay when the set goes, and
    when it shrinks."""
    volume = {"enabled": True, "size": "20Gi", "storageClass": STORAGE_CLASS}
    return {
        "dataStorage": volume,
        "auditStorage": volume,
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
    }


def _placement(server: ClusterServer) -> Values:
    """Each server on a node of its own, evenly over zones: without `minDomains` two zones of three would be even. On
    nodes that are for servers only. The affinity is a text, since the chart's default is one, and Helm warns of a
    mapping in its place."""
    selector = {"matchLabels": labels(server.flavor)}
    apart = {"topologyKey": "kubernetes.io/hostname", "labelSelector": selector}
    spread = {
        "maxSkew": 1,
        "minDomains": server.zones,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "nodeTaintsPolicy": "Honor",
        "labelSelector": selector,
    }
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}}
    return {
        "affinity": yaml.safe_dump(affinity, sort_keys=False),
        "topologySpreadConstraints": [spread],
        "tolerations": [{"operator": "Equal", **NODE_TAINT}],
        "nodeSelector": dict(NODE_LABEL),
        "priorityClassName": PRIORITY_CLASS,
    }


def _reached() -> Values:
    """By default services send clients to pods that aren't ready, for minutes to one that died. The headless service
    does so always, which joining needs."""
    return {
        "service": {
            "enabled": True,
            "publishNotReadyAddresses": False,
            "active": {"enabled": True},
            "standby": {"enabled": False},
        }
    }
