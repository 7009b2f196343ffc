"""What a load balancer outside of the cluster reaches: a port of the servers' nodes.

Owns one service. Refuses to make a load balancer: none that Kubernetes makes is seen by the policy pack.
"""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from ..render.chart import node_port
from ..render.chart.names import NAMESPACE
from ..render.release import Flavor


@dataclass(frozen=True, kw_only=True)
class ServerNodePortArgs:
    """Whose port."""

    flavor: Flavor
    """By which its chart labels pods."""


class ServerNodePort(pulumi.ComponentResource):
    """A service by a port of each node, which leads to the server on that node and to no other. It has to be made once
    servers are ready: it is waited for until one is behind it."""

    def __init__(self, name: str, args: ServerNodePortArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:ServerNodePort", name, {}, opts)
        spec: Any = node_port.service(args.flavor)
        kubernetes.core.v1.Service(
            f"{name}-service",
            metadata={"name": node_port.SERVICE, "namespace": NAMESPACE},
            spec=spec,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
