"""Certificates of a chosen lifetime, signed by an authority that is there already."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A certificate for loopback, and its private key."""

    certificate: bytes
    """PEM."""
    key: bytes
    """PEM."""
    serial: int
    end: datetime.datetime


def issue(authority: Path, *, begin: datetime.datetime, lifetime: datetime.timedelta) -> Pair:
    """A certificate by the authority whose `ca.crt` and `ca.key` are in a folder."""
    issuer = x509.load_pem_x509_certificate((authority / "ca.crt").read_bytes())
    issuer_key = serialization.load_pem_private_key((authority / "ca.key").read_bytes(), password=None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    begin = begin.replace(microsecond=0)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + lifetime)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    return Pair(
        certificate=made.public_bytes(serialization.Encoding.PEM),
        key=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        serial=made.serial_number,
        end=begin + lifetime,
    )
