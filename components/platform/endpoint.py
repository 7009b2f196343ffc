"""The seam between where Vault runs and what is inside it. Owns no resource."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import pulumi

from ..render.login import CertificateLogin

Login: TypeAlias = CertificateLogin
"""How the administrator logs in. Another way, such as a cloud's identity, is a class of its own in this union."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A Vault that will answer: everything the contents may know about the platform."""

    address: pulumi.Input[str]
    """URL of the API listener, for example ``https://127.0.0.1:8200``."""
    ca_certificate_file: str | None
    """PEM file of the authority behind the listener's certificate, relative to the project's root.

    None: the system's store.
    """
    login: Login
    """How whoever configures this Vault logs in."""
    ready: pulumi.CustomResource
    """Created only when the server is initialised, unsealed and accepts the administrator; providers depend on it."""
    administrator_networks: tuple[str, ...] = ()
    """From where that login's tokens are good; none: from anywhere."""
    servers: int = 1
    """How many servers there are, which are one cluster."""
    holds_data: pulumi.Resource
    """The resource whose deletion takes Vault's storage with it; contents are `deleted_with` it."""


@dataclass(frozen=True, kw_only=True)
class Platform:
    """Where Vault runs, once it does: the seam, and what the stack tells of the place."""

    endpoint: Endpoint
    exports: Mapping[str, pulumi.Input[str]]
