"""Which connections the network policies of a cluster let through, asked of each as Kubernetes would judge it.

Not proven: that a cluster enforces them; `judged` is this module's own reading of Kubernetes' rules.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from components.render.chart import network_policies
from components.render.chart.names import labels
from components.render.chart.network_policies import PodTraffic
from components.render.traffic import Need
from tests.support.cluster_samples import TRAFFIC

SERVER = {"pod": labels("vault"), "namespace": {"kubernetes.io/metadata.name": "vault"}}
JOB = {"pod": {"job-name": "bootstrap"}, "namespace": {"kubernetes.io/metadata.name": "vault-jobs"}}
CLIENT = {"pod": {}, "namespace": {"kubernetes.io/metadata.name": "shop", "vault-estate/client": "yes"}}
STRANGER = {"pod": labels("vault"), "namespace": {"kubernetes.io/metadata.name": "shop"}}
DNS = {"pod": {"k8s-app": "kube-dns"}, "namespace": {"kubernetes.io/metadata.name": "kube-system"}}


def matches(selector: Mapping[str, Any] | None, found: Mapping[str, str]) -> bool:
    return selector is None or (selector.get("matchLabels") or {}).items() <= found.items()


def peer_is(peer: Mapping[str, Any], other: Any, own_namespace: Mapping[str, str]) -> bool:
    """Whether a peer of a rule is `other`: an address, or a pod in its namespace."""
    if isinstance(other, str):
        block = peer.get("ipBlock") or {"cidr": "255.255.255.255/32"}
        address = ipaddress.ip_address(other)
        inside = [address in ipaddress.ip_network(one) for one in (block["cidr"], *block.get("except", ()))]
        return inside[0] and not any(inside[1:])
    if "ipBlock" in peer:
        return False
    namespace = peer.get("namespaceSelector")
    there = other["namespace"] == own_namespace if namespace is None else matches(namespace, other["namespace"])
    return there and matches(peer.get("podSelector"), other["pod"])


def judged(
    policy: Mapping[str, Any], direction: str, other: Any, port: int, *, protocol: str = "TCP", own: Any = None
) -> bool:
    """Whether a policy of a pod lets a connection through."""
    side = {"ingress": "from", "egress": "to"}[direction]
    own_namespace = (own or SERVER)["namespace"]
    return any(
        {"protocol": protocol, "port": port} in rule["ports"]
        # Kubernetes takes an empty list for everybody.
        and (not rule[side] or any(peer_is(peer, other, own_namespace) for peer in rule[side]))
        for rule in policy.get(direction, ())
    )


SERVERS = network_policies.servers(TRAFFIC)
JOBS = network_policies.jobs(TRAFFIC)


def test_without_another_policy_nothing_connects() -> None:
    policy = network_policies.nothing()

    assert policy == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert SERVERS["policyTypes"] == JOBS["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in JOBS


@pytest.mark.parametrize(
    ("other", "port", "expected"),
    [
        (CLIENT, 8200, True),
        (JOB, 8200, True),
        (SERVER, 8200, True),
        (SERVER, 8201, True),
        ("10.0.240.7", 8200, True),
        # A pod that only calls itself a server, in another namespace.
        (STRANGER, 8200, False),
        (STRANGER, 8201, False),
        (CLIENT, 8201, False),
        (JOB, 8201, False),
        ("10.0.0.7", 8200, False),
        ("10.0.240.7", 8201, False),
    ],
)
def test_who_reaches_a_server(other: Any, port: int, expected: bool) -> None:
    assert judged(SERVERS, "ingress", other, port) is expected


@pytest.mark.parametrize(
    ("other", "port", "protocol", "expected"),
    [
        (SERVER, 8200, "TCP", True),
        (SERVER, 8201, "TCP", True),
        (DNS, 53, "UDP", True),
        (DNS, 53, "TCP", True),
        ("169.254.170.23", 80, "TCP", True),
        ("10.0.3.4", 443, "TCP", True),
        ("172.20.0.1", 443, "TCP", True),
        ("3.3.3.3", 443, "TCP", True),
        ("10.8.0.9", 5432, "TCP", True),
        ("10.9.0.4", 5432, "TCP", True),
        ("10.9.0.5", 5432, "TCP", False),
        ("169.254.169.254", 80, "TCP", False),
        ("169.254.169.254", 443, "TCP", False),
        ("8.8.8.8", 53, "UDP", False),
        ("3.3.3.3", 80, "TCP", False),
        (CLIENT, 8200, "TCP", False),
    ],
)
def test_whom_a_server_reaches(other: Any, port: int, protocol: str, expected: bool) -> None:
    assert judged(SERVERS, "egress", other, port, protocol=protocol) is expected


@pytest.mark.parametrize(
    ("other", "port", "expected"),
    [
        (SERVER, 8200, True),
        (SERVER, 8201, False),
        ("169.254.170.23", 80, True),
        ("3.3.3.3", 443, True),
        ("10.8.0.9", 5432, False),
        ("169.254.169.254", 80, False),
        (STRANGER, 8200, False),
    ],
)
def test_whom_a_job_reaches(other: Any, port: int, expected: bool) -> None:
    assert judged(JOBS, "egress", other, port, own=JOB) is expected


@pytest.mark.parametrize(
    ("traffic", "setting"),
    [
        (replace(TRAFFIC, api_networks=()), "api_networks"),
        (
            PodTraffic(
                flavor="vault",
                api_networks=("10.0.0.0/16",),
                needs=(Need(host="a", port=1, reason="b"),),
                destinations={"a": ()},
            ),
            "destinations",
        ),
    ],
)
def test_an_empty_list_which_would_be_everybody_is_refused(traffic: PodTraffic, setting: str) -> None:
    expected = f"{setting} is empty; expected networks, since a rule without any allows all"
    with pytest.raises(ValueError, match=re.escape(expected)):
        network_policies.servers(traffic)
