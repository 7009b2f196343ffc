"""The local platform as the estate sees it.

Owns the wait for the server that `./estate up` starts. Refuses to start one itself.
"""

from dataclasses import dataclass

import pulumi

from ..render.login import CertificateLogin
from .endpoint import Endpoint
from .readiness import VaultReady, VaultReadyArgs

ADMINISTRATOR_NETWORKS = ("127.0.0.1/32",)
"""Nobody else reaches the listener."""


@dataclass(frozen=True, kw_only=True)
class LocalServerArgs:
    """Where the local server listens and who administers it."""

    api_port: int
    """TCP port of the API on 127.0.0.1."""
    ca_certificate_file: str
    """PEM file of the authority behind the listener's certificate, relative to the project's root."""
    login: CertificateLogin
    """Who administers it."""
    timeout_seconds: int = 30
    """How long to wait. The server is started before the stack, so it is either there or it needs a person."""


class LocalServer(pulumi.ComponentResource):
    """A Vault on this machine. It owns no process: those belong to `./estate`, so that a preview never starts one."""

    endpoint: Endpoint
    """What the contents may know of it."""
    cluster_id: pulumi.Output[str]
    """The server's own name for its cluster."""

    def __init__(self, name: str, args: LocalServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:LocalServer", name, {}, opts)
        address = f"https://127.0.0.1:{args.api_port}"
        ready = VaultReady(
            f"{name}-ready",
            VaultReadyArgs(
                address=address,
                login=args.login,
                ca_certificate_file=args.ca_certificate_file,
                timeout_seconds=args.timeout_seconds,
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
            holds_data=self,
        )
        self.register_outputs({"address": address, "cluster_id": self.cluster_id})
