"""What is done with one object of each type of the Vault provider, so that what is sent can be compared.

`full` gives every property of the fake provider's table, `touch` changes one of them, `least` has only what must be
given. The life: create `full`, update it to `touch`, update that to `least`, delete; create `least`, create it once
more as a run does that doesn't know of it, delete.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from tests.engine.fake_providers.cases import (
    ACCESSOR_PLACEHOLDER,
    ACL,
    CERTIFICATE_PLACEHOLDER,
    CHARACTERS,
    CONNECTION_URL_PLACEHOLDER,
    ENTITY_PLACEHOLDER,
    GRANT,
    GROUP_PLACEHOLDER,
    PUBLIC_KEY_PLACEHOLDER,
)
from tests.engine.fake_providers.wire import Values

_PASSWORD = "-".join(("manager", "password"))
_TOKENS: Values = {
    "tokenPolicies": ["b"],
    "tokenBoundCidrs": ["10.1.0.0/16"],
    "tokenTtl": 3600,
    "tokenMaxTtl": 14400,
    "tokenExplicitMaxTtl": 14400,
    "tokenPeriod": 3600,
    "tokenNumUses": 3,
    "tokenNoDefaultPolicy": True,
    "tokenType": "service",
}


@dataclass(frozen=True, kw_only=True)
class Act:
    """Inputs of one type's life."""

    full: Values
    touch: Values
    """Over `full`."""
    least: Values


ACTS: Mapping[str, Act] = {
    "index/mount:Mount": Act(
        full={
            "path": "act",
            "type": "kv",
            "description": "first",
            "defaultLeaseTtlSeconds": 600,
            "maxLeaseTtlSeconds": 7200,
            "options": {"version": "2"},
        },
        touch={"maxLeaseTtlSeconds": 3600},
        least={"path": "act", "type": "kv"},
    ),
    "index/authBackend:AuthBackend": Act(
        full={"path": "act", "type": "userpass", "description": "first"},
        touch={"description": "second"},
        least={"path": "act", "type": "userpass"},
    ),
    "jwt/authBackend:AuthBackend": Act(
        full={
            "path": "act",
            "type": "jwt",
            "description": "first",
            "namespaceInState": True,
            "boundIssuer": "https://issuer.example",
            "jwtValidationPubkeys": [PUBLIC_KEY_PLACEHOLDER],
        },
        touch={"boundIssuer": "https://second.example"},
        least={"path": "act", "jwtValidationPubkeys": [PUBLIC_KEY_PLACEHOLDER]},
    ),
    "index/auditRequestHeader:AuditRequestHeader": Act(
        full={"name": "act", "hmac": True},
        touch={"hmac": False},
        least={"name": "act"},
    ),
    "index/policy:Policy": Act(
        full={"name": "act", "policy": ACL.format("a")},
        touch={"policy": ACL.format("b")},
        least={"name": "act", "policy": ACL.format("c")},
    ),
    "index/passwordPolicy:PasswordPolicy": Act(
        full={"name": "act", "policy": CHARACTERS.format(20)},
        touch={"policy": CHARACTERS.format(24)},
        least={"name": "act", "policy": CHARACTERS.format(28)},
    ),
    "index/quotaRateLimit:QuotaRateLimit": Act(
        full={
            "name": "act",
            "path": "auth/case-approle/",
            "rate": 100,
            "role": "act",
            "interval": 2,
            "blockInterval": 3,
        },
        touch={"rate": 50.5},
        least={"name": "act", "path": "auth/case-approle/", "rate": 70},
    ),
    "index/quotaConfig:QuotaConfig": Act(
        full={
            "enableRateLimitAuditLogging": True,
            "enableRateLimitResponseHeaders": True,
            "rateLimitExemptPaths": ["sys/health"],
            "absoluteRateLimitExemptPaths": [],
        },
        touch={"enableRateLimitAuditLogging": False},
        least={"enableRateLimitResponseHeaders": True},
    ),
    "index/raftAutopilot:RaftAutopilot": Act(
        full={
            "cleanupDeadServers": True,
            "deadServerLastContactThreshold": "26h0m0s",
            "lastContactThreshold": "11s",
            "maxTrailingLogs": 900,
            "minQuorum": 5,
            "serverStabilizationTime": "12s",
        },
        touch={"minQuorum": 4},
        least={"cleanupDeadServers": True},
    ),
    "generic/endpoint:Endpoint": Act(
        full={
            "path": "sys/auth/case-userpass/tune",
            "dataJson": json.dumps({"description": "first"}),
            "disableRead": False,
            "disableDelete": True,
            "ignoreAbsentFields": True,
        },
        touch={"dataJson": json.dumps({"description": "second"})},
        least={"path": "sys/auth/case-userpass/tune", "dataJson": json.dumps({"description": "third"})}
        | {"disableDelete": True, "ignoreAbsentFields": True},
    ),
    "kv/secretBackendV2:SecretBackendV2": Act(
        full={"mount": "case-kv", "maxVersions": 5, "casRequired": True, "deleteVersionAfter": 3600},
        touch={"maxVersions": 7},
        least={"mount": "case-kv"},
    ),
    "appRole/authBackendRole:AuthBackendRole": Act(
        full={
            "backend": "case-approle",
            "roleName": "act",
            "bindSecretId": True,
            "secretIdBoundCidrs": ["10.0.0.1/32"],
            "secretIdNumUses": 5,
            "secretIdTtl": 86400,
            **_TOKENS,
        },
        touch={"tokenTtl": 1800},
        least={"backend": "case-approle", "roleName": "act"},
    ),
    "index/certAuthBackendRole:CertAuthBackendRole": Act(
        full={
            "backend": "case-cert",
            "name": "act",
            "certificate": CERTIFICATE_PLACEHOLDER,
            "displayName": "act",
            "ocspMaxRetries": 3,
            **_TOKENS,
        },
        touch={"tokenTtl": 1800},
        least={"backend": "case-cert", "name": "act", "certificate": CERTIFICATE_PLACEHOLDER},
    ),
    "kubernetes/authBackendConfig:AuthBackendConfig": Act(
        full={
            "backend": "case-kubernetes",
            "kubernetesHost": "https://10.0.0.1:6443",
            "kubernetesCaCert": CERTIFICATE_PLACEHOLDER,
            "disableIssValidation": True,
        },
        touch={"kubernetesHost": "https://10.0.0.2:6443"},
        least={
            "backend": "case-kubernetes",
            "kubernetesHost": "https://10.0.0.3:6443",
            "kubernetesCaCert": CERTIFICATE_PLACEHOLDER,
        },
    ),
    "kubernetes/authBackendRole:AuthBackendRole": Act(
        full={
            "backend": "case-kubernetes",
            "roleName": "act",
            "boundServiceAccountNames": ["billing"],
            "boundServiceAccountNamespaces": ["prod"],
            "audience": "vault",
            **_TOKENS,
        },
        touch={"audience": "vault-2"},
        least={
            "backend": "case-kubernetes",
            "roleName": "act",
            "boundServiceAccountNames": ["billing"],
            "boundServiceAccountNamespaces": ["prod"],
        },
    ),
    "jwt/authBackendRole:AuthBackendRole": Act(
        full={
            "backend": "case-jwt",
            "roleName": "act",
            "roleType": "jwt",
            "userClaim": "sub",
            "boundClaimsType": "string",
            "boundAudiences": ["vault"],
            "boundClaims": {"repository": "acme/app", "ref": "refs/heads/main,refs/heads/next"},
            "groupsClaim": "groups",
            "allowedRedirectUris": ["http://localhost:8250/oidc/callback"],
            "oidcScopes": ["profile"],
            **_TOKENS,
        },
        touch={"boundAudiences": ["other"]},
        least={
            "backend": "case-jwt",
            "roleName": "act",
            "roleType": "jwt",
            "userClaim": "sub",
            "boundAudiences": ["vault"],
        },
    ),
    "identity/entity:Entity": Act(
        full={"name": "act", "policies": ["b"], "metadata": {"team": "a"}, "disabled": True},
        touch={"metadata": {"team": "b"}},
        least={"name": "act"},
    ),
    "identity/entityAlias:EntityAlias": Act(
        full={"name": "act", "mountAccessor": ACCESSOR_PLACEHOLDER, "canonicalId": ENTITY_PLACEHOLDER},
        touch={"name": "other"},
        least={"name": "act", "mountAccessor": ACCESSOR_PLACEHOLDER, "canonicalId": ENTITY_PLACEHOLDER},
    ),
    "identity/group:Group": Act(
        full={"name": "act", "type": "internal", "policies": ["b"], "memberEntityIds": [ENTITY_PLACEHOLDER]},
        touch={"policies": ["c"]},
        least={"name": "act"},
    ),
    "identity/groupAlias:GroupAlias": Act(
        full={"name": "act", "mountAccessor": ACCESSOR_PLACEHOLDER, "canonicalId": GROUP_PLACEHOLDER},
        touch={"name": "other"},
        least={"name": "act", "mountAccessor": ACCESSOR_PLACEHOLDER, "canonicalId": GROUP_PLACEHOLDER},
    ),
    "database/secretBackendConnection:SecretBackendConnection": Act(
        full={
            "backend": "case-database",
            "name": "act",
            "pluginName": "postgresql-database-plugin",
            "passwordPolicy": "act-policy",
            "allowedRoles": ["one", "two"],
            "verifyConnection": True,
            "postgresql": {
                "connectionUrl": CONNECTION_URL_PLACEHOLDER,
                "username": "manager",
                "passwordWo": _PASSWORD,
                "passwordWoVersion": 1,
                "maxOpenConnections": 4,
                "passwordAuthentication": "scram-sha-256",
            },
        },
        touch={"allowedRoles": ["three"]},
        least={
            "backend": "case-database",
            "name": "act",
            "postgresql": {
                "connectionUrl": CONNECTION_URL_PLACEHOLDER,
                "username": "manager",
                "passwordWo": _PASSWORD,
                "passwordWoVersion": 2,
            },
        },
    ),
    "database/secretBackendRole:SecretBackendRole": Act(
        full={
            "backend": "case-database",
            "name": "act",
            "dbName": "app",
            "defaultTtl": 3600,
            "maxTtl": 14400,
            "creationStatements": [GRANT],
            "revocationStatements": ["DROP ROLE x"],
            "credentialType": "password",
        },
        touch={"defaultTtl": 1800},
        least={"backend": "case-database", "name": "act", "dbName": "app", "creationStatements": [GRANT]},
    ),
    "database/secretBackendStaticRole:SecretBackendStaticRole": Act(
        full={
            "backend": "case-database",
            "name": "act",
            "dbName": "app",
            "username": "reports",
            "rotationPeriod": 86400,
            "credentialType": "password",
        },
        touch={"rotationPeriod": 43200},
        least={"backend": "case-database", "name": "act", "dbName": "app", "username": "reports"}
        | {"rotationPeriod": 7200},
    ),
    "transit/secretBackendKey:SecretBackendKey": Act(
        full={
            "backend": "case-transit",
            "name": "act",
            "type": "aes256-gcm96",
            "derived": False,
            "convergentEncryption": False,
            "deletionAllowed": True,
            "exportable": False,
            "allowPlaintextBackup": False,
            "minDecryptionVersion": 1,
            "minEncryptionVersion": 1,
            "autoRotatePeriod": 7776000,
        },
        touch={"autoRotatePeriod": 86400},
        least={"backend": "case-transit", "name": "act", "deletionAllowed": True},
    ),
    "pkiSecret/secretBackendRole:SecretBackendRole": Act(
        full={
            "backend": "case-pki",
            "name": "act",
            "issuerRef": "default",
            "ttl": "86400",
            "maxTtl": "259200",
            "notBeforeDuration": "60s",
            "allowedDomains": ["svc.example"],
            "organizations": ["Acme"],
            "cnValidations": ["hostname"],
            "keyUsages": ["DigitalSignature"],
            "allowLocalhost": False,
            "enforceHostnames": True,
            "allowIpSans": False,
            "allowWildcardCertificates": False,
            "serverFlag": True,
            "clientFlag": False,
            "useCsrCommonName": True,
            "useCsrSans": True,
            "requireCn": True,
            "allowBareDomains": False,
            "allowSubdomains": True,
            "allowGlobDomains": False,
            "allowAnyName": False,
            "codeSigningFlag": False,
            "emailProtectionFlag": False,
            "keyType": "ec",
            "keyBits": 256,
            "signatureBits": 256,
        },
        touch={"clientFlag": True},
        least={"backend": "case-pki", "name": "act"},
    ),
    "pkiSecret/secretBackendConfigUrls:SecretBackendConfigUrls": Act(
        full={
            "backend": "case-pki",
            "issuingCertificates": ["https://vault.example/v1/pki/ca"],
            "crlDistributionPoints": ["https://vault.example/v1/pki/crl"],
            "ocspServers": ["https://vault.example/v1/pki/ocsp"],
            "enableTemplating": True,
        },
        touch={"ocspServers": ["https://vault.example/v1/pki/other"]},
        least={"backend": "case-pki"},
    ),
    "pkiSecret/secretBackendCrlConfig:SecretBackendCrlConfig": Act(
        full={
            "backend": "case-pki",
            "expiry": "72h",
            "ocspExpiry": "12h",
            "autoRebuildGracePeriod": "12h",
            "deltaRebuildInterval": "15m",
            "disable": False,
            "ocspDisable": False,
            "autoRebuild": True,
            "enableDelta": True,
            "maxCrlEntries": 1000,
        },
        touch={"expiry": "48h"},
        least={"backend": "case-pki"},
    ),
    "pkiSecret/backendConfigAutoTidy:BackendConfigAutoTidy": Act(
        full={
            "backend": "case-pki",
            "enabled": True,
            "tidyCertStore": True,
            "tidyRevokedCerts": True,
            "tidyRevokedCertIssuerAssociations": True,
            "tidyExpiredIssuers": False,
            "tidyMoveLegacyCaBundle": False,
            "tidyAcme": False,
            "maintainStoredCertificateCounts": False,
            "publishStoredCertificateCountMetrics": False,
            "intervalDuration": "12h",
            "pauseDuration": "1s",
            "safetyBuffer": "72h",
            "issuerSafetyBuffer": "8760h",
            "acmeAccountSafetyBuffer": "720h",
        },
        touch={"intervalDuration": "6h"},
        least={"backend": "case-pki", "enabled": True, "tidyCertStore": True},
    ),
}
