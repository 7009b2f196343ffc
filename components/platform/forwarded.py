"""A Vault in a cluster as the estate sees it: by a port of this machine that is forwarded to one of its pods.

Owns the wait for all of its servers. Refuses to forward the port, and to read the cluster.
"""

from dataclasses import dataclass

import pulumi

from ..render.login import CertificateLogin
from .endpoint import Endpoint
from .local import ADMINISTRATOR_NETWORKS
from .readiness import VaultReady, VaultReadyArgs


@dataclass(frozen=True, kw_only=True)
class ForwardedServersArgs:
    """Which servers, and how they are reached."""

    port: int
    """TCP port on 127.0.0.1 that is forwarded."""
    ca_certificate_file: str
    """PEM file of the authority behind the servers' certificate, relative to the project's root. It may come while
    `up` waits, since the cluster makes that authority."""
    login: CertificateLogin
    """Who administers it."""
    cluster: pulumi.Input[str]
    """What identifies the cluster; another one is waited for again."""
    replicas: int
    """How many servers there are, of which all have to vote."""
    timeout_seconds: int
    """How long to wait for that."""


class ForwardedServers(pulumi.ComponentResource):
    """Servers that another component made, once they serve. Whoever logs in comes from a pod's own loopback, so the
    administrator's tokens are good there only, and worth nothing without the cluster's API."""

    endpoint: Endpoint
    """What the contents may know of it."""
    cluster_id: pulumi.Output[str]
    """The servers' own name for what they are together."""

    def __init__(self, name: str, args: ForwardedServersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:ForwardedServers", name, {}, opts)
        address = f"https://127.0.0.1:{args.port}"
        ready = VaultReady(
            f"{name}-ready",
            VaultReadyArgs(
                address=address,
                login=args.login,
                ca_certificate_file=args.ca_certificate_file,
                timeout_seconds=args.timeout_seconds,
                server=args.cluster,
                replicas=args.replicas,
                authority_comes=True,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.cluster_id = ready.cluster_id
        self.endpoint = Endpoint(
            address=address,
            ca_certificate_file=args.ca_certificate_file,
            login=args.login,
            ready=ready,
            administrator_networks=ADMINISTRATOR_NETWORKS,
            servers=args.replicas,
            # Not the volumes' component: servers wait for that, and would wait for what is below it.
            holds_data=self,
        )
        self.register_outputs({"address": address, "cluster_id": self.cluster_id})
