"""Things inside Vault: one component each, and the model of what it takes. None of them knows where Vault runs.

The SDK loads a part of itself when that is first named; its types in signatures are quoted, to cost a start nothing.
"""

from .acl import AclPolicies, AclPoliciesArgs
from .administrator import AdministratorLogin, AdministratorLoginArgs
from .approle import AppRole, AppRoleAuth, AppRoleAuthArgs, AppRoleLogin
from .audit import AuditDevices, AuditDevicesArgs, TraceHeaders, TraceHeadersArgs
from .autopilot import RaftAutopilot, RaftAutopilotArgs
from .database import Database, DatabaseConnection, DatabaseRole, DatabaseStaticRole, PostgresEngine, PostgresEngineArgs
from .jwt import Jwt, JwtAuth, JwtAuthArgs, JwtLogin
from .kubernetes import Kubernetes, KubernetesAuth, KubernetesAuthArgs, KubernetesLogin
from .kv import KvMount, KvMountArgs, KvOptions
from .lockout import Lockout
from .logins import LoginsArgs, TokenLifetime
from .oidc import Oidc, OidcAuth, OidcAuthArgs
from .password_policies import CharsetRule, PasswordPolicies, PasswordPoliciesArgs, PasswordPolicy
from .people import PeopleArgs, PeopleInVault, Person, PersonAlias, PersonGroup
from .pki import Pki, PkiEngine, PkiEngineArgs, PkiRole
from .provider import administrator_provider
from .quotas import LoginLimit, RateLimit, RateLimits, RateLimitsArgs
from .snapshot_logins import SnapshotLogin, SnapshotLogins, SnapshotLoginsArgs
from .tenants import TenantIssuer, Tenants, TenantsAuth, TenantsAuthArgs
from .transit import Transit, TransitEngine, TransitEngineArgs, TransitKey
from .userpass import Userpass, UserpassAuth, UserpassAuthArgs

__all__ = ["AclPolicies", "AclPoliciesArgs", "AppRole", "AppRoleAuth", "AppRoleAuthArgs", "AppRoleLogin"]
__all__ += ["AdministratorLogin", "AdministratorLoginArgs"]
__all__ += ["AuditDevices", "AuditDevicesArgs", "TraceHeaders", "TraceHeadersArgs"]
__all__ += ["RaftAutopilot", "RaftAutopilotArgs"]
__all__ += ["PostgresEngine", "PostgresEngineArgs"]
__all__ += ["Database", "DatabaseConnection", "DatabaseRole", "DatabaseStaticRole"]
__all__ += ["Jwt", "JwtAuth", "JwtAuthArgs", "JwtLogin"]
__all__ += ["Kubernetes", "KubernetesAuth", "KubernetesAuthArgs", "KubernetesLogin"]
__all__ += ["KvMount", "KvMountArgs", "KvOptions", "Lockout", "LoginsArgs", "TokenLifetime"]
__all__ += ["Oidc", "OidcAuth", "OidcAuthArgs", "PeopleArgs", "PeopleInVault", "Person", "PersonAlias", "PersonGroup"]
__all__ += ["CharsetRule", "PasswordPolicies", "PasswordPoliciesArgs", "PasswordPolicy"]
__all__ += ["Pki", "PkiEngine", "PkiEngineArgs", "PkiRole"]
__all__ += ["administrator_provider"]
__all__ += ["LoginLimit", "RateLimit", "RateLimits", "RateLimitsArgs"]
__all__ += ["SnapshotLogin", "SnapshotLogins", "SnapshotLoginsArgs"]
__all__ += ["TenantIssuer", "Tenants", "TenantsAuth", "TenantsAuthArgs"]
__all__ += ["Transit", "TransitEngine", "TransitEngineArgs", "TransitKey"]
__all__ += ["Userpass", "UserpassAuth", "UserpassAuthArgs"]
