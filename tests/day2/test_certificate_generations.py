"""Authorities that are renewed under an application that asks for a certificate ten times a second.

Proves that none of its requests fails, that every certificate verifies with what was published when it was issued, that
an old one's revocation is found where it says, and that what only a new generation changes is refused without one.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import hvac
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp, verification
from cryptography.x509.oid import AuthorityInformationAccessOID

from tests.support.checkouts import Checkout

NAME = "aos.mtls.internal"
BEAT_SECONDS = 0.1


def up(checkout: Checkout) -> dict[str, Any]:
    """One successful `up`, as its JSON document."""
    answer = checkout.run("up", "--json")
    assert answer.returncode == 0, answer.stderr
    document: dict[str, Any] = json.loads(answer.stdout)
    assert document["passed"] is True
    return document


def change(checkout: Checkout, **settings: Any) -> None:
    """Write other settings of the section pki."""
    content = checkout.settings()
    checkout.write({**content, "pki": {**content["pki"], **settings}})


@pytest.fixture(scope="module")
def built(local_checkout: Checkout) -> Checkout:
    """A protected stack of one application that gets certificates."""
    settings = local_checkout.settings()
    del settings["database"], settings["people"]
    aos = {"login": {"kind": "approle"}, "pki_roles": ["internal-mtls"]}
    local_checkout.write({**settings, "protect": True, "applications": {"aos": aos}})
    up(local_checkout)
    return local_checkout


def roots(document: dict[str, Any]) -> list[x509.Certificate]:
    """The roots that an `up` exports, the newest first."""
    return x509.load_pem_x509_certificates(document["exports"]["root_certificate"].encode())


def verify(issued: dict[str, Any], trusted: list[x509.Certificate]) -> None:
    """The chain of an issued certificate, up to one of these roots."""
    leaf = x509.load_pem_x509_certificate(issued["certificate"].encode())
    chain = [x509.load_pem_x509_certificate(pem.encode()) for pem in issued["ca_chain"]]
    builder = verification.PolicyBuilder().store(verification.Store(trusted))
    builder.build_server_verifier(x509.DNSName(NAME)).verify(leaf, chain)


def log_in(checkout: Checkout) -> hvac.Client:
    """A client of the application's."""
    issued = json.loads(checkout.run("secret-id", "aos", "--json").stdout)
    servers = checkout.local.servers
    client = hvac.Client(url=servers.address, verify=str(servers.ca_file), token=issued["wrapping_token"])
    secret_id = cast("dict[str, Any]", client.write_data("sys/wrapping/unwrap", data={}))["data"]["secret_id"]
    client.auth.approle.login(role_id=issued["role_id"], secret_id=secret_id)
    return client


@contextmanager
def asking(checkout: Checkout) -> Iterator[list[dict[str, Any]]]:
    """Ask for a certificate each 100 ms while the block runs; each answer. Fails with the first request that does."""
    client, answers, failures, over = log_in(checkout), list[dict[str, Any]](), list[BaseException](), threading.Event()

    def ask() -> None:
        while not over.wait(BEAT_SECONDS):
            try:
                body = {"common_name": NAME, "ttl": "1h"}
                answer = cast("dict[str, Any]", client.write_data("pki_int/issue/internal-mtls", data=body))
                answers.append(answer["data"])
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a failed request
                failures.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        over.set()
        thread.join()
    assert failures == []


def test_what_only_a_new_generation_changes_is_refused(built: Checkout) -> None:
    before = built.stack_file.read_bytes()
    change(built, common_name="Renamed Authority")

    answer = built.run("preview")

    built.stack_file.write_bytes(before)
    assert answer.returncode == 2
    assert answer.stderr.splitlines()[-1] == (
        "estate: Pulumi.local.yaml: vault-estate:estate.pki.common_name is 'Renamed Authority'; expected 'Vault Estate "
        "Local', as the root that is built has it, or root_generation: 2, which makes a new one beside it"
    )


def test_authorities_are_renewed_without_a_failed_request(built: Checkout) -> None:
    assert built.run("snapshot").returncode == 0
    (first,) = roots(up(built))
    with asking(built) as answers:
        change(built, root_generation=2)
        published = up(built)
        only_root = len(answers)
        change(built, intermediate_generation=2)
        renewed = up(built)
        switched = len(answers)
        assert up(built)["changed"] == 0
    second, kept = roots(renewed)

    assert kept == first
    assert roots(published) == [second, first]
    assert 0 < only_root < switched < len(answers)
    for issued in answers:
        verify(issued, [second, first])
    for issued in answers[:only_root]:
        verify(issued, [first])
    for issued in answers[switched + 1 :]:
        verify(issued, [second])
    assert built.run("drift").returncode == 0

    check_revocation(built, answers[0], answers[-1])


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a certificate's own URLs tell, as anybody may ask."""

    crl: x509.CertificateRevocationList
    issuer: x509.Certificate
    status: ocsp.OCSPCertStatus


def told_by(checkout: Checkout, leaf: x509.Certificate) -> Told:
    """The list of revocations, the issuer, and what OCSP says."""
    (point,) = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    access = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    urls = {one.access_method: one.access_location.value for one in access}
    ca_file = str(checkout.local.servers.ca_file)

    def fetched(url: str, body: bytes | None = None) -> bytes:
        method, headers = ("POST", {"Content-Type": "application/ocsp-request"}) if body else ("GET", {})
        answer = requests.request(method, url, data=body, headers=headers, verify=ca_file, timeout=30)
        assert answer.status_code == 200, url
        return answer.content

    issuer = x509.load_der_x509_certificate(fetched(urls[AuthorityInformationAccessOID.CA_ISSUERS]))
    question = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, hashes.SHA256()).build()
    said = fetched(urls[AuthorityInformationAccessOID.OCSP], question.public_bytes(Encoding.DER))
    return Told(
        crl=x509.load_der_x509_crl(fetched((point.full_name or [])[0].value)),
        issuer=issuer,
        status=ocsp.load_der_ocsp_response(said).certificate_status,
    )


def check_revocation(checkout: Checkout, old: dict[str, Any], new: dict[str, Any]) -> None:
    """A leaf that an earlier authority issued is revoked: its own URLs tell, and those of another's leaf don't."""
    leaf, other = (x509.load_pem_x509_certificate(one["certificate"].encode()) for one in (old, new))
    with checkout.administering() as client:
        # A list is made by the clock; so it is made now.
        client.write_data("pki_int/config/crl", data={"auto_rebuild": False})
        client.write_data("pki_int/revoke", data={"serial_number": old["serial_number"]})
        client.write_data("pki_int/config/crl", data={"auto_rebuild": True})

    told, others = told_by(checkout, leaf), told_by(checkout, other)

    assert told.issuer != others.issuer
    leaf.verify_directly_issued_by(told.issuer)
    other.verify_directly_issued_by(others.issuer)
    assert (told.status, others.status) == (ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.GOOD)
    assert [told.crl.issuer, others.crl.issuer] == [told.issuer.subject, others.issuer.subject]
    assert told.crl.is_signature_valid(cast("ec.EllipticCurvePublicKey", told.issuer.public_key()))
    assert told.crl.get_revoked_certificate_by_serial_number(leaf.serial_number) is not None
    assert others.crl.get_revoked_certificate_by_serial_number(leaf.serial_number) is None


def test_a_name_is_changed_by_both_generations_together(built: Checkout) -> None:
    with asking(built) as answers:
        change(built, common_name="Renamed Authority", root_generation=3, intermediate_generation=3)
        document = up(built)
        renamed = len(answers)
        threading.Event().wait(3 * BEAT_SECONDS)

    names = [one.subject.rfc4514_string().split(",")[0] for one in roots(document)]
    assert names == ["CN=Renamed Authority Root CA", *["CN=Vault Estate Local Root CA"] * 2]
    for issued in answers:
        verify(issued, roots(document))
    assert answers[renamed + 1 :]
    for issued in answers[renamed + 1 :]:
        verify(issued, roots(document)[:1])


def test_generations_made_after_a_snapshot_are_made_again_after_its_restore(built: Checkout) -> None:
    restored = built.run("restore")
    assert restored.returncode == 0, restored.stderr

    document = up(built)

    assert up(built)["changed"] == 0
    assert len(roots(document)) == 3
    with asking(built) as answers:
        threading.Event().wait(5 * BEAT_SECONDS)
    assert answers
    for issued in answers:
        verify(issued, roots(document)[:1])
