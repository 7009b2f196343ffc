"""One case per resource type of the fake Vault provider: what to declare, change, replace and spoil behind its back.

The paths of mounts that a case needs but doesn't declare are made by `test_vault_table.prepare`.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.engine.fake_providers.wire import Values

PUBLIC_KEY_PLACEHOLDER = "the public key of this test run"
CERTIFICATE_PLACEHOLDER = "the certificate of this test run"
CONNECTION_URL_PLACEHOLDER = "the address of this test run's PostgreSQL"
ACCESSOR_PLACEHOLDER = "the accessor of this test run's userpass"
ENTITY_PLACEHOLDER = "the entity of this test run"
GROUP_PLACEHOLDER = "the external group of this test run"
ID_PLACEHOLDER = "id-of-the-server"
"""Of an object whose id the server decides."""

PASSWORD = "-".join(("made", "at", "run", "time"))
ACL = 'path "secret/data/{0}/*" {{\n  capabilities = ["read"]\n}}\n'
CHARACTERS = 'length = {0}\nrule "charset" {{\n  charset = "abcdefghijklmnopqrstuvwxyz"\n  min-chars = 1\n}}\n'
GRANT = "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A life of one resource. `at` is where the server is asked about it, independently of the fake provider."""

    token: str
    inputs: Values
    identity: str
    at: str
    change: Values
    """Inputs of the update; its first key must be seen in `seen`."""
    seen: tuple[str, Any]
    """A key of the server's answer at `at`, and its value after the update."""
    replace: Values
    replaces: tuple[str, ...]
    delete_first: bool = False
    drift: tuple[str, Values] | None = None
    """A write behind the fake provider's back: path and body."""
    drifted: str = ""
    """The property that shows it."""
    deletable: bool = True
    imported: str = ""
    """Its id at an import, where it is another."""
    undo: tuple[str, ...] = field(default=())
    """Properties the server never tells, which an import therefore can't fill."""

    @property
    def name(self) -> str:
        """For pytest's output."""
        return self.token.split("/")[-1].split(":")[-1] + "-" + self.token.split("/", maxsplit=1)[0]


CASES = [
    Case(
        token="index/mount:Mount",
        inputs={"path": "one", "type": "kv", "options": {"version": "2"}, "description": "first"},
        identity="one",
        at="sys/mounts/one",
        change={"description": "second", "maxLeaseTtlSeconds": 7200},
        seen=("description", "second"),
        replace={"type": "transit"},
        replaces=("type",),
        drift=("sys/mounts/one/tune", {"description": "spoilt"}),
        drifted="description",
    ),
    Case(
        token="index/authBackend:AuthBackend",
        inputs={"path": "people", "type": "userpass"},
        identity="people",
        at="sys/auth/people",
        change={"description": "staff"},
        seen=("description", "staff"),
        replace={"type": "approle"},
        replaces=("type",),
        drift=("sys/auth/people/tune", {"description": "spoilt"}),
        drifted="description",
    ),
    Case(
        token="index/auditRequestHeader:AuditRequestHeader",
        inputs={"name": "x-case", "hmac": False},
        identity="x-case",
        at="sys/config/auditing/request-headers/x-case",
        change={"hmac": True},
        seen=("x-case", {"hmac": True}),
        replace={"name": "x-other"},
        replaces=("name",),
        delete_first=True,
        drift=("sys/config/auditing/request-headers/x-case", {"hmac": False}),
        drifted="hmac",
    ),
    Case(
        token="index/policy:Policy",
        inputs={"name": "reader", "policy": ACL.format("a")},
        identity="reader",
        at="sys/policies/acl/reader",
        change={"policy": ACL.format("b")},
        seen=("policy", ACL.format("b")),
        replace={"name": "other"},
        replaces=("name",),
        delete_first=True,
        drift=("sys/policies/acl/reader", {"policy": ACL.format("c")}),
        drifted="policy",
    ),
    Case(
        token="index/passwordPolicy:PasswordPolicy",
        inputs={"name": "long", "policy": CHARACTERS.format(20)},
        identity="long",
        at="sys/policies/password/long",
        change={"policy": CHARACTERS.format(24)},
        seen=("policy", CHARACTERS.format(24)),
        replace={"name": "longer"},
        replaces=("name",),
        drift=("sys/policies/password/long", {"policy": CHARACTERS.format(8)}),
        drifted="policy",
    ),
    Case(
        token="index/quotaRateLimit:QuotaRateLimit",
        inputs={"name": "calm", "rate": 100, "path": "case-kv/", "interval": 2},
        identity="calm",
        at="sys/quotas/rate-limit/calm",
        change={"rate": 50.5},
        seen=("rate", 50.5),
        replace={"path": ""},
        replaces=("path",),
        delete_first=True,
        drift=("sys/quotas/rate-limit/calm", {"rate": 9, "path": "case-kv/", "interval": 2}),
        drifted="rate",
    ),
    Case(
        token="index/quotaConfig:QuotaConfig",
        inputs={"enableRateLimitResponseHeaders": True},
        identity="missing ID",
        imported="sys/quotas/config",
        at="sys/quotas/config",
        change={"enableRateLimitAuditLogging": True},
        seen=("enable_rate_limit_audit_logging", True),
        replace={},
        replaces=(),
        drift=("sys/quotas/config", {"enable_rate_limit_response_headers": False}),
        drifted="enableRateLimitResponseHeaders",
        deletable=False,
    ),
    Case(
        token="index/raftAutopilot:RaftAutopilot",
        inputs={"cleanupDeadServers": True, "minQuorum": 5},
        identity="sys/storage/raft/autopilot/configuration",
        at="sys/storage/raft/autopilot/configuration",
        change={"minQuorum": 4},
        seen=("min_quorum", 4),
        replace={},
        replaces=(),
        drift=("sys/storage/raft/autopilot/configuration", {"min_quorum": 7}),
        drifted="minQuorum",
        deletable=False,
    ),
    Case(
        token="generic/endpoint:Endpoint",
        inputs={
            "path": "auth/case-userpass/users/sam",
            "dataJson": json.dumps({"password": PASSWORD, "token_ttl": 60}),
            "ignoreAbsentFields": True,
        },
        identity="auth/case-userpass/users/sam",
        at="auth/case-userpass/users/sam",
        change={"dataJson": json.dumps({"password": PASSWORD, "token_ttl": 90})},
        seen=("token_ttl", 90),
        replace={"path": "auth/case-userpass/users/tom"},
        replaces=("path",),
        drift=("auth/case-userpass/users/sam", {"token_ttl": 5}),
        drifted="dataJson",
        undo=("dataJson", "ignoreAbsentFields"),
    ),
    Case(
        token="kv/secretBackendV2:SecretBackendV2",
        inputs={"mount": "case-kv", "maxVersions": 5, "deleteVersionAfter": 3600, "casRequired": True},
        identity="case-kv/config",
        at="case-kv/config",
        change={"maxVersions": 7},
        seen=("max_versions", 7),
        replace={"mount": "other"},
        replaces=("mount",),
        drift=("case-kv/config", {"delete_version_after": "60s"}),
        drifted="deleteVersionAfter",
        deletable=False,
    ),
    Case(
        token="appRole/authBackendRole:AuthBackendRole",
        inputs={
            "backend": "case-approle",
            "roleName": "billing",
            "tokenPolicies": ["b", "a"],
            "tokenTtl": 3600,
            "tokenMaxTtl": 14400,
            "secretIdTtl": 86400,
            "secretIdBoundCidrs": ["10.0.0.1/32"],
            "tokenBoundCidrs": ["10.0.0.1/32", "10.1.0.0/16"],
        },
        identity="auth/case-approle/role/billing",
        at="auth/case-approle/role/billing",
        change={"tokenTtl": 1800},
        seen=("token_ttl", 1800),
        replace={"roleName": "orders"},
        replaces=("roleName",),
        drift=("auth/case-approle/role/billing", {"secret_id_ttl": 0}),
        drifted="secretIdTtl",
    ),
    Case(
        token="index/certAuthBackendRole:CertAuthBackendRole",
        inputs={
            "backend": "case-cert",
            "name": "snapshots",
            "certificate": CERTIFICATE_PLACEHOLDER,
            "tokenPolicies": ["snapshots"],
            "tokenTtl": 300,
            "tokenBoundCidrs": ["10.0.0.1/32"],
        },
        identity="auth/case-cert/certs/snapshots",
        at="auth/case-cert/certs/snapshots",
        change={"tokenTtl": 600},
        seen=("token_ttl", 600),
        replace={"name": "others"},
        replaces=("name",),
        drift=("auth/case-cert/certs/snapshots", {"certificate": CERTIFICATE_PLACEHOLDER, "token_policies": ["all"]}),
        drifted="tokenPolicies",
    ),
    Case(
        token="kubernetes/authBackendConfig:AuthBackendConfig",
        inputs={
            "backend": "case-kubernetes",
            "kubernetesHost": "https://10.0.0.1:6443",
            "kubernetesCaCert": CERTIFICATE_PLACEHOLDER,
        },
        identity="auth/case-kubernetes/config",
        at="auth/case-kubernetes/config",
        change={"kubernetesHost": "https://10.0.0.2:6443"},
        seen=("kubernetes_host", "https://10.0.0.2:6443"),
        replace={"backend": "kubernetes"},
        replaces=("backend",),
        drift=(
            "auth/case-kubernetes/config",
            {
                "kubernetes_host": "https://10.6.6.6",
                "kubernetes_ca_cert": CERTIFICATE_PLACEHOLDER,
            },
        ),
        drifted="kubernetesHost",
        deletable=False,
    ),
    Case(
        token="kubernetes/authBackendRole:AuthBackendRole",
        inputs={
            "backend": "case-kubernetes",
            "roleName": "billing",
            "boundServiceAccountNames": ["billing"],
            "boundServiceAccountNamespaces": ["prod", "dev"],
            "audience": "vault",
            "tokenPolicies": ["billing"],
            "tokenTtl": 600,
        },
        identity="auth/case-kubernetes/role/billing",
        at="auth/case-kubernetes/role/billing",
        change={"audience": "vault-2"},
        seen=("audience", "vault-2"),
        replace={"roleName": "orders"},
        replaces=("roleName",),
        drift=("auth/case-kubernetes/role/billing", {"bound_service_account_names": "*", "audience": "vault-2"}),
        drifted="boundServiceAccountNames",
    ),
    Case(
        token="jwt/authBackend:AuthBackend",
        inputs={
            "path": "ci",
            "boundIssuer": "https://issuer.example",
            "jwtValidationPubkeys": [PUBLIC_KEY_PLACEHOLDER],
        },
        identity="ci",
        at="auth/ci/config",
        change={"boundIssuer": "https://second.example"},
        seen=("bound_issuer", "https://second.example"),
        replace={"type": "oidc"},
        replaces=("type",),
        drift=("auth/ci/config", {"jwt_validation_pubkeys": [PUBLIC_KEY_PLACEHOLDER], "bound_issuer": "https://evil"}),
        drifted="boundIssuer",
    ),
    Case(
        token="jwt/authBackendRole:AuthBackendRole",
        inputs={
            "backend": "case-jwt",
            "roleName": "deploy",
            "roleType": "jwt",
            "userClaim": "sub",
            "boundAudiences": ["vault"],
            "boundClaims": {"repository": "acme/app", "ref": "refs/heads/main,refs/heads/next"},
            "tokenPolicies": ["deploy"],
            "tokenTtl": 600,
        },
        identity="auth/case-jwt/role/deploy",
        at="auth/case-jwt/role/deploy",
        change={"boundClaims": {"repository": "acme/other"}},
        seen=("bound_claims", {"repository": ["acme/other"]}),
        replace={"roleType": "oidc"},
        replaces=("roleType",),
        drift=("auth/case-jwt/role/deploy", {"role_type": "jwt", "user_claim": "sub", "bound_claims": {"ref": "any"}}),
        drifted="boundClaims",
    ),
    Case(
        token="transit/secretBackendKey:SecretBackendKey",
        inputs={"backend": "case-transit", "name": "pii", "autoRotatePeriod": 7776000, "deletionAllowed": True},
        identity="case-transit/keys/pii",
        at="case-transit/keys/pii",
        change={"autoRotatePeriod": 86400},
        seen=("auto_rotate_period", 86400),
        replace={"derived": True, "convergentEncryption": True},
        replaces=("convergentEncryption", "derived"),
        delete_first=True,
        drift=("case-transit/keys/pii/config", {"deletion_allowed": False}),
        drifted="deletionAllowed",
    ),
    Case(
        token="identity/entity:Entity",
        inputs={"name": "lin", "policies": ["b", "a"], "metadata": {"team": "aos"}},
        identity=ID_PLACEHOLDER,
        at=f"identity/entity/id/{ID_PLACEHOLDER}",
        change={"policies": ["a"]},
        seen=("policies", ["a"]),
        replace={},
        replaces=(),
        drift=(f"identity/entity/id/{ID_PLACEHOLDER}", {"disabled": True}),
        drifted="disabled",
    ),
    Case(
        token="identity/entityAlias:EntityAlias",
        inputs={"name": "lin", "mountAccessor": ACCESSOR_PLACEHOLDER, "canonicalId": ENTITY_PLACEHOLDER},
        identity=ID_PLACEHOLDER,
        at=f"identity/entity-alias/id/{ID_PLACEHOLDER}",
        change={"name": "lin2"},
        seen=("name", "lin2"),
        replace={},
        replaces=(),
        drift=(
            f"identity/entity-alias/id/{ID_PLACEHOLDER}",
            {"name": "spoilt", "mount_accessor": ACCESSOR_PLACEHOLDER, "canonical_id": ENTITY_PLACEHOLDER},
        ),
        drifted="name",
    ),
    Case(
        token="identity/group:Group",
        inputs={"name": "owners", "policies": ["b", "a"], "memberEntityIds": [ENTITY_PLACEHOLDER]},
        identity=ID_PLACEHOLDER,
        at=f"identity/group/id/{ID_PLACEHOLDER}",
        change={"policies": ["a"]},
        seen=("policies", ["a"]),
        replace={"type": "external"},
        replaces=("type",),
        delete_first=True,
        drift=(f"identity/group/id/{ID_PLACEHOLDER}", {"policies": ["all"]}),
        drifted="policies",
    ),
    Case(
        token="identity/groupAlias:GroupAlias",
        inputs={"name": "org:team", "mountAccessor": ACCESSOR_PLACEHOLDER, "canonicalId": GROUP_PLACEHOLDER},
        identity=ID_PLACEHOLDER,
        at=f"identity/group-alias/id/{ID_PLACEHOLDER}",
        change={"name": "org:other"},
        seen=("name", "org:other"),
        replace={},
        replaces=(),
        drift=(
            f"identity/group-alias/id/{ID_PLACEHOLDER}",
            {"name": "spoilt", "mount_accessor": ACCESSOR_PLACEHOLDER, "canonical_id": GROUP_PLACEHOLDER},
        ),
        drifted="name",
    ),
]
