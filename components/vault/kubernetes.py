"""The Kubernetes auth method: pods log in by their service account.

Owns the mount, its settings and the roles. Refuses a pinned reviewer token: it expires with the pod that it was taken
from (vault#12855); without one, Vault reviews with its own service account in the cluster, and with the caller's
outside of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_vault as vault

from components.vault.checks import (
    check_auth_path,
    check_name,
    check_names,
    check_not_empty,
    check_token_policies,
    check_ttls,
)


@dataclass(frozen=True, kw_only=True)
class KubernetesRole:
    """Which service accounts may log in, and what they get."""

    service_account_names: Sequence[str]
    """Service accounts, by name; no wildcard."""

    namespaces: Sequence[str]
    """Their namespaces; no wildcard."""

    audience: str
    """The audience that their tokens must be made for, so that a token meant for another service doesn't open Vault."""

    token_policies: Sequence[pulumi.Input[str]]
    """ACL policies of the token; at least one, never `root`."""

    token_ttl_seconds: int = 3600
    """Life of a token before renewal."""

    token_max_ttl_seconds: int = 14400
    """Life of a token however often it is renewed."""

    def __post_init__(self) -> None:
        """Raise ValueError for a wildcard, an empty list, no audience, or bad lives."""
        for field, names in (
            ("service_account_names", self.service_account_names),
            ("namespaces", self.namespaces),
        ):
            check_not_empty(field, names)
            for name in names:
                check_name(field, name)
        if not self.audience.strip():
            raise ValueError(
                f"audience: {self.audience!r} is empty: expected the audience of the pods' tokens, for example 'vault'"
            )
        check_token_policies("token_policies", self.token_policies)
        check_ttls("token_ttl_seconds", self.token_ttl_seconds, "token_max_ttl_seconds", self.token_max_ttl_seconds)


@dataclass(frozen=True, kw_only=True)
class KubernetesAuthArgs:
    """What `KubernetesAuth` needs."""

    path: str = "kubernetes"
    """Auth mount path, without `auth/`."""

    description: str = "Pods, by service account"
    """What operators read in `vault auth list`."""

    host: pulumi.Input[str]
    """URL of the cluster's API server as Vault reaches it."""

    ca_certificate: pulumi.Input[str]
    """PEM of the API server's authority. Required: without it Vault outside of a cluster refuses the settings."""

    roles: Mapping[str, KubernetesRole]
    """Roles by name in Vault."""

    def __post_init__(self) -> None:
        """Raise ValueError for a bad path, a plain host or CA that can't be one, or a bad role name."""
        check_auth_path("path", self.path)
        if isinstance(self.host, str) and not self.host.startswith("https://"):
            raise ValueError(f"host: {self.host!r} isn't a URL of an API server: expected https://…")
        if isinstance(self.ca_certificate, str) and "-----BEGIN CERTIFICATE-----" not in self.ca_certificate:
            raise ValueError("ca_certificate: isn't PEM: expected text with '-----BEGIN CERTIFICATE-----'")
        check_names("roles", self.roles)


class KubernetesAuth(pulumi.ComponentResource):
    """A Kubernetes auth mount and its roles. Creates nothing in the cluster."""

    path: pulumi.Output[str]
    """Where it is mounted, without `auth/`."""

    def __init__(self, name: str, args: KubernetesAuthArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:KubernetesAuth", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        mount = vault.AuthBackend(
            f"{name}-mount", type="kubernetes", path=args.path, description=args.description, opts=child
        )
        vault.kubernetes.AuthBackendConfig(
            f"{name}-settings",
            backend=mount.path,
            kubernetes_host=args.host,
            kubernetes_ca_cert=args.ca_certificate,
            disable_iss_validation=True,  # TokenReview checks it; Vault's own check is deprecated since 1.9
            opts=child,
        )
        for key, role in args.roles.items():
            vault.kubernetes.AuthBackendRole(
                f"{name}-role-{key}",
                backend=mount.path,
                role_name=key,
                bound_service_account_names=list(role.service_account_names),
                bound_service_account_namespaces=list(role.namespaces),
                audience=role.audience,
                token_policies=list(role.token_policies),
                token_ttl=role.token_ttl_seconds,
                token_max_ttl=role.token_max_ttl_seconds,
                opts=child,
            )
        self.path = mount.path
        self.register_outputs({"path": self.path})
