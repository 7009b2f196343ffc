"""The listener's certificate by cert-manager: an authority of the namespace's own, and a leaf that is renewed.

Owns four of cert-manager's resources, which the cluster must have. Refuses to read the Secret they end in: its private
key would be in the state.
"""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from ..render.chart import certificates
from ..render.chart.certificates import API_VERSION, ManagedResource
from ..render.chart.names import NAMESPACE
from ..render.chart.pods import ServerPods


@dataclass(frozen=True, kw_only=True)
class ListenerCertificateArgs:
    """Whom the certificate is for."""

    pods: ServerPods
    """Each pod has a name in it."""
    more_names: tuple[str, ...] = ()
    """Names by which the API is reached from elsewhere."""


class ListenerCertificate(pulumi.ComponentResource):
    """A certificate for 90 days, renewed by itself, from an authority for ten years whose key stays in the cluster."""

    def __init__(self, name: str, args: ListenerCertificateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:ListenerCertificate", name, {}, opts)
        root = self._made(f"{name}-self-signed", certificates.self_signed())
        authority = self._made(f"{name}-authority", certificates.authority(), root)
        issuer = self._made(f"{name}-issuer", certificates.signing(), authority)
        self._made(f"{name}-listener", certificates.listener(args.pods.replicas, args.more_names), issuer)
        self.register_outputs({})

    def _made(
        self, name: str, wanted: ManagedResource, *after: pulumi.Resource
    ) -> kubernetes.apiextensions.CustomResource:
        return kubernetes.apiextensions.CustomResource(
            name,
            api_version=API_VERSION,
            kind=wanted.kind,
            metadata={
                "name": wanted.name,
                "namespace": NAMESPACE,
                # Without it a certificate would count as made before there is one.
                "annotations": {"pulumi.com/waitFor": "condition=Ready"},
            },
            spec=wanted.specification,
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(after)),
        )
