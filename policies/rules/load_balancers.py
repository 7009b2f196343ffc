"""Rules about load balancers. Owns who reaches one, where it ends connections, and what it sends nobody to.

Checkov's numbers are named where a rule asks for the same. CKV_AWS_91, a log of requests, has no rule: a load balancer
that passes TLS on sees none, and writes no log (AWS ELB, Network Load Balancers: access logs). Who connected is in the
network's record of traffic.
"""

from typing import Any

from .constraints import given, inputs, on, one_of
from .rule import Rule

_BALANCER = "aws:lb/loadBalancer:LoadBalancer"
_LISTENER = "aws:lb/listener:Listener"
_TARGETS = "aws:lb/targetGroup:TargetGroup"


def _asked(value: Any) -> str | None:
    check = value or {}
    if check.get("protocol") != "HTTPS":
        return "asks without TLS, or whether a port is open only"
    return None if str(check.get("path") or "").startswith("/v1/sys/health") else "doesn't ask whether Vault serves"


def _rule(name: str, sentence: str, remediation: str, source: str, types: str, **judges: Any) -> Rule:
    return Rule(
        name=name, sentence=sentence, remediation=remediation, source=source, types=(types,), check=inputs(**judges)
    )


RULES = (
    _rule(
        "balancer-is-private",
        "A load balancer has private addresses only.",
        "Set internal.",
        "HashiCorp, Production hardening: restrict network traffic; AWS Security Hub ELB",
        _BALANCER,
        internal=on,
    ),
    _rule(
        "balancer-has-a-group",
        "A load balancer has a security group, without which everybody in reach is let in.",
        "Give security_groups; one that was made without any can't be given some.",
        "AWS ELB, Network Load Balancers: security groups",
        _BALANCER,
        securityGroups=given,
    ),
    _rule(
        "balancer-crosses-zones",
        "A load balancer finds servers of every zone.",
        "Set enable_cross_zone_load_balancing.",
        "AWS ELB, cross-zone load balancing; Checkov CKV_AWS_152",
        _BALANCER,
        enableCrossZoneLoadBalancing=on,
    ),
    _rule(
        "balancer-passes-tls-on",
        "TLS ends in the servers, and not before them: a login by certificate needs that, too.",
        "Set protocol of the listener to TCP.",
        "HashiCorp, Production hardening: end-to-end TLS; Checkov CKV_AWS_2, CKV_AWS_103",
        _LISTENER,
        protocol=one_of("TCP"),
    ),
    _rule(
        "balancer-asks-who-serves",
        "A load balancer sends nobody to a server that is sealed.",
        "Give health_check with the protocol HTTPS and a path of /v1/sys/health.",
        "Vault, /sys/health; Checkov CKV_AWS_261, CKV_AWS_378",
        _TARGETS,
        healthCheck=_asked,
    ),
    _rule(
        "balancer-keeps-clients-addresses",
        "Vault sees its clients' own addresses behind a load balancer.",
        "Set preserve_client_ip.",
        "AWS ELB, client IP preservation; Vault, audit devices and rate limit quotas",
        _TARGETS,
        preserveClientIp=lambda value: None if str(value).lower() == "true" else "is off",
    ),
)
