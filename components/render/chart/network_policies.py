"""Which connections pods may take and make, as specifications of Kubernetes' network policies.

Owns the merging of what is needed, and the addresses of a node's own services. Refuses the metadata service to every
pod: whoever reaches it may be the node.
"""

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...model import SettingError
from ..release import Flavor
from ..traffic import ANYWHERE, API_PORT, HTTPS_PORT, Need, Protocol, networks_of
from .names import CLUSTER_PORT, JOBS_NAMESPACE, NAMESPACE, labels

Specification = dict[str, Any]

LINK_LOCAL = "169.254.0.0/16"
"""The metadata service of a node and other services of its own (AWS EC2, Instance metadata; RFC 3927)."""
POD_IDENTITY = ("169.254.170.23/32", 80)
"""The agent that gives a pod the credentials of its own identity (AWS EKS, Pod Identity: considerations)."""
CLIENT_LABEL: Mapping[str, str] = {"vault-estate/client": "yes"}
"""Of namespaces whose pods may reach the API."""
_NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""Which Kubernetes sets on every namespace."""
_DNS = {
    "namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: "kube-system"}},
    "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
}


@dataclass(frozen=True, kw_only=True)
class PodTraffic:
    """What the servers' pods and the jobs beside them need beyond each other."""

    flavor: Flavor
    """By which its chart labels pods."""
    api_networks: tuple[str, ...]
    """Networks of the cluster's own API: its addresses in the subnets, and that of its service."""
    client_networks: tuple[str, ...] = ()
    """Networks outside of the cluster that may reach the servers' API, such as a load balancer's."""
    pod_networks: tuple[str, ...] = ()
    """Networks of the cluster's pods, which are let in by their namespace, and not as a part of a wider network."""
    needs: tuple[Need, ...] = ()
    """Servers that the pods reach."""
    job_needs: tuple[Need, ...] = ()
    """Servers that the jobs reach."""
    destinations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Networks behind a host name; one that isn't listed is reached anywhere, on its port only."""


def nothing() -> Specification:
    """Of a whole namespace: what no other policy allows is refused, in both directions."""
    return {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def servers(traffic: PodTraffic) -> Specification:
    """Of the servers' pods. The port between servers is for servers only. What Kubernetes' own probes and a forwarded
    port come by isn't judged by a policy: it begins on the pod's node."""
    pods = {"podSelector": {"matchLabels": labels(traffic.flavor)}}
    clients = [
        pods,
        {"namespaceSelector": {"matchLabels": dict(CLIENT_LABEL)}},
        {"namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: JOBS_NAMESPACE}}},
        *(_block(network, traffic.pod_networks) for network in traffic.client_networks),
    ]
    return {
        **pods,
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {"from": clients, "ports": _ports("tcp", API_PORT)},
            {"from": [pods], "ports": _ports("tcp", CLUSTER_PORT)},
        ],
        "egress": [
            {"to": [pods], "ports": [*_ports("tcp", API_PORT), *_ports("tcp", CLUSTER_PORT)]},
            _to(traffic.api_networks, "api_networks", _ports("tcp", HTTPS_PORT)),
            *_outgoing(traffic.needs, traffic.destinations),
        ],
    }


def only_the_clusters_api(api_networks: Sequence[str], selected: Mapping[str, str]) -> Specification:
    """Of pods that ask Kubernetes and nobody else; nobody reaches them. Raises SettingError for no networks."""
    return {
        "podSelector": {"matchLabels": dict(selected)},
        "policyTypes": ["Ingress", "Egress"],
        "egress": [_to(api_networks, "api_networks", _ports("tcp", HTTPS_PORT))],
    }


def jobs(traffic: PodTraffic) -> Specification:
    """Of first boot, of snapshots and of rotations: nobody reaches them."""
    pods = {
        "namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: NAMESPACE}},
        "podSelector": {"matchLabels": labels(traffic.flavor)},
    }
    return {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "egress": [
            {"to": [pods], "ports": _ports("tcp", API_PORT)},
            *_outgoing(traffic.job_needs, traffic.destinations),
        ],
    }


def _outgoing(needs: Iterable[Need], destinations: Mapping[str, Sequence[str]]) -> list[Specification]:
    """Names, the pod's own identity, and each port that is needed, with the networks behind it."""
    networks: dict[tuple[Protocol, int], set[str]] = defaultdict(set)
    for need in needs:
        networks[need.protocol, need.port].update(networks_of(need.host, destinations))
    agent, port = POD_IDENTITY
    return [
        {"to": [_DNS], "ports": [*_ports("udp", 53), *_ports("tcp", 53)]},
        {"to": [_block(agent)], "ports": _ports("tcp", port)},
        *(
            _to([ANYWHERE] if ANYWHERE in some else sorted(some), "destinations", _ports(protocol, number))
            for (protocol, number), some in sorted(networks.items())
        ),
    ]


def _to(networks: Sequence[str], setting: str, ports: list[Specification]) -> Specification:
    """A rule for networks. Without any it would be one for every address."""
    if not networks:
        raise SettingError(setting, "empty", "networks, since a rule without any allows all")
    return {"to": [*map(_block, networks)], "ports": ports}


def _block(network: str, apart: Iterable[str] = ()) -> Specification:
    whole = ipaddress.IPv4Network(network)
    left_out = [LINK_LOCAL] if network == ANYWHERE else []
    left_out += [one for one in apart if ipaddress.IPv4Network(one).subnet_of(whole)]
    return {"ipBlock": {"cidr": network, **({"except": left_out} if left_out else {})}}


def _ports(protocol: Protocol, port: int) -> list[Specification]:
    return [{"protocol": protocol.upper(), "port": port}]
