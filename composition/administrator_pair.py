"""The administrator's certificate and private key in memory. Owns the check that they belong together.

Refuses to write either anywhere, and to show the key: it is left out of the pair's representation.
"""

import datetime
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A client certificate and its key, both as PEM."""

    certificate: str
    private_key: str = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate in hexadecimal, by which two pairs are told apart."""
        return _certificate(self.certificate).fingerprint(hashes.SHA256()).hex()

    @property
    def ends(self) -> datetime.datetime:
        """When the certificate is no longer accepted."""
        return _certificate(self.certificate).not_valid_after_utc


def checked(certificate: str, private_key: str) -> Pair:
    """A pair of two halves. Raises ValueError where one is no PEM of its kind, or they don't belong together."""
    try:
        key = serialization.load_pem_private_key(private_key.encode(), password=None)
    except (ValueError, TypeError):
        # The words of the library may quote what it was given.
        msg = "the administrator's private key is no unencrypted PEM key; expected one as `./estate keys` makes it"
        raise ValueError(msg) from None
    if _public(key.public_key()) != _public(_certificate(certificate).public_key()):
        msg = "the administrator's private key doesn't belong to the certificate; expected the two halves of one pair"
        raise ValueError(msg)
    return Pair(certificate=_lines(certificate), private_key=_lines(private_key))


def _lines(pem: str) -> str:
    """The same text however it was kept: the engine takes the last line break off."""
    return pem.strip() + "\n"


def _certificate(certificate: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(certificate.encode())
    except ValueError:
        msg = "the administrator's certificate is not a PEM certificate; expected one as `./estate keys` makes it"
        raise ValueError(msg) from None


def _public(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
