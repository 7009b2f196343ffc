"""Certificates of the local platform: what they say, when they are renewed, what is refused."""

import datetime
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

from ops.errors import EstateError
from ops.keys.certificates import ensure_administrator, ensure_authority

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def days(count: int) -> datetime.datetime:
    return NOW + datetime.timedelta(days=count)


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_the_servers_certificate_verifies_for_loopback_and_nothing_else(tmp_path: Path) -> None:
    made = ensure_authority(tmp_path, now=NOW)
    builder = verification.PolicyBuilder().store(verification.Store([load(made.ca_file)])).time(days(1))
    leaf = load(made.certificate_file)
    assert builder.build_server_verifier(x509.DNSName("localhost")).verify(leaf, [])
    with pytest.raises(verification.VerificationError):
        builder.build_server_verifier(x509.DNSName("example.org")).verify(leaf, [])


def test_the_authority_may_sign_for_loopback_only(tmp_path: Path) -> None:
    ca = load(ensure_authority(tmp_path, now=NOW).ca_file)
    constraints = ca.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    permitted = constraints.value.permitted_subtrees
    assert [str(name.value) for name in permitted or ()] == ["localhost", "127.0.0.1/32", "::1/128"]
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(True, 0)


def test_a_valid_authority_is_kept(tmp_path: Path) -> None:
    first = ensure_authority(tmp_path, now=NOW)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    again = ensure_authority(tmp_path, now=days(336))
    assert (first.renewed, again.renewed) == (True, False)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert len(before) == 4


@pytest.mark.parametrize(
    ("age", "renews_server", "renews_ca"), [(336, False, False), (338, True, False), (3226, True, True)]
)
def test_certificates_are_renewed_in_time(tmp_path: Path, age: int, renews_server: bool, renews_ca: bool) -> None:
    first = ensure_authority(tmp_path, now=NOW)
    ca, server = load(first.ca_file), load(first.certificate_file)
    again = ensure_authority(tmp_path, now=days(age))
    assert again.renewed is renews_server
    assert (load(first.certificate_file) != server) is renews_server
    assert (load(first.ca_file) != ca) is renews_ca
    load(first.certificate_file).verify_directly_issued_by(load(first.ca_file))


def test_a_renewed_certificate_never_outlives_its_authority(tmp_path: Path) -> None:
    ensure_authority(tmp_path, now=NOW)
    last = ensure_authority(tmp_path, now=days(3224))
    assert load(last.certificate_file).not_valid_after_utc <= load(last.ca_file).not_valid_after_utc


def test_a_lost_key_is_made_anew(tmp_path: Path) -> None:
    made = ensure_authority(tmp_path, now=NOW)
    made.key_file.unlink()
    assert ensure_authority(tmp_path, now=NOW).renewed
    (tmp_path / "ca.key").unlink()
    assert ensure_authority(tmp_path, now=NOW).renewed
    load(made.certificate_file).verify_directly_issued_by(load(made.ca_file))


@pytest.mark.parametrize("name", ["ca.crt", "server.crt"])
def test_a_file_that_isnt_a_certificate_is_named(tmp_path: Path, name: str) -> None:
    ensure_authority(tmp_path, now=NOW)
    (tmp_path / name).write_text("something else")
    with pytest.raises(EstateError, match=rf"{name} is no certificate; expected one"):
        ensure_authority(tmp_path, now=NOW)


@pytest.mark.parametrize("content", ["something else", "rsa"])
def test_a_file_that_isnt_the_authoritys_key_is_named(tmp_path: Path, content: str) -> None:
    made = ensure_authority(tmp_path, now=NOW)
    made.certificate_file.unlink()
    (tmp_path / "ca.key").write_text(_rsa_key() if content == "rsa" else content)
    with pytest.raises(EstateError, match=r"ca\.key is no .*; expected one"):
        ensure_authority(tmp_path, now=NOW)


def _rsa_key() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode()


def test_every_file_is_private(tmp_path: Path) -> None:
    ensure_authority(tmp_path, now=NOW)
    ensure_administrator(tmp_path / "a.crt", tmp_path / "a.key", now=NOW)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert len(list(tmp_path.iterdir())) == 6


def test_the_administrators_certificate_is_for_clients_and_is_kept(tmp_path: Path) -> None:
    certificate_file, key_file = tmp_path / "a.crt", tmp_path / "a.key"
    ensure_administrator(certificate_file, key_file, now=NOW)
    certificate = load(certificate_file)
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.not_valid_after_utc == days(3650)
    assert load_pem_private_key(key_file.read_bytes(), None).public_key() == certificate.public_key()
    ensure_administrator(certificate_file, key_file, now=days(1))
    assert load(certificate_file) == certificate


@pytest.mark.parametrize("lost", ["a.crt", "a.key"])
def test_half_an_administrator_is_refused(tmp_path: Path, lost: str) -> None:
    ensure_administrator(tmp_path / "a.crt", tmp_path / "a.key", now=NOW)
    (tmp_path / lost).unlink()
    with pytest.raises(EstateError, match=rf"{lost} is missing, while"):
        ensure_administrator(tmp_path / "a.crt", tmp_path / "a.key", now=NOW)
