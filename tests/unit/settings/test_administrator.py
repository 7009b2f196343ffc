"""Each half of the administrator's pair: a file, or in the stack's file itself; never both, never neither."""

from typing import Any

import pytest

from components.render.bootstrap import Administrator
from components.render.login import CertificateLogin
from settings import parse
from tests.unit.settings.samples import MINIMAL, refusal

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\nAAAA\n-----END CERTIFICATE-----\n"
WHERE = "vault-estate:estate.bootstrap.administrator"


def whole(**administrator: Any) -> dict[str, Any]:
    """The smallest settings with this administrator."""
    return {**MINIMAL, "bootstrap": {**MINIMAL["bootstrap"], "administrator": administrator}}


def read(**administrator: Any) -> Administrator:
    """Such an administrator, read."""
    return parse(whole(**administrator)).bootstrap.administrator


def test_administrator_files_are_used_where_they_are() -> None:
    files = read(certificate="a.crt", private_key="keys/a.key").login("dev")

    assert files == CertificateLogin(certificate_file="a.crt", private_key_file="keys/a.key")


def test_an_administrator_in_the_stack_file_is_put_into_the_stacks_folder() -> None:
    found = read(certificate_pem=PEM, private_key_secret="administrator-key")

    assert found.login("dev-eu") == CertificateLogin(
        certificate_file=".estate/dev-eu/administrator.crt", private_key_file=".estate/dev-eu/administrator.key"
    )
    assert read(certificate_pem=PEM, private_key="a.key").login("dev").private_key_file == "a.key"


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({}, ".certificate is missing; expected exactly one of certificate, certificate_pem"),
        ({"certificate": "a.crt"}, ".private_key is missing; expected exactly one of private_key, private_key_secret"),
        (
            {"certificate": "a.crt", "certificate_pem": PEM, "private_key": "a.key"},
            ".certificate_pem is given beside certificate; expected exactly one of certificate, certificate_pem",
        ),
        (
            {"certificate": "a.crt", "private_key_secret": "k", "private_key": "a.key"},
            ".private_key_secret is given beside private_key; expected exactly one of private_key, private_key_secret",
        ),
        (
            {"certificate_pem": PEM + PEM, "private_key": "a.key"},
            (
                ".certificate_pem is not shown, as it may be a secret; "
                "expected one PEM certificate, from -----BEGIN CERTIFICATE----- to its end"
            ),
        ),
    ],
)
def test_illegal_pairs_get_one_line(given: dict[str, str], line: str) -> None:
    assert refusal(whole(**given)) == [f"{WHERE}{line}"]


def test_a_private_key_in_the_certificates_place_is_refused_and_not_shown() -> None:
    key = PEM.replace("CERTIFICATE", " ".join(("PRIVATE", "KEY")))

    (line,) = refusal(whole(certificate_pem=key, private_key="a.key"))

    assert "MIIB" not in line
    assert line.startswith(f"{WHERE}.certificate_pem is not shown, as it may be a secret; ")
