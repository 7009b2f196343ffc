"""One of each component of Vault's contents, with names that can be told apart."""

import pulumi

from components.render.acl import AclPolicy, kv_prefixes, kv_read
from components.render.sql import Access
from components.vault.acl import AclPolicies, AclPoliciesArgs
from components.vault.approle import AppRole, AppRoleAuth, AppRoleAuthArgs
from components.vault.audit import AuditDevice, AuditDevices, AuditDevicesArgs, FileAudit, SyslogAudit
from components.vault.database import (
    DynamicRole,
    PostgresConnection,
    PostgresEngine,
    PostgresEngineArgs,
    StaticRole,
)
from components.vault.jwt import JwtAuth, JwtAuthArgs, JwtRole
from components.vault.kubernetes import KubernetesAuth, KubernetesAuthArgs, KubernetesRole
from components.vault.kv import KvMount, KvMountArgs
from components.vault.password_policies import PasswordPolicies, PasswordPoliciesArgs, PasswordPolicy
from components.vault.pki import PkiEngine, PkiEngineArgs, PkiRole
from components.vault.quotas import RateLimit, RateLimits, RateLimitsArgs
from components.vault.transit import TransitEngine, TransitEngineArgs, TransitKey
from components.vault.userpass import UserpassAuth, UserpassAuthArgs

CANARY = "-".join(("canary", "first", "password"))
"""A password that must stand nowhere in plain."""

CA = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
URL = "postgresql://{{username}}:{{password}}@db.internal:5432/app?sslmode=verify-full"


def logins(prefix: str, opts: pulumi.ResourceOptions | None = None) -> None:
    """The auth methods, policies, quotas and audit devices."""
    policy = AclPolicy(name="app", prefixes=kv_prefixes("secret", "app"), rules=kv_read("secret", "app/*"))
    AclPolicies(f"{prefix}-policies", AclPoliciesArgs(policies={"app": policy}), opts)
    AppRoleAuth(f"{prefix}-approle", AppRoleAuthArgs(roles={"app": AppRole(token_policies=("app",))}), opts)
    pods = KubernetesRole(
        service_account_names=("app",), namespaces=("prod",), audience="vault", token_policies=("app",)
    )
    KubernetesAuth(
        f"{prefix}-kubernetes",
        KubernetesAuthArgs(host="https://k8s.internal:6443", ca_certificate=CA, roles={"app": pods}),
        opts,
    )
    jobs = JwtRole(
        bound_audiences=("https://vault.internal",), bound_claims={"repository": "org/app"}, token_policies=("app",)
    )
    JwtAuth(
        f"{prefix}-jwt",
        JwtAuthArgs(
            bound_issuer="https://token.actions.githubusercontent.com",
            oidc_discovery_url="https://token.actions.githubusercontent.com",
            roles={"app": jobs},
        ),
        opts,
    )
    UserpassAuth(f"{prefix}-userpass", UserpassAuthArgs(), opts)
    RateLimits(f"{prefix}-limits", RateLimitsArgs(limits={"everything": RateLimit(rate=500)}), opts)
    devices: dict[str, AuditDevice] = {"file": FileAudit(file_path="/var/log/vault/audit.log"), "syslog": SyslogAudit()}
    AuditDevices(f"{prefix}-audit", AuditDevicesArgs(devices=devices), opts)


def engines(prefix: str, opts: pulumi.ResourceOptions | None = None) -> None:
    """The secrets engines and password policies."""
    KvMount(f"{prefix}-kv", KvMountArgs(path="secret"), opts)
    PostgresEngine(
        f"{prefix}-database",
        PostgresEngineArgs(
            connections={"main": PostgresConnection(connection_url=URL, username="vault", password=CANARY)},
            roles={"app-readonly": DynamicRole(connection="main", access=Access.READONLY)},
            static_roles={"app-legacy": StaticRole(connection="main", username="legacy")},
        ),
        opts,
    )
    TransitEngine(f"{prefix}-transit", TransitEngineArgs(keys={"data-encryption-key": TransitKey()}), opts)
    PkiEngine(
        f"{prefix}-pki",
        PkiEngineArgs(
            common_name="Example",
            organization="Example Org",
            address="https://vault.internal:8200",
            roles={"services": PkiRole(allowed_domains=("svc.internal",))},
        ),
        opts,
    )
    PasswordPolicies(f"{prefix}-passwords", PasswordPoliciesArgs(policies={"postgres": PasswordPolicy()}), opts)


def everything(prefix: str = "estate", opts: pulumi.ResourceOptions | None = None) -> None:
    """All of them."""
    logins(prefix, opts)
    engines(prefix, opts)
