"""The servers, by their official chart.

Owns the release and the priority of its pods. Refuses to wait for pods: they are ready once somebody initialised them,
which happens afterwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_kubernetes as kubernetes

from ..render.chart.names import AUTHORITIES, NAMESPACE, PRIORITY_CLASS, RELEASE
from ..render.chart.server_file import ClusterServer, server_file
from ..render.chart.values import values
from ..render.seals import SealPlace

_PRIORITY = 1_000_000
"""Above every ordinary pod, which has 0, and below what keeps a node running, which begins at 2,000,000,000
(Kubernetes, Pod Priority and Preemption)."""


@dataclass(frozen=True, kw_only=True)
class ServerChartArgs:
    """Which servers, from which chart."""

    server: ClusterServer
    """The servers."""
    archive: str
    """Path of the chart's archive on the machine that runs the program. Whoever composes has verified its checksum."""
    seal_key_arn: pulumi.Input[str] | None = None
    """Key of a seal by AWS KMS, where the estate makes it."""
    role_arn: pulumi.Input[str] | None = None
    """Role of IAM that the servers' account names, where pods take it on by their token."""
    authorities: Mapping[str, str] = field(default_factory=dict)
    """PEM of authorities that the servers trust beside their image's own, by the names of their files."""


class ServerChart(pulumi.ComponentResource):
    """The official chart's release. Each object of it is a resource of its own, so previews and policies see it."""

    def __init__(self, name: str, args: ServerChartArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:ServerChart", name, {}, opts)
        priority = kubernetes.scheduling.v1.PriorityClass(
            f"{name}-priority",
            metadata={"name": PRIORITY_CLASS},
            description="Servers that hold secrets",
            value=_PRIORITY,
            opts=pulumi.ResourceOptions(parent=self),
        )
        before: list[pulumi.Resource] = [priority]
        if args.authorities:
            before.append(
                kubernetes.core.v1.ConfigMap(
                    f"{name}-authorities",
                    metadata={"name": AUTHORITIES, "namespace": NAMESPACE},
                    data=dict(args.authorities),
                    opts=pulumi.ResourceOptions(parent=self),
                )
            )
        config = pulumi.Output.from_input(args.seal_key_arn).apply(
            lambda arn: server_file(args.server, SealPlace(kms_key=arn or ""))
        )
        kubernetes.helm.v4.Chart(
            f"{name}-chart",
            name=RELEASE,
            namespace=NAMESPACE,
            chart=args.archive,
            values=values(args.server, config, args.role_arn),
            # Pods that wait to be initialised would be waited for, for ever.
            skip_await=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=before),
        )
        self.register_outputs({})
