"""The two namespaces: one for the servers and nothing else, one for the jobs beside them.

Owns the pods' restrictions there and what may connect to what. Refuses to share: the servers' account may change every
pod of its namespace.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from ..render.chart import network_policies
from ..render.chart.names import JOBS_NAMESPACE, NAMESPACE, RELEASE
from ..render.chart.network_policies import PodTraffic

_LEVELS = ("enforce", "audit", "warn")


@dataclass(frozen=True, kw_only=True)
class ServerNamespacesArgs:
    """What may connect, and what is kept."""

    traffic: PodTraffic
    """Connections of the servers and of the jobs."""
    protect: bool
    """Keeps the namespaces: whoever deletes one deletes the claims in it."""


class ServerNamespaces(pulumi.ComponentResource):
    """Both namespaces under the restricted pod security standard, in which nothing connects but what is listed. What is
    in them depends on this: a pod that is made before its policies could connect to everything for a while."""

    def __init__(self, name: str, args: ServerNamespacesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:ServerNamespaces", name, {}, opts)
        # Claims stay when the stack goes, and they can't without their namespace.
        kept = pulumi.ResourceOptions(parent=self, protect=args.protect, retain_on_delete=True)
        gone = pulumi.ResourceOptions(parent=self, protect=args.protect)
        self._made(f"{name}-servers", NAMESPACE, network_policies.servers(args.traffic), kept)
        self._made(f"{name}-jobs", JOBS_NAMESPACE, network_policies.jobs(args.traffic), gone)
        self.register_outputs({})

    def _made(self, name: str, called: str, traffic: Mapping[str, Any], opts: pulumi.ResourceOptions) -> None:
        restricted = {f"pod-security.kubernetes.io/{level}": "restricted" for level in _LEVELS}
        namespace = kubernetes.core.v1.Namespace(name, metadata={"name": called, "labels": restricted}, opts=opts)
        within = pulumi.ResourceOptions(parent=self, depends_on=[namespace])
        specifications: Mapping[str, Any] = {"nothing": network_policies.nothing(), RELEASE: traffic}
        for suffix, specification in specifications.items():
            kubernetes.networking.v1.NetworkPolicy(
                f"{name}-{suffix}", metadata={"name": suffix, "namespace": called}, spec=specification, opts=within
            )
