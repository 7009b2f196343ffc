"""Certificates of a chosen lifetime, signed by an authority that is there already."""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A certificate for loopback, and its private key."""

    certificate: bytes
    """PEM."""
    key: bytes
    """PEM."""
    serial: int
    end: datetime.datetime


def make_authority(folder: Path) -> None:
    """An authority for a day that may sign for any name: `ca.crt` and `ca.key` in a folder."""
    key, begin = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests' authority")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "ca.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def issue_for(names: Sequence[str], authority: Path) -> Pair:
    """A certificate for a day and for names as well as loopback."""
    return issue(authority, begin=datetime.datetime.now(datetime.UTC), lifetime=datetime.timedelta(days=1), names=names)


def issue(
    authority: Path, *, begin: datetime.datetime, lifetime: datetime.timedelta, names: Sequence[str] = ()
) -> Pair:
    """A certificate by the authority whose `ca.crt` and `ca.key` are in a folder."""
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certified = x509.SubjectAlternativeName([loopback, *map(x509.DNSName, names)])
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
        .add_extension(certified, critical=True)
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
