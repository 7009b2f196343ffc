"""The local platform as the estate sees it.

Owns the wait for the server that `./estate up` starts. Refuses to start one itself.
"""

from dataclasses import dataclass

import pulumi

from .endpoint import CertificateLogin, Endpoint
from .readiness import VaultReady, VaultReadyArgs


@dataclass(frozen=True, kw_only=True)
class LocalServerArgs:
    """Where the local server listens and who administers it."""

    api_port: int
    """TCP port of the API on 127.0.0.1."""
    ca_certificate_file: str
    """PEM file of the authority behind the listener's certificate, relative to the project's root."""
    administrator_certificate_file: str
    """PEM file of the administrator's certificate."""
    administrator_private_key_file: str
    """PEM file of its private key. Only the path is an input."""
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
        login = CertificateLogin(
            certificate_file=args.administrator_certificate_file,
            private_key_file=args.administrator_private_key_file,
        )
        ready = VaultReady(
            f"{name}-ready",
            VaultReadyArgs(
                address=address,
                certificate_file=args.administrator_certificate_file,
                private_key_file=args.administrator_private_key_file,
                ca_certificate_file=args.ca_certificate_file,
                timeout_seconds=args.timeout_seconds,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.cluster_id = ready.cluster_id
        self.endpoint = Endpoint(
            address=address, ca_certificate_file=args.ca_certificate_file, login=login, ready=ready, holds_data=self
        )
        self.register_outputs({"address": address, "cluster_id": self.cluster_id})
