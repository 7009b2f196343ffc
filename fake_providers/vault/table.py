"""Every resource type of the fake provider: where it is on the server and which properties it has.

Property names, what replaces, defaults and ids are those of pulumi_vault 7.14 and of the schemas of
github.com/hashicorp/terraform-provider-vault it is built from. A property that isn't here is refused. What each sends
when is held against what the official one was heard to send (tests/engine/fake_providers/test_vault_requests.py).
"""

from collections.abc import Mapping

from fake_providers.vault import authorities
from fake_providers.vault.entry import Entry
from fake_providers.vault.fields import keyed, of, shown
from fake_providers.vault.identity import Identified
from fake_providers.vault.kinds import (
    AlwaysThere,
    AnyPathEntry,
    AppRoleEntry,
    AuditDevice,
    AuditHeaderEntry,
    Connection,
    Issued,
    Mount,
    OnlyOneEntry,
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
    | of("text", "commonName", replaces=True, required=True, sent="given")
    | of("text", "organization", replaces=True, sent="given")
    | of("boolean", "excludeCnFromSans", replaces=True, sent="always")
    | of("text", "format", replaces=True, default="pem", sent="given")
)
_CONSTRAINTS = of("integer", "maxPathLength", replaces=True, default=-1, sent="given") | of("duration", "ttl")
_KEY_PAIR = (
    of("path", "type", replaces=True, required=True)
    | of("text", "keyType", replaces=True, default="rsa")
    | of("text", "privateKeyFormat", replaces=True, default="der")
    | of("integer", "keyBits", replaces=True, default=2048)
)
_JWT_SETTINGS = {
    **of("text", "oidcDiscoveryUrl oidcDiscoveryCaPem jwksUrl jwksCaPem boundIssuer", sent="given"),
    **of("list", "jwtValidationPubkeys", sent="given"),
    **of("text", "oidcClientId defaultRole", sent="given"),
    **of("once", {"oidcClientSecretWo": "oidc_client_secret"}, sent="always"),
    **of("boolean", "namespaceInState", default=True, sent="given", read=False),
}
_MOUNTED = {
    "description": "",
    "local": False,
    "seal_wrap": False,
    "external_entropy_access": False,
    "config.force_no_cache": False,
    "config.options": None,
}
_TUNED = {
    "config.default_lease_ttl": "",
    "config.max_lease_ttl": "",
    "config.force_no_cache": False,
    "config.options": None,
}
_LOGIN_MOUNTED = _MOUNTED | _TUNED | {"options": None}

TABLE: Mapping[str, Entry] = {
    "index/mount:Mount": Mount(
        place="sys/mounts/{path}",
        sends_first=_MOUNTED,
        shown=shown(no="externalEntropyAccess forceNoCache local sealWrap", text="identityTokenKey listingVisibility"),
        table=of("path", "path", required=True)
        | of("text", "type", replaces=True, required=True)
        | of("text", "description")
        | of(
            "seconds",
            {"defaultLeaseTtlSeconds": "config.default_lease_ttl", "maxLeaseTtlSeconds": "config.max_lease_ttl"},
            decided_by_server=True,
            sent="always",
            written="with its unit",
        )
        | of("map", "options", sent="always"),
    ),
    "index/authBackend:AuthBackend": Mount(
        place="sys/auth/{path}",
        version=1,
        sends_first=_LOGIN_MOUNTED,
        sends_later=_TUNED,
        tunes=frozenset({"description"}),
        shown={"disableRemount": False, "local": False},
        table=of("path", "path", required=True)
        | of("text", "type", replaces=True, required=True)
        | of("text", "description"),
    ),
    "jwt/authBackend:AuthBackend": Mount(
        place="sys/auth/{path}",
        version=1,
        shown={"disableRemount": False, "local": False, "oidcResponseMode": ""},
        sends_first=_LOGIN_MOUNTED,
        sends_later={"oidc_response_mode": ""},
        settings=frozenset({*(entry.key for entry in _JWT_SETTINGS.values()), "oidc_response_mode"}),
        table=of("path", "path", default="jwt")
        | of("text", "type", replaces=True, default="jwt")
        | of("text", "description", sent="first", read=False)
        | of("local", "oidcClientSecretWoVersion")
        | _JWT_SETTINGS,
    ),
    "index/audit:Audit": AuditDevice(
        place="sys/audit/{path}",
        sends_first={"description": "", "local": False},
        table=of("path", "path", replaces=True, required=True)
        | of("text", "type", replaces=True, required=True)
        | of("map", "options", replaces=True, required=True),
    ),
    "index/auditRequestHeader:AuditRequestHeader": AuditHeaderEntry(
        place="sys/config/auditing/request-headers/{name}",
        identity="{name}",
        importable=False,
        table=_NAME | of("boolean", "hmac", sent="set"),
    ),
    "index/policy:Policy": Entry(
        place="sys/policies/acl/{name}",
        identity="{name}",
        table=_NAME | of("text", "policy", required=True, sent="always"),
    ),
    "index/passwordPolicy:PasswordPolicy": Entry(
        place="sys/policies/password/{name}",
        identity="{name}",
        names_defaults=False,
        table=_NAME | of("text", "policy", required=True, sent="always"),
    ),
    "index/quotaRateLimit:QuotaRateLimit": Entry(
        place="sys/quotas/rate-limit/{name}",
        identity="{name}",
        table=_NAME
        | of("text", "path", replaces=True, sent="always")
        | of("number", "rate", required=True, sent="always")
        | of("text", "role", sent="set")
        | of("seconds", "interval", decided_by_server=True, sent="set")
        | of("seconds", "blockInterval", sent="set"),
    ),
    "index/quotaConfig:QuotaConfig": OnlyOneEntry(
        place="sys/quotas/config",
        names_defaults=False,
        first={
            "absolute_rate_limit_exempt_paths": [],
            "enable_rate_limit_audit_logging": False,
            "enable_rate_limit_response_headers": False,
            "rate_limit_exempt_paths": [],
        },
        table=of(
            "boolean",
            "enableRateLimitAuditLogging enableRateLimitResponseHeaders",
            decided_by_server=True,
        )
        | of("set", "rateLimitExemptPaths absoluteRateLimitExemptPaths", decided_by_server=True),
    ),
    "index/raftAutopilot:RaftAutopilot": AlwaysThere(
        place="sys/storage/raft/autopilot/configuration",
        first={
            "cleanup_dead_servers": False,
            "dead_server_last_contact_threshold": "24h0m0s",
            "last_contact_threshold": "10s",
            "max_trailing_logs": 1000,
            "min_quorum": 3,
            "server_stabilization_time": "10s",
        },
        table=of("boolean", "cleanupDeadServers", default=False, sent="set")
        | of("duration", "deadServerLastContactThreshold", default="24h0m0s", sent="set")
        | of("duration", "lastContactThreshold serverStabilizationTime", default="10s", sent="set")
        | of("integer", "maxTrailingLogs", default=1000, sent="set")
        | of("integer", "minQuorum", default=3, sent="set"),
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
        | of("integer", "maxVersions", decided_by_server=True, sent="always")
        | of("boolean", "casRequired", decided_by_server=True, sent="always")
        | of("seconds", "deleteVersionAfter", sent="always"),
    ),
    "appRole/authBackendRole:AuthBackendRole": AppRoleEntry(
        place="auth/{backend}/role/{roleName}",
        outputs={"roleId": "role_id"},
        # Which a server refuses for a role that it has: such a one can't be created once more.
        sends_first={"local_secret_ids": False},
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
        importable=False,
        sends={"ocsp_enabled": False, "ocsp_fail_open": False, "ocsp_query_all_servers": False},
        table=of("path", "backend", replaces=True, default="cert")
        | of("path", "name", replaces=True, required=True)
        | of("text", "certificate", replaces=True, required=True, sent="set")
        | of("text", "displayName", decided_by_server=True, sent="set")
        | of("integer", "ocspMaxRetries", default=4, sent="set")
        | _OF_LOGINS,
    ),
    "identity/entity:Entity": Identified(
        place="identity/entity",
        looked_up="identity/lookup/entity",
        by={"name": "name"},
        sends_later={"external_policies": False},
        shown={"externalPolicies": False},
        table=of("text", "name", sent="always", automatic=True)
        | of("set", "policies", sent="set")
        | of("map", "metadata", sent="set")
        | of("boolean", "disabled", sent="set"),
    ),
    "identity/entityAlias:EntityAlias": Identified(
        place="identity/entity-alias",
        looked_up="identity/lookup/entity",
        by={"alias_name": "name", "alias_mount_accessor": "mountAccessor"},
        of_others=True,
        looks_first=True,
        sends={"custom_metadata": {}},
        table=of("text", "name mountAccessor canonicalId", required=True, sent="always"),
    ),
    "identity/group:Group": Identified(
        place="identity/group",
        looked_up="identity/lookup/group",
        by={"name": "name"},
        version=1,
        fixed=frozenset({"type"}),
        sends={"member_group_ids": []},
        sends_later={"external_policies": False, "metadata": {}},
        of_internal=frozenset({"member_entity_ids", "member_group_ids"}),
        shown=shown(no="externalMemberEntityIds externalMemberGroupIds externalPolicies"),
        table=of("text", "name", sent="always", automatic=True)
        | of("text", "type", replaces=True, default="internal", sent="first")
        | of("set", "policies", sent="always")
        | of("set", "memberEntityIds", sent="always", decided_by_server=True),
    ),
    "identity/groupAlias:GroupAlias": Identified(
        place="identity/group-alias",
        looked_up="identity/lookup/group",
        by={"alias_name": "name", "alias_mount_accessor": "mountAccessor"},
        of_others=True,
        table=of("text", "name mountAccessor canonicalId", required=True, sent="always"),
    ),
    "kubernetes/authBackendConfig:AuthBackendConfig": Entry(
        place="auth/{backend}/config",
        shown={"issuer": "", "useAnnotationsAsAliasMetadata": False},
        sends={"use_annotations_as_alias_metadata": False},
        deletable=False,
        table=of("path", "backend", replaces=True, default="kubernetes")
        | of("text", "kubernetesHost", required=True, sent="always")
        | of("text", "kubernetesCaCert", decided_by_server=True, sent="set")
        | of("boolean", "disableIssValidation", decided_by_server=True, sent="always"),
    ),
    "kubernetes/authBackendRole:AuthBackendRole": Entry(
        place="auth/{backend}/role/{roleName}",
        shown={"boundServiceAccountNamespaceSelector": ""},
        sends={"bound_service_account_namespace_selector": ""},
        table=of("path", "backend", replaces=True, default="kubernetes")
        | of("path", "roleName", replaces=True, required=True)
        | of("set", "boundServiceAccountNames", required=True, sent="set")
        | of("set", "boundServiceAccountNamespaces", sent="set")
        | of("text", "audience")
        | _OF_LOGINS,
    ),
    "jwt/authBackendRole:AuthBackendRole": Entry(
        place="auth/{backend}/role/{roleName}",
        shown=shown(
            no="disableBoundClaimsParsing userClaimJsonPointer verboseOidcLogging",
            zero="clockSkewLeeway expirationLeeway maxAge notBeforeLeeway",
            text="boundSubject",
        ),
        sends={
            "clock_skew_leeway": 0,
            "expiration_leeway": 0,
            "not_before_leeway": 0,
            "user_claim_json_pointer": False,
            "verbose_oidc_logging": False,
        },
        sends_later={"bound_subject": ""},
        table=of("path", "backend", replaces=True, default="jwt")
        | of("path", "roleName", replaces=True, required=True)
        | of("text", "roleType", replaces=True, decided_by_server=True, sent="set")
        | of("text", "userClaim", required=True, sent="always")
        | of("text", "boundClaimsType", decided_by_server=True, sent="given")
        | of("set", "boundAudiences", sent="always")
        | of("claims", "boundClaims", sent="always")
        | of("text", "groupsClaim", sent="given")
        | of("set", "allowedRedirectUris oidcScopes", sent="set")
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
        sends={"disable_escaping": False},
        sends_later={"max_connection_lifetime": "0s", "max_idle_connections": 0, "username_template": ""},
        table=_NAMED
        | of("text", "pluginName", decided_by_server=True, default="postgresql-database-plugin", sent="always")
        | of("text", "passwordPolicy postgresql.connectionUrl", sent="set")
        | of("text", "postgresql.username", sent="always")
        | of("list", "allowedRoles", sent="given", written="with commas")
        | of("boolean", "verifyConnection", default=True, sent="given")
        | of("once", {"postgresql.passwordWo": "password"})
        | of("local", "postgresql.passwordWoVersion")
        | of("integer", "postgresql.maxOpenConnections", default=2, sent="set")
        | of("text", "postgresql.passwordAuthentication", default="password", sent="set"),
    ),
    "database/secretBackendRole:SecretBackendRole": Entry(
        place="{backend}/roles/{name}",
        table=_NAMED
        | of("text", "dbName", replaces=True, required=True, sent="always")
        | of("seconds", "defaultTtl maxTtl")
        | of("list", "creationStatements", required=True, sent="always")
        | of("list", "revocationStatements")
        | of("text", "credentialType", decided_by_server=True),
    ),
    "database/secretBackendStaticRole:SecretBackendStaticRole": Entry(
        place="{backend}/static-roles/{name}",
        shown={"rotationSchedule": "", "rotationWindow": 0},
        sends={"rotation_statements": []},
        table=_NAMED
        | of("text", "dbName username", replaces=True, required=True, sent="always")
        | of("seconds", "rotationPeriod", sent="set")
        | of("text", "credentialType", decided_by_server=True, sent="set"),
    ),
    "transit/secretBackendKey:SecretBackendKey": TransitKeyEntry(
        place="{backend}/keys/{name}",
        shown={"keySize": 0},
        sends_first={"key_size": 0},
        outputs=keyed(
            "keys latestVersion minAvailableVersion "
            "supportsDecryption supportsDerivation supportsEncryption supportsSigning"
        ),
        table=_NAMED
        | of("text", "type", replaces=True, default="aes256-gcm96", sent="always")
        | of("boolean", "derived convergentEncryption", replaces=True, default=False, sent="always")
        | of("boolean", "deletionAllowed exportable allowPlaintextBackup", default=False, sent="always")
        | of("integer", "minDecryptionVersion", default=1, sent="always")
        | of("integer", "minEncryptionVersion", default=0, sent="always")
        | of("seconds", "autoRotatePeriod", decided_by_server=True, sent="always"),
    ),
    "pkiSecret/secretBackendRootCert:SecretBackendRootCert": Issued(
        place="{backend}/issuers/generate/root/{type}",
        identity="{backend}/issuer/{issuerId}",
        exists="{backend}/issuer/{issuerId}",
        sends={"use_pss": False},
        removal="{backend}/issuer/{issuerId}",
        found=authorities.root,
        version=1,
        outputs=keyed("certificate issuingCa serialNumber issuerId keyId"),
        table=_SUBJECT | _CONSTRAINTS | _KEY_PAIR,
    ),
    "pkiSecret/secretBackendIntermediateCertRequest:SecretBackendIntermediateCertRequest": Issued(
        place="{backend}/issuers/generate/intermediate/{type}",
        random=True,
        found=authorities.request,
        outputs=keyed("csr keyId privateKey privateKeyType"),
        table=_SUBJECT | _KEY_PAIR | of("boolean", "addBasicConstraints", replaces=True, default=False),
    ),
    "pkiSecret/secretBackendRootSignIntermediate:SecretBackendRootSignIntermediate": Issued(
        place="{backend}/root/sign-intermediate",
        identity="{backend}/{commonName}",
        version=2,
        found=authorities.signature,
        sends={"use_pss": False},
        outputs=keyed("certificate issuingCa certificateBundle serialNumber") | {"caChains": "ca_chain"},
        table=_SUBJECT
        | _CONSTRAINTS
        | of("text", "csr", replaces=True, required=True)
        | of("boolean", "useCsrValues", replaces=True, default=False),
    ),
    "pkiSecret/secretBackendIntermediateSetSigned:SecretBackendIntermediateSetSigned": Issued(
        place="{backend}/intermediate/set-signed",
        random=True,
        found=authorities.placed,
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
        sends={
            "allowed_uri_sans_template": False,
            "basic_constraints_valid_for_non_ca": False,
            "generate_lease": False,
            "no_store": False,
        },
        table=_NAMED
        | of("text", "issuerRef", decided_by_server=True, sent="set")
        | of("duration", "ttl maxTtl notBeforeDuration", decided_by_server=True, sent="set")
        | of("list", "allowedDomains", sent="set")
        | of("list", {"organizations": "organization"}, sent="set")
        | of("list", "cnValidations", decided_by_server=True, sent="set")
        | of("list", {"keyUsages": "key_usage"}, decided_by_server=True, sent="set")
        | of(
            "boolean",
            "allowLocalhost enforceHostnames allowIpSans allowWildcardCertificates "
            "serverFlag clientFlag useCsrCommonName useCsrSans requireCn",
            default=True,
            sent="always",
        )
        | of(
            "boolean",
            "allowBareDomains allowSubdomains allowGlobDomains allowAnyName codeSigningFlag emailProtectionFlag",
            default=False,
            sent="always",
        )
        | of("text", "keyType", default="rsa", sent="set")
        | of("integer", "keyBits", default=2048, sent="set")
        | of("integer", "signatureBits", decided_by_server=True, sent="set"),
    ),
    "pkiSecret/secretBackendConfigUrls:SecretBackendConfigUrls": Entry(
        place="{backend}/config/urls",
        deletable=False,
        table=_BACKEND
        | of("list", "issuingCertificates crlDistributionPoints ocspServers", sent="always")
        | of("boolean", "enableTemplating", default=False, sent="always"),
    ),
    "pkiSecret/secretBackendCrlConfig:SecretBackendCrlConfig": Entry(
        place="{backend}/config/crl",
        shown=shown(no="crossClusterRevocation unifiedCrl unifiedCrlOnExistingPaths", zero="maxCrlEntries"),
        sends_later={
            "cross_cluster_revocation": False,
            "unified_crl": False,
            "unified_crl_on_existing_paths": False,
        },
        deletable=False,
        table=_BACKEND
        | of("duration", "expiry", sent="given")
        | of("duration", "ocspExpiry autoRebuildGracePeriod deltaRebuildInterval", decided_by_server=True, sent="given")
        | of("boolean", "disable ocspDisable autoRebuild enableDelta", default=False, sent="given")
        | of("integer", "maxCrlEntries", decided_by_server=True, sent="given"),
    ),
    "pkiSecret/backendConfigAutoTidy:BackendConfigAutoTidy": Entry(
        place="{backend}/config/auto-tidy",
        sends={
            "tidy_cert_metadata": False,
            "tidy_cmpv2_nonce_store": False,
            "tidy_cross_cluster_revoked_certs": False,
            "tidy_revocation_queue": False,
        },
        deletable=False,
        table=_BACKEND
        | of("boolean", "enabled", required=True, sent="always")
        | of(
            "boolean",
            "tidyCertStore tidyRevokedCerts tidyRevokedCertIssuerAssociations tidyExpiredIssuers "
            "tidyMoveLegacyCaBundle tidyAcme maintainStoredCertificateCounts publishStoredCertificateCountMetrics",
            default=False,
            sent="always",
        )
        | of(
            "duration",
            "intervalDuration pauseDuration safetyBuffer issuerSafetyBuffer acmeAccountSafetyBuffer",
            decided_by_server=True,
            sent="set",
        ),
    ),
}
