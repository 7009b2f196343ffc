"""Every resource type of the fake provider: where it is on the server and which properties it has.

Property names, what replaces, defaults and ids are those of pulumi_vault 7.14 and of the schemas of
github.com/hashicorp/terraform-provider-vault it is built from. A property that isn't here is refused.
"""

from collections.abc import Mapping

from fake_providers.vault.entry import Entry
from fake_providers.vault.fields import keyed, of, shown
from fake_providers.vault.kinds import (
    AnyPathEntry,
    AppRoleEntry,
    AuditDevice,
    Connection,
    Issued,
    Mount,
    TransitKeyEntry,
)

_BACKEND = of("path", "backend", replaces=True, required=True)
_NAME = of("path", "name", replaces=True, automatic=True)
_NAMED = _BACKEND | _NAME
_OF_LOGINS = (
    of("set", "tokenPolicies tokenBoundCidrs")
    | of("seconds", "tokenTtl tokenMaxTtl tokenExplicitMaxTtl tokenPeriod")
    | of("integer", "tokenNumUses")
    | of("boolean", "tokenNoDefaultPolicy")
    | of("text", "tokenType", default="default")
)
_SUBJECT = (
    _BACKEND
    | of("text", "commonName", replaces=True, required=True)
    | of("text", "organization", replaces=True)
    | of("boolean", "excludeCnFromSans", replaces=True)
    | of("text", "format", replaces=True, default="pem")
)
_CONSTRAINTS = of("integer", "maxPathLength", replaces=True, default=-1) | of("duration", "ttl")
_KEY_PAIR = (
    of("path", "type", replaces=True, required=True)
    | of("text", "keyType", replaces=True, default="rsa")
    | of("text", "privateKeyFormat", replaces=True, default="der")
    | of("integer", "keyBits", replaces=True, default=2048)
)
_JWT_SETTINGS = {
    **of("text", "oidcDiscoveryUrl oidcDiscoveryCaPem jwksUrl jwksCaPem boundIssuer"),
    **of("list", "jwtValidationPubkeys"),
}

TABLE: Mapping[str, Entry] = {
    "index/mount:Mount": Mount(
        place="sys/mounts/{path}",
        shown=shown(no="externalEntropyAccess forceNoCache local sealWrap", text="identityTokenKey listingVisibility"),
        table=of("path", "path", required=True)
        | of("text", "type", replaces=True, required=True)
        | of("text", "description")
        | of("seconds", {"defaultLeaseTtlSeconds": "config.default_lease_ttl"}, decided_by_server=True)
        | of("seconds", {"maxLeaseTtlSeconds": "config.max_lease_ttl"}, decided_by_server=True)
        | of("map", "options"),
    ),
    "index/authBackend:AuthBackend": Mount(
        place="sys/auth/{path}",
        version=1,
        shown={"disableRemount": False, "local": False},
        table=of("path", "path", required=True)
        | of("text", "type", replaces=True, required=True)
        | of("text", "description"),
    ),
    "jwt/authBackend:AuthBackend": Mount(
        place="sys/auth/{path}",
        version=1,
        shown={"disableRemount": False, "local": False, "oidcClientId": "", "defaultRole": "", "oidcResponseMode": ""},
        settings=frozenset(entry.key for entry in _JWT_SETTINGS.values()),
        table=of("path", "path", default="jwt")
        | of("text", "type", replaces=True, default="jwt")
        | of("text", "description")
        | of("local", "namespaceInState", default=True)
        | _JWT_SETTINGS,
    ),
    "index/audit:Audit": AuditDevice(
        place="sys/audit/{path}",
        table=of("path", "path", replaces=True, required=True)
        | of("text", "type", replaces=True, required=True)
        | of("map", "options", replaces=True, required=True),
    ),
    "index/policy:Policy": Entry(
        place="sys/policies/acl/{name}",
        identity="{name}",
        table=_NAME | of("text", "policy", required=True),
    ),
    "index/passwordPolicy:PasswordPolicy": Entry(
        place="sys/policies/password/{name}",
        identity="{name}",
        names_defaults=False,
        table=_NAME | of("text", "policy", required=True),
    ),
    "index/quotaRateLimit:QuotaRateLimit": Entry(
        place="sys/quotas/rate-limit/{name}",
        identity="{name}",
        table=_NAME
        | of("text", "path", replaces=True)
        | of("number", "rate", required=True)
        | of("text", "role")
        | of("seconds", "interval", decided_by_server=True)
        | of("seconds", "blockInterval"),
    ),
    "generic/endpoint:Endpoint": AnyPathEntry(
        place="{path}",
        outputs={"writeData": "", "writeDataJson": ""},
        version=1,
        table=of("path", "path", replaces=True, required=True)
        | of("text", "dataJson", required=True, sensitive=True)
        | of("boolean", "disableRead disableDelete ignoreAbsentFields", default=False),
    ),
    "kv/secretBackendV2:SecretBackendV2": Entry(
        place="{mount}/config",
        deletable=False,
        table=of("path", "mount", replaces=True, required=True)
        | of("integer", "maxVersions", decided_by_server=True)
        | of("boolean", "casRequired", decided_by_server=True)
        | of("seconds", "deleteVersionAfter"),
    ),
    "appRole/authBackendRole:AuthBackendRole": AppRoleEntry(
        place="auth/{backend}/role/{roleName}",
        outputs={"roleId": "role_id"},
        shown={"localSecretIds": False},
        table=of("path", "backend", replaces=True, default="approle")
        | of("path", "roleName", replaces=True, required=True)
        | of("boolean", "bindSecretId", default=True)
        | of("set", "secretIdBoundCidrs")
        | of("integer", "secretIdNumUses")
        | of("seconds", "secretIdTtl")
        | _OF_LOGINS,
    ),
    "index/certAuthBackendRole:CertAuthBackendRole": Entry(
        place="auth/{backend}/certs/{name}",
        version=1,
        shown=shown(
            no="ocspEnabled ocspFailOpen ocspQueryAllServers",
            zero="ocspThisUpdateMaxAge",
            text="ocspCaCertificates",
            items="allowedCommonNames allowedDnsSans allowedEmailSans allowedNames allowedUriSans requiredExtensions",
        ),
        table=of("path", "backend", replaces=True, default="cert")
        | of("path", "name", replaces=True, required=True)
        | of("text", "certificate", replaces=True, required=True)
        | of("text", "displayName", decided_by_server=True)
        | of("integer", "ocspMaxRetries", default=4)
        | _OF_LOGINS,
    ),
    "kubernetes/authBackendConfig:AuthBackendConfig": Entry(
        place="auth/{backend}/config",
        shown={"issuer": "", "useAnnotationsAsAliasMetadata": False},
        deletable=False,
        table=of("path", "backend", replaces=True, default="kubernetes")
        | of("text", "kubernetesHost", required=True)
        | of("text", "kubernetesCaCert", decided_by_server=True)
        | of("boolean", "disableIssValidation", default=False),
    ),
    "kubernetes/authBackendRole:AuthBackendRole": Entry(
        place="auth/{backend}/role/{roleName}",
        shown={"boundServiceAccountNamespaceSelector": ""},
        table=of("path", "backend", replaces=True, default="kubernetes")
        | of("path", "roleName", replaces=True, required=True)
        | of("set", "boundServiceAccountNames", required=True)
        | of("set", "boundServiceAccountNamespaces")
        | of("text", "audience")
        | _OF_LOGINS,
    ),
    "jwt/authBackendRole:AuthBackendRole": Entry(
        place="auth/{backend}/role/{roleName}",
        shown=shown(
            no="disableBoundClaimsParsing userClaimJsonPointer verboseOidcLogging",
            zero="clockSkewLeeway expirationLeeway maxAge notBeforeLeeway",
            text="boundSubject groupsClaim",
        ),
        table=of("path", "backend", replaces=True, default="jwt")
        | of("path", "roleName", replaces=True, required=True)
        | of("text", "roleType", replaces=True, decided_by_server=True)
        | of("text", "userClaim", required=True)
        | of("text", "boundClaimsType", decided_by_server=True)
        | of("set", "boundAudiences")
        | of("claims", "boundClaims")
        | _OF_LOGINS,
    ),
    "database/secretBackendConnection:SecretBackendConnection": Connection(
        place="{backend}/config/{name}",
        shown=shown(
            no="postgresql.disableEscaping postgresql.selfManaged",
            zero="postgresql.maxConnectionLifetime postgresql.maxIdleConnections",
            text="pluginVersion postgresql.authType postgresql.password postgresql.privateKey "
            "postgresql.serviceAccountJson postgresql.tlsCa postgresql.tlsCertificate postgresql.usernameTemplate",
        ),
        table=_NAMED
        | of("text", "pluginName", decided_by_server=True, default="postgresql-database-plugin")
        | of("text", "passwordPolicy postgresql.connectionUrl postgresql.username")
        | of("list", "allowedRoles")
        | of("boolean", "verifyConnection", default=True)
        | of("once", {"postgresql.passwordWo": "password"})
        | of("local", "postgresql.passwordWoVersion")
        | of("integer", "postgresql.maxOpenConnections", default=2)
        | of("text", "postgresql.passwordAuthentication", default="password"),
    ),
    "database/secretBackendRole:SecretBackendRole": Entry(
        place="{backend}/roles/{name}",
        table=_NAMED
        | of("text", "dbName", replaces=True, required=True)
        | of("seconds", "defaultTtl maxTtl")
        | of("list", "creationStatements", required=True)
        | of("list", "revocationStatements")
        | of("text", "credentialType", decided_by_server=True),
    ),
    "database/secretBackendStaticRole:SecretBackendStaticRole": Entry(
        place="{backend}/static-roles/{name}",
        shown={"rotationSchedule": "", "rotationWindow": 0},
        table=_NAMED
        | of("text", "dbName username", replaces=True, required=True)
        | of("seconds", "rotationPeriod")
        | of("text", "credentialType", decided_by_server=True),
    ),
    "transit/secretBackendKey:SecretBackendKey": TransitKeyEntry(
        place="{backend}/keys/{name}",
        shown={"keySize": 0},
        outputs=keyed(
            "keys latestVersion minAvailableVersion "
            "supportsDecryption supportsDerivation supportsEncryption supportsSigning"
        ),
        table=_NAMED
        | of("text", "type", replaces=True, default="aes256-gcm96")
        | of("boolean", "derived convergentEncryption", replaces=True, default=False)
        | of("boolean", "deletionAllowed exportable allowPlaintextBackup", default=False)
        | of("integer", "minDecryptionVersion", default=1)
        | of("integer", "minEncryptionVersion", default=0)
        | of("seconds", "autoRotatePeriod", decided_by_server=True),
    ),
    "pkiSecret/secretBackendRootCert:SecretBackendRootCert": Issued(
        place="{backend}/issuers/generate/root/{type}",
        identity="{backend}/issuer/{issuerId}",
        exists="{backend}/issuer/{issuerId}",
        removal="{backend}/issuer/{issuerId}",
        version=1,
        outputs=keyed("certificate issuingCa serialNumber issuerId keyId"),
        table=_SUBJECT | _CONSTRAINTS | _KEY_PAIR,
    ),
    "pkiSecret/secretBackendIntermediateCertRequest:SecretBackendIntermediateCertRequest": Issued(
        place="{backend}/issuers/generate/intermediate/{type}",
        random=True,
        outputs=keyed("csr keyId privateKey privateKeyType"),
        table=_SUBJECT | _KEY_PAIR | of("boolean", "addBasicConstraints", replaces=True, default=False),
    ),
    "pkiSecret/secretBackendRootSignIntermediate:SecretBackendRootSignIntermediate": Issued(
        place="{backend}/root/sign-intermediate",
        identity="{backend}/{commonName}",
        version=2,
        outputs=keyed("certificate issuingCa certificateBundle serialNumber") | {"caChains": "ca_chain"},
        table=_SUBJECT
        | _CONSTRAINTS
        | of("text", "csr", replaces=True, required=True)
        | of("boolean", "useCsrValues", replaces=True, default=False),
    ),
    "pkiSecret/secretBackendIntermediateSetSigned:SecretBackendIntermediateSetSigned": Issued(
        place="{backend}/intermediate/set-signed",
        random=True,
        shown={"importedIssuers": [], "importedKeys": []},
        outputs=keyed("importedIssuers importedKeys"),
        table=_BACKEND | of("text", "certificate", replaces=True, required=True),
    ),
    "pkiSecret/secretBackendRole:SecretBackendRole": Entry(
        place="{backend}/roles/{name}",
        shown=shown(
            no="allowedDomainsTemplate allowedUriSansTemplate basicConstraintsValidForNonCa generateLease noStore "
            "usePss",
            text="notAfter",
            items="policyIdentifier",
        ),
        table=_NAMED
        | of("text", "issuerRef", decided_by_server=True)
        | of("duration", "ttl maxTtl notBeforeDuration", decided_by_server=True)
        | of("list", "allowedDomains")
        | of("list", {"organizations": "organization"})
        | of("list", "cnValidations", decided_by_server=True)
        | of("list", {"keyUsages": "key_usage"}, decided_by_server=True)
        | of("boolean", "allowLocalhost enforceHostnames allowIpSans allowWildcardCertificates", default=True)
        | of("boolean", "serverFlag clientFlag useCsrCommonName useCsrSans requireCn", default=True)
        | of("boolean", "allowBareDomains allowSubdomains allowGlobDomains allowAnyName", default=False)
        | of("boolean", "codeSigningFlag emailProtectionFlag", default=False)
        | of("text", "keyType", default="rsa")
        | of("integer", "keyBits", default=2048)
        | of("integer", "signatureBits", decided_by_server=True),
    ),
    "pkiSecret/secretBackendConfigUrls:SecretBackendConfigUrls": Entry(
        place="{backend}/config/urls",
        shown={"enableTemplating": False},
        deletable=False,
        table=_BACKEND | of("list", "issuingCertificates crlDistributionPoints ocspServers"),
    ),
    "pkiSecret/secretBackendCrlConfig:SecretBackendCrlConfig": Entry(
        place="{backend}/config/crl",
        shown={"crossClusterRevocation": False, "unifiedCrl": False, "unifiedCrlOnExistingPaths": False},
        deletable=False,
        table=_BACKEND
        | of("duration", "expiry ocspExpiry autoRebuildGracePeriod deltaRebuildInterval", decided_by_server=True)
        | of("boolean", "disable ocspDisable autoRebuild enableDelta", default=False)
        | of("integer", "maxCrlEntries", decided_by_server=True),
    ),
    "pkiSecret/backendConfigAutoTidy:BackendConfigAutoTidy": Entry(
        place="{backend}/config/auto-tidy",
        deletable=False,
        table=_BACKEND
        | of("boolean", "enabled", required=True)
        | of("boolean", "tidyCertStore tidyRevokedCerts tidyRevokedCertIssuerAssociations", default=False)
        | of("boolean", "tidyExpiredIssuers tidyMoveLegacyCaBundle tidyAcme", default=False)
        | of("boolean", "maintainStoredCertificateCounts publishStoredCertificateCountMetrics", default=False)
        | of("duration", "intervalDuration pauseDuration", decided_by_server=True)
        | of("duration", "safetyBuffer issuerSafetyBuffer acmeAccountSafetyBuffer", decided_by_server=True),
    ),
}
