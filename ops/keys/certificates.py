"""Certificates of the servers on this machine: a CA of their own, the servers' certificate, the administrator's.

Owns their making and renewal. Refuses to be more than local: the CA may sign for these servers' addresses only (name
constraints), and its key never leaves the directory. Every file is 0600; a renewal replaces files atomically.
"""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from composition.private_files import write_private
from ops.errors import EstateError

CA_DAYS = 3650
CA_RENEW_DAYS = 425
"""The CA is renewed before a server certificate made now could outlive it."""
SERVER_DAYS = 397
"""The longest that browsers and Apple's platforms accept (CA/Browser Forum ballot SC31)."""
SERVER_RENEW_DAYS = 60
ADMINISTRATOR_DAYS = 3650
"""Long, because an expired one locks the administrator out of a server whose root token is dead."""


@dataclass(frozen=True, kw_only=True)
class Domain:
    """Whom an authority signs for."""

    title: str
    """Common name of the authority."""
    permitted: tuple[x509.GeneralName, ...]
    """The only names, of these kinds, it may sign for."""
    server_name: str
    """Common name of the one server certificate."""
    server_names: tuple[x509.GeneralName, ...]


LOOPBACK = Domain(
    title="vault-estate local CA",
    permitted=(
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_network("127.0.0.1/32")),
        x509.IPAddress(ipaddress.ip_network("::1/128")),
    ),
    server_name="localhost",
    server_names=(
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("::1")),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Authority:
    """Where the certificates are, and whether any was made by this call."""

    ca_file: Path
    certificate_file: Path
    key_file: Path
    renewed: bool


def ensure_authority(directory: Path, domain: Domain = LOOPBACK, *, now: datetime.datetime | None = None) -> Authority:
    """Make or renew the CA and the server's certificate in `directory` (which exists); keep what is still good.
    Raises EstateError if a file there can't be read as what it should be."""
    now = now or datetime.datetime.now(datetime.UTC)
    ca_file, ca_key_file = directory / "ca.crt", directory / "ca.key"
    certificate_file, key_file = directory / "server.crt", directory / "server.key"
    ca_good = ca_key_file.exists() and _good(ca_file, now, CA_RENEW_DAYS)
    if not ca_good:
        ca_key = ec.generate_private_key(ec.SECP256R1())
        limits = x509.NameConstraints(permitted_subtrees=domain.permitted, excluded_subtrees=None)
        ca = _certificate(domain.title, ca_key, days=CA_DAYS, now=now, authority=True, extensions=[(limits, True)])
        write_private(ca_key_file, _key_pem(ca_key))
        write_private(ca_file, ca.public_bytes(serialization.Encoding.PEM))
    if ca_good and key_file.exists() and _good(certificate_file, now, SERVER_RENEW_DAYS):
        return Authority(ca_file=ca_file, certificate_file=certificate_file, key_file=key_file, renewed=False)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(
        domain.server_name,
        key,
        issuer=(_load(ca_file), _load_key(ca_key_file)),
        days=SERVER_DAYS,
        now=now,
        extensions=[
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
            (x509.SubjectAlternativeName(domain.server_names), False),
        ],
    )
    write_private(key_file, _key_pem(key))
    write_private(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(ca_file=ca_file, certificate_file=certificate_file, key_file=key_file, renewed=True)


def ensure_administrator(certificate_file: Path, key_file: Path, *, now: datetime.datetime | None = None) -> None:
    """Make the administrator's self-signed client certificate, unless it is there.
    Raises EstateError if only one of the two files is there, since making a new pair would hide that one was lost."""
    if certificate_file.exists() != key_file.exists():
        missing, present = (key_file, certificate_file) if certificate_file.exists() else (certificate_file, key_file)
        raise EstateError(
            f"{missing} is missing, while {present.name} is there; expected both, or neither to make a new pair"
        )
    if certificate_file.exists():
        return
    certificate, key = new_administrator(now or datetime.datetime.now(datetime.UTC))
    write_private(key_file, key)
    write_private(certificate_file, certificate)


def new_administrator(now: datetime.datetime) -> tuple[bytes, bytes]:
    """A self-signed client certificate and its private key, both as PEM. The second is a secret: never print it."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(
        "vault-estate administrator",
        key,
        days=ADMINISTRATOR_DAYS,
        now=now,
        extensions=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)],
    )
    return certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key)


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    *,
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None,
    days: int,
    now: datetime.datetime,
    authority: bool = False,
    extensions: Sequence[tuple[x509.ExtensionType, bool]],
) -> x509.Certificate:
    """One that is signed by its issuer, or by itself. Extensions are given with whether they are critical."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer_name, signing_key = (issuer[0].subject, issuer[1]) if issuer else (subject, key)
    usage = x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))  # clocks of two machines may differ a little
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
        .add_extension(usage, critical=True)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signing_key, hashes.SHA256())


def _good(certificate_file: Path, now: datetime.datetime, renew_days: int) -> bool:
    if not certificate_file.exists():
        return False
    return _load(certificate_file).not_valid_after_utc - now > datetime.timedelta(days=renew_days)


def _load(certificate_file: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(certificate_file.read_bytes())
    except ValueError as error:
        raise EstateError(f"{certificate_file} is no certificate; expected one, or no file to make it anew") from error


def _load_key(key_file: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    except ValueError as error:
        raise EstateError(f"{key_file} is no private key; expected one, or no file to make it anew") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise EstateError(f"{key_file} is no elliptic-curve key; expected one, or no file to make it anew")
    return key


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
