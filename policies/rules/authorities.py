"""Rules about certificate authorities and what they issue. Owns how long and how strong."""

from collections.abc import Iterator

from .constraints import https, inputs, named, off, on_unless_left, one_of, within
from .rule import Resource, Rule

_ROLE = "vault:pkiSecret/secretBackendRole:SecretBackendRole"
_ROOT = "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert"
_REQUEST = "vault:pkiSecret/secretBackendIntermediateCertRequest:SecretBackendIntermediateCertRequest"
_SIGNATURE = "vault:pkiSecret/secretBackendRootSignIntermediate:SecretBackendRootSignIntermediate"
_LEAF_SECONDS = 398 * 86_400
_ROOT_SECONDS = 9_132 * 86_400
_INTERMEDIATE_SECONDS = 10 * 366 * 86_400
_FEWEST_BITS = {"rsa": 2_048, "ec": 256}
_BASELINE = "CA/Browser Forum, Baseline Requirements 2.0"


def _weak(resource: Resource) -> Iterator[str]:
    if resource.known("keyType") and resource.known("keyBits"):
        kind, bits = str(resource.get("keyType") or "rsa"), resource.get("keyBits") or 0
        if kind == "any" or 0 < bits < _FEWEST_BITS.get(kind, 0):
            yield f"its keys may be weaker than {_FEWEST_BITS.get(kind, 2_048)} bits"


RULES = (
    Rule(
        name="certificate-names-are-the-roles",
        sentence="A PKI role issues certificates for hosts in domains that are named, and for no others.",
        remediation="List allowed_domains, leave allow_any_name, allow_glob_domains and allow_localhost off.",
        source=f"{_BASELINE}, section 3.2.2.4",
        types=(_ROLE,),
        check=inputs(
            allowAnyName=off,
            allowGlobDomains=off,
            allowLocalhost=off,
            allowedDomains=named,
            enforceHostnames=on_unless_left,
        ),
    ),
    Rule(
        name="certificates-have-no-wildcard",
        sentence="A certificate is for a host, not for all of a domain.",
        remediation="Turn allow_wildcard_certificates off; it is on where it isn't given.",
        source="NSA, Avoid dangers of wildcard TLS certificates (2021)",
        types=(_ROLE,),
        check=inputs(allowWildcardCertificates=lambda value: None if value is False else "is on"),
    ),
    Rule(
        name="certificates-are-short",
        sentence="A certificate lives at most 398 days.",
        remediation="Set max_ttl to at most 398 days.",
        source=f"{_BASELINE}, section 6.3.2",
        types=(_ROLE,),
        check=inputs(maxTtl=within(_LEAF_SECONDS)),
    ),
    Rule(
        name="certificates-sign-no-code",
        sentence="A PKI role of hosts signs neither code nor mail.",
        remediation="Leave code_signing_flag and email_protection_flag off.",
        source="RFC 5280, section 4.2.1.12: extended key usage",
        types=(_ROLE,),
        check=inputs(codeSigningFlag=off, emailProtectionFlag=off),
    ),
    Rule(
        name="certificate-keys-are-strong",
        sentence="Keys in certificates have at least 2048 bits of RSA, or 256 of an elliptic curve.",
        remediation="Raise key_bits, and name the key_type.",
        source="NIST SP 800-131A revision 2, section 3",
        types=(_ROLE, _ROOT, _REQUEST),
        check=_weak,
    ),
    Rule(
        name="authority-keys-stay-inside",
        sentence="The key of an authority never leaves Vault.",
        remediation="Make it with type 'internal'.",
        source="Vault, PKI secrets engine, Considerations: keep root and intermediate keys internal",
        types=(_ROOT, _REQUEST),
        check=inputs(type=one_of("internal")),
    ),
    Rule(
        name="authorities-end",
        sentence="A root lives at most 25 years (9,132 days), and an intermediate at most 10.",
        remediation="Set ttl.",
        source=f"{_BASELINE}, section 7.1.2.1.1 for roots; an intermediate is to end before its root",
        types=(_ROOT, _SIGNATURE),
        check=lambda resource: inputs(ttl=within(_ROOT_SECONDS if resource.type == _ROOT else _INTERMEDIATE_SECONDS))(
            resource
        ),
    ),
    Rule(
        name="intermediate-makes-no-authority",
        sentence="An intermediate signs certificates of hosts, and no further authority.",
        remediation="Set max_path_length to 0.",
        source="RFC 5280, section 4.2.1.9: path length",
        types=(_SIGNATURE,),
        check=inputs(maxPathLength=lambda value: None if value == 0 else "isn't 0"),
    ),
    Rule(
        name="revocation-is-told-by-https",
        sentence="Issuers and revocation lists are published where the listener is: over https.",
        remediation="Give https addresses.",
        source="Vault, PKI secrets engine: config/urls; the listener here has no other",
        types=("vault:pkiSecret/secretBackendConfigUrls:SecretBackendConfigUrls",),
        check=inputs(issuingCertificates=https, crlDistributionPoints=https, ocspServers=https),
    ),
    Rule(
        name="revocation-lists-are-fresh",
        sentence="A revocation list is made anew by itself, before it ends.",
        remediation="Set auto_rebuild, and leave disable off.",
        source="Vault, PKI secrets engine, Considerations: automate CRL building",
        types=("vault:pkiSecret/secretBackendCrlConfig:SecretBackendCrlConfig",),
        check=inputs(
            autoRebuild=lambda value: None if value is True else "is off",
            disable=off,
        ),
    ),
)
