"""Every resource type of the stand-in: where it is on the server and which properties it has.

Property names, what replaces, defaults and ids are those of pulumi_vault 7.14 and of the schemas of
github.com/hashicorp/terraform-provider-vault it is built from. A property that isn't here is refused.
"""

from collections.abc import Mapping

from fake_providers.vault.entry import Entry
from fake_providers.vault.fields import fields
from fake_providers.vault.kinds import AppRole, AuditDevice, Connection, Endpoint, Issued, Mount, TransitKey

_OF_LOGINS = """
set tokenPolicies tokenBoundCidrs
seconds tokenTtl tokenMaxTtl tokenExplicitMaxTtl tokenPeriod
integer tokenNumUses
boolean tokenNoDefaultPolicy
text tokenType:default"""
_TUNE = """
duration tune.defaultLeaseTtl~=config.default_lease_ttl tune.maxLeaseTtl~=config.max_lease_ttl
text tune.listingVisibility~=config.listing_visibility tune.tokenType~=config.token_type
list tune.auditNonHmacRequestKeys~=config.audit_non_hmac_request_keys
list tune.auditNonHmacResponseKeys~=config.audit_non_hmac_response_keys
list tune.passthroughRequestHeaders~=config.passthrough_request_headers
list tune.allowedResponseHeaders~=config.allowed_response_headers"""
_SUBJECT = """
path! backend*
text! commonName* organization ou country locality province streetAddress postalCode
joined! altNames ipSans uriSans otherSans
boolean! excludeCnFromSans
text! format:pem"""
_CONSTRAINTS = """
joined! permittedDnsDomains excludedDnsDomains permittedIpRanges excludedIpRanges
joined! permittedEmailAddresses excludedEmailAddresses permittedUriDomains excludedUriDomains
integer! maxPathLength:-1
list! keyUsages=key_usage
duration ttl
text notAfter
duration! notBeforeDuration
boolean! usePss"""
_JWT_SETTINGS = """
text oidcDiscoveryUrl oidcDiscoveryCaPem oidcClientId jwksUrl jwksCaPem boundIssuer defaultRole
secret oidcClientSecret
list jwtValidationPubkeys jwtSupportedAlgs"""

# Texts of a connection that the official provider writes as empty rather than absent.
_EMPTY_TEXTS = frozenset(
    {"authType", "password", "privateKey", "serviceAccountJson", "tlsCa", "tlsCertificate", "usernameTemplate"}
)

TABLE: Mapping[str, Entry] = {
    "index/mount:Mount": Mount(
        place="sys/mounts/{path}",
        identity="{path}",
        shown={"forceNoCache": False, "identityTokenKey": "", "listingVisibility": ""},
        outputs={"accessor": "accessor"},
        table=fields("""
            path path*
            text! type*
            text description pluginVersion listingVisibility=config.listing_visibility
            seconds defaultLeaseTtlSeconds~=config.default_lease_ttl maxLeaseTtlSeconds~=config.max_lease_ttl
            list auditNonHmacRequestKeys~=config.audit_non_hmac_request_keys
            list auditNonHmacResponseKeys~=config.audit_non_hmac_response_keys
            list passthroughRequestHeaders=config.passthrough_request_headers
            list allowedResponseHeaders=config.allowed_response_headers
            boolean! local sealWrap~ externalEntropyAccess
            map options"""),
    ),
    "index/authBackend:AuthBackend": Mount(
        place="sys/auth/{path}",
        identity="{path}",
        outputs={"accessor": "accessor"},
        version=1,
        table=fields("path path\ntext! type*\ntext description\nboolean! local\nlocal disableRemount:false", _TUNE),
    ),
    "jwt/authBackend:AuthBackend": Mount(
        place="sys/auth/{path}",
        identity="{path}",
        outputs={"accessor": "accessor"},
        version=1,
        shown={"oidcResponseMode": ""},
        settings=frozenset(entry.key for entry in fields(_JWT_SETTINGS).values()),
        table=fields(
            "path path:jwt\ntext! type:jwt\ntext description\nboolean! local",
            "local disableRemount:false namespaceInState:true",
            _TUNE,
            _JWT_SETTINGS,
        ),
    ),
    "index/audit:Audit": AuditDevice(
        place="sys/audit/{path}",
        identity="{path}",
        table=fields("path! path\ntext! type* description\nboolean! local\nmap! options*"),
    ),
    "index/policy:Policy": Entry(
        place="sys/policies/acl/{name}",
        identity="{name}",
        table=fields("path! name@\ntext policy*\nlocal allowOverwrite"),
    ),
    "index/passwordPolicy:PasswordPolicy": Entry(
        place="sys/policies/password/{name}",
        identity="{name}",
        names_defaults=False,
        table=fields("path! name@\ntext policy*"),
    ),
    "index/quotaRateLimit:QuotaRateLimit": Entry(
        place="sys/quotas/rate-limit/{name}",
        identity="{name}",
        table=fields("""
            path! name@
            text! path
            number rate*
            text role
            boolean inheritable-
            seconds interval~ blockInterval"""),
    ),
    "generic/endpoint:Endpoint": Endpoint(
        place="{path}",
        outputs={"writeData": "", "writeDataJson": ""},
        version=1,
        table=fields("""
            path! path*
            text dataJson*^
            boolean disableRead:false disableDelete:false ignoreAbsentFields:false
            list writeFields"""),
    ),
    "kv/secretBackendV2:SecretBackendV2": Entry(
        place="{mount}/config",
        deletable=False,
        table=fields("path! mount*\ninteger maxVersions~\nboolean casRequired~\nseconds deleteVersionAfter"),
    ),
    "appRole/authBackendRole:AuthBackendRole": AppRole(
        place="auth/{backend}/role/{roleName}",
        table=fields(
            """
            path! backend:approle roleName*
            text roleId~
            boolean bindSecretId:true
            boolean! localSecretIds
            set secretIdBoundCidrs
            integer secretIdNumUses
            seconds secretIdTtl""",
            _OF_LOGINS,
        ),
    ),
    "index/certAuthBackendRole:CertAuthBackendRole": Entry(
        place="auth/{backend}/certs/{name}",
        version=1,
        shown={
            **{f"allowed{name}": [] for name in ("CommonNames", "DnsSans", "EmailSans", "Names", "UriSans")},
            "requiredExtensions": [],
            **dict.fromkeys(("ocspEnabled", "ocspFailOpen", "ocspQueryAllServers"), False),
            "ocspCaCertificates": "",
            "ocspThisUpdateMaxAge": 0,
        },
        table=fields(
            "path! backend:cert name*\ntext! certificate*\ntext displayName~\ninteger ocspMaxRetries:4", _OF_LOGINS
        ),
    ),
    "kubernetes/authBackendConfig:AuthBackendConfig": Entry(
        place="auth/{backend}/config",
        deletable=False,
        table=fields("""
            path! backend:kubernetes
            text kubernetesHost* kubernetesCaCert~ issuer
            secret tokenReviewerJwt
            once tokenReviewerJwtWo=token_reviewer_jwt
            local tokenReviewerJwtWoVersion
            list pemKeys
            boolean disableIssValidation:false disableLocalCaJwt~ useAnnotationsAsAliasMetadata~"""),
    ),
    "kubernetes/authBackendRole:AuthBackendRole": Entry(
        place="auth/{backend}/role/{roleName}",
        table=fields(
            """
            path! backend:kubernetes roleName*
            set boundServiceAccountNames* boundServiceAccountNamespaces
            text boundServiceAccountNamespaceSelector audience aliasNameSource~""",
            _OF_LOGINS,
        ),
    ),
    "jwt/authBackendRole:AuthBackendRole": Entry(
        place="auth/{backend}/role/{roleName}",
        shown={"disableBoundClaimsParsing": False},
        table=fields(
            """
            path! backend:jwt roleName*
            text! roleType~
            text userClaim* boundSubject groupsClaim boundClaimsType~
            set boundAudiences allowedRedirectUris oidcScopes
            claims boundClaims
            map claimMappings
            seconds clockSkewLeeway expirationLeeway notBeforeLeeway maxAge
            boolean verboseOidcLogging userClaimJsonPointer""",
            _OF_LOGINS,
        ),
    ),
    "database/secretBackendConnection:SecretBackendConnection": Connection(
        place="{backend}/config/{name}",
        shown={
            "pluginVersion": "",
            **dict.fromkeys((f"postgresql.{name}" for name in _EMPTY_TEXTS), ""),
            "postgresql.selfManaged": False,
            "postgresql.maxConnectionLifetime": 0,
            "postgresql.maxIdleConnections": 0,
        },
        table=fields("""
            path! backend* name@
            text pluginName~:postgresql-database-plugin passwordPolicy
            list allowedRoles rootRotationStatements
            boolean verifyConnection:true
            text postgresql.connectionUrl postgresql.username postgresql.usernameTemplate
            secret postgresql.password
            once postgresql.passwordWo=password
            local postgresql.passwordWoVersion
            integer postgresql.maxOpenConnections:2 postgresql.maxIdleConnections
            seconds postgresql.maxConnectionLifetime
            boolean postgresql.disableEscaping:false
            text postgresql.passwordAuthentication:password postgresql.tlsCa postgresql.tlsCertificate"""),
    ),
    "database/secretBackendRole:SecretBackendRole": Entry(
        place="{backend}/roles/{name}",
        table=fields("""
            path! backend* name@
            text! dbName*
            seconds defaultTtl maxTtl
            list creationStatements* revocationStatements rollbackStatements renewStatements
            text credentialType~
            map credentialConfig~"""),
    ),
    "database/secretBackendStaticRole:SecretBackendStaticRole": Entry(
        place="{backend}/static-roles/{name}",
        shown={"rotationSchedule": "", "rotationWindow": 0},
        table=fields("""
            path! backend* name@
            text! dbName* username*
            seconds rotationPeriod rotationWindow
            text rotationSchedule credentialType~
            list rotationStatements
            map credentialConfig~
            once passwordWo=password
            local passwordWoVersion"""),
    ),
    "transit/secretBackendKey:SecretBackendKey": TransitKey(
        place="{backend}/keys/{name}",
        shown={"keySize": 0},
        outputs={
            "keys": "keys",
            "latestVersion": "latest_version",
            "minAvailableVersion": "min_available_version",
            "supportsDecryption": "supports_decryption",
            "supportsDerivation": "supports_derivation",
            "supportsEncryption": "supports_encryption",
            "supportsSigning": "supports_signing",
        },
        table=fields("""
            path! backend* name@
            text! type:aes256-gcm96 context
            boolean! derived:false convergentEncryption:false
            boolean deletionAllowed:false exportable:false allowPlaintextBackup:false
            integer minDecryptionVersion:1 minEncryptionVersion:0 keySize
            seconds autoRotatePeriod~"""),
    ),
    "pkiSecret/secretBackendRootCert:SecretBackendRootCert": Issued(
        place="{backend}/issuers/generate/root/{type}",
        identity="{backend}/issuer/{issuerId}",
        exists="{backend}/issuer/{issuerId}",
        removal="{backend}/issuer/{issuerId}",
        version=1,
        outputs={
            "certificate": "certificate",
            "issuingCa": "issuing_ca",
            "serialNumber": "serial_number",
            "issuerId": "issuer_id",
            "keyId": "key_id",
        },
        table=fields(
            _SUBJECT,
            _CONSTRAINTS,
            """
            path! type*
            text! keyType:rsa issuerName~ keyName~ keyRef~ privateKeyFormat:der
            integer! keyBits:2048
            integer signatureBits~""",
        ),
    ),
    "pkiSecret/secretBackendIntermediateCertRequest:SecretBackendIntermediateCertRequest": Issued(
        place="{backend}/issuers/generate/intermediate/{type}",
        exists="sys/mounts/{backend}",
        random=True,
        outputs={"csr": "csr", "keyId": "key_id", "privateKey": "private_key", "privateKeyType": "private_key_type"},
        table=fields(
            _SUBJECT,
            """
            path! type*
            text! keyType:rsa keyName~ keyRef~ serialNumber privateKeyFormat:der
            integer! keyBits:2048 signatureBits
            boolean! addBasicConstraints:false
            list! keyUsages=key_usage""",
        ),
    ),
    "pkiSecret/secretBackendRootSignIntermediate:SecretBackendRootSignIntermediate": Issued(
        place="{backend}/root/sign-intermediate",
        identity="{backend}/{commonName}",
        version=2,
        exists="sys/mounts/{backend}",
        outputs={
            "certificate": "certificate",
            "issuingCa": "issuing_ca",
            "caChains": "ca_chain",
            "certificateBundle": "certificate_bundle",
            "serialNumber": "serial_number",
        },
        table=fields(
            _SUBJECT,
            _CONSTRAINTS,
            "text! csr* skid\nlocal issuerRef revoke:false\ninteger! signatureBits\nboolean! useCsrValues:false",
        ),
    ),
    "pkiSecret/secretBackendIntermediateSetSigned:SecretBackendIntermediateSetSigned": Issued(
        place="{backend}/intermediate/set-signed",
        exists="sys/mounts/{backend}",
        random=True,
        shown={"importedIssuers": [], "importedKeys": []},
        outputs={"importedIssuers": "imported_issuers", "importedKeys": "imported_keys"},
        table=fields("path! backend*\ntext! certificate*"),
    ),
    "pkiSecret/secretBackendRole:SecretBackendRole": Entry(
        place="{backend}/roles/{name}",
        shown={"policyIdentifier": []},
        table=fields("""
            path! backend* name@
            text issuerRef~ notAfter
            duration ttl~ maxTtl~ notBeforeDuration~
            list allowedDomains allowedOtherSans allowedUriSans allowedSerialNumbers allowedUserIds cnValidations~
            boolean allowLocalhost:true allowBareDomains:false allowSubdomains:false allowGlobDomains:false
            boolean allowAnyName:false enforceHostnames:true allowIpSans:true allowWildcardCertificates:true
            boolean allowedDomainsTemplate:false allowedUriSansTemplate~ basicConstraintsValidForNonCa:false
            boolean serverFlag:true clientFlag:true codeSigningFlag:false emailProtectionFlag:false
            boolean useCsrCommonName:true useCsrSans:true requireCn:true generateLease:false noStore:false usePss
            text keyType:rsa
            integer keyBits:2048 signatureBits~
            list keyUsages~=key_usage extKeyUsages=ext_key_usage extKeyUsageOids policyIdentifiers
            list organizationUnit=ou organizations=organization countries=country localities=locality
            list provinces=province streetAddresses=street_address postalCodes=postal_code"""),
    ),
    "pkiSecret/secretBackendConfigUrls:SecretBackendConfigUrls": Entry(
        place="{backend}/config/urls",
        deletable=False,
        table=fields(
            "path! backend*\nlist issuingCertificates crlDistributionPoints ocspServers\nboolean enableTemplating"
        ),
    ),
    "pkiSecret/secretBackendCrlConfig:SecretBackendCrlConfig": Entry(
        place="{backend}/config/crl",
        shown={"crossClusterRevocation": False, "unifiedCrl": False, "unifiedCrlOnExistingPaths": False},
        deletable=False,
        table=fields("""
            path! backend*
            duration expiry~ ocspExpiry~ autoRebuildGracePeriod~ deltaRebuildInterval~
            boolean disable:false ocspDisable:false autoRebuild:false enableDelta:false
            integer maxCrlEntries~"""),
    ),
    "pkiSecret/backendConfigAutoTidy:BackendConfigAutoTidy": Entry(
        place="{backend}/config/auto-tidy",
        deletable=False,
        table=fields("""
            path! backend*
            boolean enabled* tidyCertStore:false tidyRevokedCerts:false tidyRevokedCertIssuerAssociations:false
            boolean tidyExpiredIssuers:false tidyMoveLegacyCaBundle:false tidyAcme:false
            boolean maintainStoredCertificateCounts:false publishStoredCertificateCountMetrics:false
            duration intervalDuration~ safetyBuffer~ issuerSafetyBuffer~ pauseDuration~ acmeAccountSafetyBuffer~"""),
    ),
}
