"""Rules about what stands around pods in a cluster: namespaces, network policies, volumes, rights, certificates.

Owns who reaches whom there, and what is kept.
"""

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

from .constraints import inputs, off, one_of
from .rule import Resource, Rule
from .user_data_holds_no_secret import LOOKS

_POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
_CLASS = "kubernetes:storage.k8s.io/v1:StorageClass"
_CERTIFICATE = "kubernetes:cert-manager.io/v1:Certificate"
_METADATA = ipaddress.ip_address("169.254.169.254")
_HOURS = re.compile(r"([0-9]+)h(?:0m)?(?:0s)?")
_LONGEST_HOURS = 90 * 24
_BINDABLE = frozenset({"system:auth-delegator"})
"""Cluster roles of Kubernetes' own that a server needs: it asks about tokens of pods that log in."""


def _below(value: Any, *names: str) -> Any:
    for name in names:
        value = (value or {}).get(name)
    return value


def _restricted(value: Any) -> str | None:
    level = _below(value, "labels", "pod-security.kubernetes.io/enforce")
    return None if level == "restricted" else "doesn't hold pods to the restricted profile"


def _sides(value: Any) -> Iterator[tuple[str, Any]]:
    for direction, side in (("ingress", "from"), ("egress", "to")):
        for number, rule in enumerate(_below(value, direction) or []):
            yield f"{direction}[{number}]", rule.get(side)


def _peers(value: Any) -> str | None:
    for where, peers in _sides(value):
        if not peers:
            return f"lets everybody through in {where}, which names nobody"
    return None


def _metadata(value: Any) -> str | None:
    for where, peers in _sides(value):
        if any(_holds_metadata(peer.get("ipBlock") or {}) for peer in peers or []):
            return f"reaches the node's metadata service in {where}"
    return None


def _holds_metadata(block: Any) -> bool:
    networks = [
        ipaddress.ip_network(str(one), strict=False) for one in (block.get("cidr"), *(block.get("except") or [])) if one
    ]
    return bool(networks) and _METADATA in networks[0] and not any(_METADATA in one for one in networks[1:])


def _both(value: Any) -> str | None:
    return None if {"Ingress", "Egress"} <= set(_below(value, "policyTypes") or []) else "is about one direction only"


def _ports(value: Any) -> str | None:
    for direction in ("ingress", "egress"):
        for number, rule in enumerate(_below(value, direction) or []):
            if not rule.get("ports") or any("port" not in one for one in rule["ports"]):
                return f"opens every port in {direction}[{number}]"
    return None


def _encrypted(value: Any) -> str | None:
    if str(_below(value, "encrypted")).lower() != "true" or not _below(value, "kmsKeyId"):
        return "doesn't encrypt volumes by a key of the account's own"
    return None


def _rules(value: Any) -> str | None:
    for number, rule in enumerate(value or []):
        if any("*" in list(rule.get(name) or []) for name in ("apiGroups", "resources", "verbs")):
            return f"[{number}] has a wildcard"
    return None


def _no_secrets(value: Any) -> str | None:
    for number, rule in enumerate(value or []):
        if {"secrets", "pods/exec", "serviceaccounts/token"} & set(rule.get("resources") or []):
            return f"[{number}] opens what pods are made of: their secrets, their shells or their tokens"
    return None


def _known_role(value: Any) -> str | None:
    return None if _below(value, "name") in _BINDABLE else "is no role that a server needs in the whole cluster"


def _accounts(value: Any) -> str | None:
    for number, subject in enumerate(value or []):
        if subject.get("kind") != "ServiceAccount" or subject.get("name") in (None, "default"):
            return f"[{number}] is no service account of its own"
    return None


def _inside(value: Any) -> str | None:
    kind = _below(value, "type") or "ClusterIP"
    if kind == "NodePort":
        # By another node's port a client has that node's address, which network policies let in.
        local = _below(value, "externalTrafficPolicy") == "Local"
        return None if local else "hides from network policies who comes from outside"
    return None if kind == "ClusterIP" else "is reached from outside of the cluster"


def _serving(value: Any) -> str | None:
    headless = _below(value, "clusterIP") == "None"
    return None if headless or not _below(value, "publishNotReadyAddresses") else "sends clients to who isn't ready"


def _one_at_a_time(value: Any) -> str | None:
    most = _below(value, "maxUnavailable")
    return (
        None if most is not None and str(most).removesuffix(".0") in ("0", "1") else "lets several be evicted at once"
    )


def _short(value: Any) -> str | None:
    if _below(value, "isCA"):
        return None
    match = _HOURS.fullmatch(str(_below(value, "duration") or ""))
    return None if match and int(match[1]) <= _LONGEST_HOURS else f"lasts longer than {_LONGEST_HOURS} hours"


def _new_key(value: Any) -> str | None:
    if _below(value, "isCA") or _below(value, "privateKey", "rotationPolicy") == "Always":
        return None
    return "keeps its key when it is renewed"


def _secrets(value: Any) -> str | None:
    content = "\n".join(str(one) for one in (value or {}).values()).encode()
    found = [what for what, pattern in LOOKS if pattern.search(content)]
    return f"holds {found[0]}" if found else None


def _named_class(resource: Resource) -> Iterator[str]:
    if resource.has_inputs and resource.known("spec"):
        with resource.remembering():
            if not _below(resource.get("spec"), "storageClassName"):
                yield "spec takes the cluster's usual class of volumes, whichever that is"


def _rule(name: str, sentence: str, remediation: str, source: str, *types: str, **judges: Any) -> Rule:
    return Rule(
        name=name, sentence=sentence, remediation=remediation, source=source, types=types, check=inputs(**judges)
    )


RULES = (
    _rule(
        "namespace-is-restricted",
        "A namespace takes pods of the restricted profile only.",
        "Set the label pod-security.kubernetes.io/enforce to restricted.",
        "Kubernetes, Pod Security Admission; CIS Kubernetes Benchmark 1.10, 5.2",
        "kubernetes:core/v1:Namespace",
        metadata=_restricted,
    ),
    _rule(
        "network-policy-names-peers",
        "A network policy names who connects: an empty list is everybody.",
        "List pods, namespaces or networks in each rule.",
        "Kubernetes, Network policies: behaviour of to and from",
        _POLICY,
        spec=_peers,
    ),
    _rule(
        "network-policy-names-ports",
        "A network policy names ports.",
        "List ports in each rule.",
        "Kubernetes, Network policies; CIS Kubernetes Benchmark 1.10, 5.3.2",
        _POLICY,
        spec=_ports,
    ),
    _rule(
        "network-policy-is-about-both-directions",
        "A network policy is about what comes in and what goes out.",
        "List Ingress and Egress in policyTypes.",
        "NSA and CISA, Kubernetes Hardening Guidance: network policies",
        _POLICY,
        spec=_both,
    ),
    _rule(
        "metadata-is-out-of-reach",
        "No network policy lets a pod to its node's metadata service.",
        "Except 169.254.0.0/16 from networks that hold it.",
        "AWS EKS, Best practices: restrict access to the instance profile",
        _POLICY,
        spec=_metadata,
    ),
    _rule(
        "volumes-are-encrypted",
        "Volumes are encrypted by a key of the account's own.",
        "Set encrypted and kmsKeyId in the class's parameters.",
        "AWS EBS CSI driver, parameters; Checkov CKV_AWS_3",
        _CLASS,
        parameters=_encrypted,
    ),
    _rule(
        "volumes-outlive-claims",
        "A volume stays when its claim is deleted.",
        "Set reclaimPolicy to Retain.",
        "Kubernetes, Persistent volumes: reclaiming",
        _CLASS,
        reclaimPolicy=one_of("Retain"),
    ),
    _rule(
        "volumes-are-where-their-pod-is",
        "A volume is made in the zone of the pod that uses it.",
        "Set volumeBindingMode to WaitForFirstConsumer.",
        "Kubernetes, Storage classes: volume binding mode",
        _CLASS,
        volumeBindingMode=one_of("WaitForFirstConsumer"),
    ),
    Rule(
        name="claim-names-its-class",
        sentence="A claim names its class of volumes.",
        remediation="Give storageClassName.",
        source="Kubernetes, Persistent volumes: class",
        types=("kubernetes:core/v1:PersistentVolumeClaim",),
        check=_named_class,
    ),
    _rule(
        "rights-have-no-wildcard",
        "A role names groups, resources and verbs.",
        "List them.",
        "CIS Kubernetes Benchmark 1.10, 5.1.3; Checkov CKV_K8S_49",
        "kubernetes:rbac.authorization.k8s.io/v1:Role",
        rules=_rules,
    ),
    _rule(
        "rights-open-no-secrets",
        "No role reads secrets, runs commands in pods or makes tokens.",
        "Mount what a pod needs, and leave the right out.",
        "CIS Kubernetes Benchmark 1.10, 5.1.2",
        "kubernetes:rbac.authorization.k8s.io/v1:Role",
        rules=_no_secrets,
    ),
    _rule(
        "cluster-rights-are-known",
        "In the whole cluster a server may ask about tokens, and nothing else.",
        "Bind system:auth-delegator, or a role of a namespace.",
        "Vault, Kubernetes auth method: TokenReview; CIS Kubernetes Benchmark 1.10, 5.1.1",
        "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding",
        roleRef=_known_role,
    ),
    _rule(
        "rights-are-of-accounts",
        "Rights are given to service accounts that only the pods in question have.",
        "Name a service account of its own.",
        "CIS Kubernetes Benchmark 1.10, 5.1.5",
        "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding",
        "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
        subjects=_accounts,
    ),
    _rule(
        "service-is-inside",
        "A service is reached from inside of the cluster, or by a port of its pods' own nodes.",
        "Leave type out, or set externalTrafficPolicy to Local; a load balancer in the network is one of AWS' own.",
        "HashiCorp, Production hardening: restrict network traffic; Kubernetes, Network policies: addresses of clients",
        "kubernetes:core/v1:Service",
        spec=_inside,
    ),
    _rule(
        "service-sends-nobody-to-the-sealed",
        "A service sends clients to who is ready.",
        "Set publishNotReadyAddresses to false; the headless service alone needs it.",
        "This project: a dead leader stayed an endpoint for two minutes",
        "kubernetes:core/v1:Service",
        spec=_serving,
    ),
    _rule(
        "evictions-are-one-at-a-time",
        "One server at most is evicted at a time.",
        "Set maxUnavailable to 1.",
        "Kubernetes, Disruptions; HashiCorp, Vault on Kubernetes",
        "kubernetes:policy/v1:PodDisruptionBudget",
        spec=_one_at_a_time,
    ),
    _rule(
        "listener-certificate-is-short",
        "A listener's certificate lasts for 90 days at most.",
        "Set duration to 2160h or less.",
        "CA/Browser Forum ballot SC-081v3; Let's Encrypt's term",
        _CERTIFICATE,
        spec=_short,
    ),
    _rule(
        "listener-key-is-new-each-time",
        "A listener's certificate gets another key when it is renewed.",
        "Set rotationPolicy of privateKey to Always.",
        "cert-manager, Certificate resources: private key rotation",
        _CERTIFICATE,
        spec=_new_key,
    ),
    _rule(
        "config-map-holds-no-secret",
        "A ConfigMap holds no token, no access key and no private key.",
        "Put it into a Secret that the stack doesn't write.",
        "Kubernetes, ConfigMaps: not for confidential data; CWE-312",
        "kubernetes:core/v1:ConfigMap",
        data=_secrets,
    ),
    _rule(
        "service-account-makes-no-token",
        "A service account has no token that never ends.",
        "Leave secrets out; pods get tokens that end.",
        "Kubernetes, Service accounts: long-lived tokens; CIS Kubernetes Benchmark 1.10, 5.1.6",
        "kubernetes:core/v1:ServiceAccount",
        secrets=off,
    ),
)
