"""Certificates: each role issues one, which has to verify up to the published root for what the role is for."""

from collections.abc import Mapping
from typing import Any

import hvac
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

from ops.vault.api import call
from ops.vault.checks.outcome import CheckError
from settings.grants import PkiGrant

CERTIFICATE_TTL_SECONDS = 300
"""Certificates of a check aren't used; they end soon instead of filling the revocation list."""


def check(client: hvac.Client, grant: PkiGrant) -> None:
    """Get a key and a certificate by the role, and verify them. Raises CheckError: as `verify_certificate`."""
    body = {"common_name": grant.common_name, "ttl": f"{CERTIFICATE_TTL_SECONDS}s"}
    issued = call(client, "post", f"{grant.mount}/issue/{grant.name}", body)["data"]
    verify_certificate(issued, _published(client, grant.root_mount), grant)


def _published(client: hvac.Client, mount: str) -> list[x509.Certificate]:
    """The root of each generation. Anybody may read them."""
    identities = call(client, "list", f"{mount}/issuers")["data"]["keys"]
    answers = [client.adapter.get(f"/v1/{mount}/issuer/{identity}/pem") for identity in identities]
    return [x509.load_pem_x509_certificate(answer.content) for answer in answers]


def verify_certificate(issued: Mapping[str, Any], roots: list[x509.Certificate], grant: PkiGrant) -> None:
    """Check an answer of PKI's `issue`: the chain up to a root, the name, the purposes, and whose the key is.
    Raises CheckError: one of them isn't right."""
    leaf = x509.load_pem_x509_certificate(issued["certificate"].encode())
    chain = [x509.load_pem_x509_certificate(pem.encode()) for pem in issued.get("ca_chain") or [issued["issuing_ca"]]]
    between = [certificate for certificate in chain if certificate not in roots]
    builder = verification.PolicyBuilder().store(verification.Store(roots))
    try:
        _check_purposes(leaf, grant)
        if grant.role.server:
            builder.build_server_verifier(x509.DNSName(grant.common_name)).verify(leaf, between)
        if grant.role.client:
            builder.build_client_verifier().verify(leaf, between)
    except (verification.VerificationError, x509.ExtensionNotFound) as error:
        raise CheckError(f"the certificate does not verify: {error}") from error
    key = load_pem_private_key(issued["private_key"].encode(), password=None)
    if _public(key.public_key()) != _public(leaf.public_key()):
        raise CheckError("the private key is not the certificate's")


def _check_purposes(leaf: x509.Certificate, grant: PkiGrant) -> None:
    found = set(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    for word, purpose, wanted in (
        ("server", ExtendedKeyUsageOID.SERVER_AUTH, grant.role.server),
        ("client", ExtendedKeyUsageOID.CLIENT_AUTH, grant.role.client),
    ):
        if (purpose in found) != wanted:
            raise CheckError(f"the certificate is {'not ' if wanted else ''}for a {word}; the role says otherwise")


def _public(key: Any) -> bytes:
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded
