"""One of each component of Vault's contents, with names that can be told apart."""

import pulumi

from components.render.acl import AclPolicy, kv_prefixes, kv_read
from components.render.audit import AuditDevice, FileAudit, SyslogAudit
from components.vault.acl import AclPolicies, AclPoliciesArgs
from components.vault.approle import AppRoleAuth, AppRoleAuthArgs, AppRoleLogin
from components.vault.audit import AuditDevices, AuditDevicesArgs, TraceHeaders, TraceHeadersArgs
from components.vault.autopilot import RaftAutopilot, RaftAutopilotArgs
from components.vault.database import (
    Database,
    DatabaseConnection,
    DatabaseRole,
    DatabaseStaticRole,
    PostgresEngine,
    PostgresEngineArgs,
)
from components.vault.jwt import Jwt, JwtAuth, JwtAuthArgs, JwtLogin
from components.vault.kubernetes import Kubernetes, KubernetesAuth, KubernetesAuthArgs, KubernetesLogin
from components.vault.kv import KvMount, KvMountArgs
from components.vault.oidc import Oidc, OidcAuth, OidcAuthArgs
from components.vault.password_policies import PasswordPolicies, PasswordPoliciesArgs, PasswordPolicy
from components.vault.people import PeopleArgs, PeopleInVault, Person, PersonAlias, PersonGroup
from components.vault.pki import Pki, PkiEngine, PkiEngineArgs, PkiRole
from components.vault.quotas import RateLimit, RateLimits, RateLimitsArgs
from components.vault.tenants import TenantIssuer, Tenants, TenantsAuth, TenantsAuthArgs
from components.vault.transit import Transit, TransitEngine, TransitEngineArgs, TransitKey
from components.vault.userpass import UserpassAuth, UserpassAuthArgs

CANARY = "-".join(("canary", "first", "password"))
"""A password that must stand nowhere in plain."""

CA = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
URL = "postgresql://{{username}}:{{password}}@db.internal:5432/app?sslmode=verify-full"


def logins(prefix: str, opts: pulumi.ResourceOptions | None = None) -> None:
    """The auth methods, policies, quotas and audit devices."""
    policy = AclPolicy(name="app", prefixes=kv_prefixes("secret", "app"), rules=kv_read("secret", "app/*"))
    AclPolicies(f"{prefix}-policies", AclPoliciesArgs(policies={"app": policy}), opts)
    policies = {"app": ("app",)}
    machines = AppRoleAuthArgs(logins={"app": AppRoleLogin()}, token_policies=policies)
    AppRoleAuth(f"{prefix}-approle", machines, opts)
    pods = KubernetesAuthArgs(
        kubernetes=Kubernetes(host="https://k8s.internal:6443"),
        ca_certificate=CA,
        logins={"app": KubernetesLogin(service_account="app", namespace="prod")},
        token_policies=policies,
    )
    KubernetesAuth(f"{prefix}-kubernetes", pods, opts)
    jobs = JwtAuthArgs(
        jwt=Jwt(
            bound_issuer="https://token.actions.githubusercontent.com",
            oidc_discovery_url="https://token.actions.githubusercontent.com",
        ),
        logins={"app": JwtLogin(audience="https://vault.internal", claims={"repository": ("org/app",)})},
        token_policies=policies,
    )
    JwtAuth(f"{prefix}-jwt", jobs, opts)
    signer = TenantIssuer(bound_issuer="https://issuer.internal", jwks_url="https://issuer.internal/jwks")
    TenantsAuth(f"{prefix}-tenants", TenantsAuthArgs(tenants=Tenants(issuer=signer, audience="secrets")), opts)
    userpass = UserpassAuth(f"{prefix}-userpass", UserpassAuthArgs(), opts)
    issuer = Oidc(
        discovery_url="https://accounts.google.com",
        client_id="vault",
        redirect_uris=("https://vault.internal/oidc/callback",),
    )
    oidc = OidcAuth(f"{prefix}-oidc", OidcAuthArgs(oidc=issuer, client_secret=CANARY, token_ttl=3600), opts)
    persons = {
        "ada": Person(groups=("owners",), alias=PersonAlias(name="ada", mount_accessor=userpass.accessor)),
        # The common name's alias may be at any mount, for this.
        "grace": Person(
            groups=("owners",), alias=PersonAlias(name="grace", mount_accessor=userpass.accessor), certificate=CA
        ),
    }
    groups = {"owners": PersonGroup(policies=("app",), claims=("team",))}
    PeopleInVault(f"{prefix}-people", PeopleArgs(persons=persons, groups=groups, claims_accessor=oidc.accessor), opts)
    RateLimits(f"{prefix}-limits", RateLimitsArgs(limits={"everything": RateLimit(rate=500)}, answers=True), opts)
    RaftAutopilot(f"{prefix}-autopilot", RaftAutopilotArgs(servers=3), opts)
    TraceHeaders(f"{prefix}-trace-headers", TraceHeadersArgs(), opts)
    devices: dict[str, AuditDevice] = {"file": FileAudit(file_path="/var/log/vault/audit.log"), "syslog": SyslogAudit()}
    AuditDevices(f"{prefix}-audit", AuditDevicesArgs(devices=devices), opts)


def engines(prefix: str, opts: pulumi.ResourceOptions | None = None) -> None:
    """The secrets engines and password policies."""
    KvMount(f"{prefix}-kv", KvMountArgs(path="secret"), opts)
    database = Database(
        connections={"main": DatabaseConnection(host="db.internal", database="app", username="vault")},
        roles={"app-readonly": DatabaseRole(connection="main", access="readonly")},
        static_roles={"app-legacy": DatabaseStaticRole(connection="main", username="legacy")},
    )
    PostgresEngine(f"{prefix}-database", PostgresEngineArgs(database=database, passwords={"main": CANARY}), opts)
    transit = Transit(keys={"data-encryption-key": TransitKey()})
    TransitEngine(f"{prefix}-transit", TransitEngineArgs(transit=transit), opts)
    pki = Pki(
        common_name="Example",
        organization="Example Org",
        roles={"services": PkiRole(allowed_domains=("svc.internal",))},
    )
    PkiEngine(f"{prefix}-pki", PkiEngineArgs(pki=pki, address="https://vault.internal:8200"), opts)
    PasswordPolicies(f"{prefix}-passwords", PasswordPoliciesArgs(policies={"postgres": PasswordPolicy()}), opts)


def everything(prefix: str = "estate", opts: pulumi.ResourceOptions | None = None) -> None:
    """All of them."""
    logins(prefix, opts)
    engines(prefix, opts)
