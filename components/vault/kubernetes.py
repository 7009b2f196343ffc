"""The Kubernetes auth method: pods log in by their service account.

Owns the mount, its settings and the roles. Refuses a pinned reviewer token: it expires with the pod that it was taken
from (vault#12855); without one, Vault reviews with its own service account in the cluster, and with the caller's
outside of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import pulumi
import pulumi_vault as vault
from pydantic import StringConstraints

from ..model import AuthPath, HttpsUrl, Name, Section, SettingError
from .children import child
from .logins import LoginsArgs, TokenLifetime

OWN_CLUSTER = "https://kubernetes.default.svc"
"""Where a pod reaches the API server of the cluster that it is in."""


class Kubernetes(Section):
    """The Kubernetes auth method."""

    path: AuthPath = "kubernetes"
    """Where it is mounted."""
    host: HttpsUrl | None = None
    """URL of the cluster's API server, as Vault reaches it. None: Vault is in that cluster itself."""


class KubernetesLogin(TokenLifetime):
    """A pod's service account."""

    kind: Literal["kubernetes"] = "kubernetes"
    """How it logs in."""
    service_account: Name
    """Name of the pod's service account."""
    namespace: Name
    """Its namespace."""
    audience: Annotated[str, StringConstraints(min_length=1)] = "vault"
    """The audience its token must be made for, so that a token meant for another service doesn't open Vault."""


@dataclass(frozen=True, kw_only=True)
class KubernetesAuthArgs(LoginsArgs):
    """What `KubernetesAuth` needs."""

    kubernetes: Kubernetes
    """The mount, and the cluster it is for."""
    ca_certificate: pulumi.Input[str] | None = None
    """PEM of the API server's authority. Without it Vault takes the one of its own pod, and outside of a cluster it
    refuses the settings; so it is asked for where `kubernetes` has a host, and there only."""
    logins: Mapping[str, KubernetesLogin]

    def __post_init__(self) -> None:
        """Raise ValueError for a CA that is missing, in vain or no CA, beside what `LoginsArgs` refuses."""
        if (self.ca_certificate is None) != (self.kubernetes.host is None):
            said, expected = ("missing", "it beside") if self.ca_certificate is None else ("given", "none without")
            raise SettingError("ca_certificate", said, f"{expected} kubernetes.host")
        if isinstance(self.ca_certificate, str) and "-----BEGIN CERTIFICATE-----" not in self.ca_certificate:
            raise SettingError("ca_certificate", "something else", "PEM text with '-----BEGIN CERTIFICATE-----'")
        super().__post_init__()


class KubernetesAuth(pulumi.ComponentResource):
    """A Kubernetes auth mount and its roles. Creates nothing in the cluster."""

    path: pulumi.Output[str]
    """Where it is mounted, without `auth/`."""

    def __init__(self, name: str, args: KubernetesAuthArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:KubernetesAuth", name, {}, opts)
        mount = vault.AuthBackend(
            f"{name}-mount",
            type="kubernetes",
            path=args.kubernetes.path,
            description="Pods, by service account",
            opts=child(self, made_anew_by=["path"]),
        )
        vault.kubernetes.AuthBackendConfig(
            f"{name}-settings",
            backend=mount.path,
            kubernetes_host=args.kubernetes.host or OWN_CLUSTER,
            kubernetes_ca_cert=args.ca_certificate,
            disable_iss_validation=True,  # TokenReview checks it; Vault's own check is deprecated since 1.9
            opts=child(self),
        )
        for role, login in args.logins.items():
            vault.kubernetes.AuthBackendRole(
                f"{name}-role-{role}",
                backend=mount.path,
                role_name=role,
                bound_service_account_names=[login.service_account],
                bound_service_account_namespaces=[login.namespace],
                audience=login.audience,
                token_policies=list(args.token_policies[role]),
                token_ttl=login.token_ttl,
                token_max_ttl=login.token_max_ttl,
                token_type=login.declared_token_type,
                opts=child(self),
            )
        self.path = mount.path
        self.register_outputs({"path": self.path})
