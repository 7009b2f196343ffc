"""What is refused of a built certificate authority without a new generation, and when one can't be signed.

A real one is renewed in `tests/day2/test_certificate_generations.py`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from components.vault.pki import Pki, PkiRole
from ops.commands.generations import refuse_unraised
from ops.errors import EstateError
from ops.stack_file import StackFile
from settings import Settings

DAY = 86_400
_TYPE = "vault:pkiSecret/secretBackend{0}:SecretBackend{0}"
SUBJECT = {"organization": "Org", "keyType": "ec", "keyBits": 384}


def certificate(days: int) -> str:
    """Of a root that ends after so many days."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=days, hours=12))
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def built(root: str = "", intermediate: str = "", days: int = 3650) -> Mapping[str, Any]:
    """A state with one generation of each, by the ends of their names."""
    return {
        "resources": [
            {
                "urn": f"urn::pki-root-certificate{root}",
                "type": _TYPE.format("RootCert"),
                "inputs": {"commonName": "Name Root CA", "ttl": "315360000s", **SUBJECT},
                "outputs": {"certificate": certificate(days)},
            },
            {
                "urn": f"urn::pki-intermediate-request{intermediate}",
                "type": _TYPE.format("IntermediateCertRequest"),
                "inputs": {"commonName": "Name Intermediate CA", **SUBJECT},
            },
            {
                "urn": f"urn::pki-intermediate-signature{intermediate}",
                "type": _TYPE.format("RootSignIntermediate"),
                "inputs": {"commonName": "Name Intermediate CA", "organization": "Org", "ttl": "157680000s"},
            },
        ]
    }


def file_of(pki: Pki | None) -> StackFile:
    """A stack file with this section."""
    settings = cast("Settings", SimpleNamespace(pki=pki))
    return StackFile(stack="dev", path=Path("Pulumi.dev.yaml"), settings=settings)


def look(deployment: Mapping[str, Any], **changes: Any) -> None:
    """Hold settings against a state."""
    fields = {"common_name": "Name", "organization": "Org", "roles": {"a": PkiRole(allowed_domains=("a",))}, **changes}
    refuse_unraised(file_of(Pki(**fields)), deployment)


FINE: list[tuple[Mapping[str, Any], dict[str, Any]]] = [
    ({}, {"root_generation": 7, "common_name": "Other"}),
    (built(), {}),
    (built(), {"root_generation": 2}),
    (built(), {"intermediate_generation": 2, "intermediate_ttl": 30 * DAY}),
    (built(), {"root_generation": 2, "intermediate_generation": 2, "common_name": "Other", "key_bits": 256}),
    (built("-2", "-3"), {"root_generation": 2, "intermediate_generation": 3}),
    (built(days=30), {"root_generation": 2, "intermediate_generation": 2}),
]


@pytest.mark.parametrize(("deployment", "settings"), FINE)
def test_what_a_new_generation_brings_is_taken(deployment: Mapping[str, Any], settings: dict[str, Any]) -> None:
    look(deployment, **settings)


def test_without_a_certificate_authority_there_is_nothing_to_refuse() -> None:
    refuse_unraised(file_of(None), built())


REFUSED: list[tuple[Mapping[str, Any], dict[str, Any], str]] = [
    (
        built(),
        {"common_name": "Other"},
        "common_name is 'Other'; expected 'Name', as the root that is built has it",
    ),
    (built(), {"organization": "Other"}, "organization is 'Other'; expected 'Org', as the root"),
    (built(), {"root_ttl": 3_000 * DAY}, "root_ttl is 3000d; expected 3650d, as the root that is built has it"),
    (built(), {"key_bits": 256}, "key_bits is 256; expected 384, as the root that is built has it"),
    (built(), {"key_type": "ed25519", "key_bits": 0}, "key_type is 'ed25519'; expected 'ec', as the root"),
    (
        built("-2", "-3"),
        {"root_generation": 2, "intermediate_generation": 3, "intermediate_ttl": DAY * 20},
        (
            "intermediate_ttl is 20d; expected 1825d, as the intermediate that is built has it, or "
            "intermediate_generation: 4, which makes a new one beside it"
        ),
    ),
    (built(), {"root_generation": 3}, "root_generation is 3; expected 1, which is built, or 2 to renew it"),
    (
        built("", "-2"),
        {"intermediate_generation": 1},
        "intermediate_generation is 1; expected 2, which is built, or 3 to renew it",
    ),
    (
        built(days=30),
        {"intermediate_generation": 2},
        "intermediate_ttl is 1825d; expected at most 30d",
    ),
]


@pytest.mark.parametrize(("deployment", "settings", "said"), REFUSED, ids=[said for _, _, said in REFUSED])
def test_what_only_a_new_generation_brings_is_refused(
    deployment: Mapping[str, Any], settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(EstateError) as caught:
        look(deployment, **settings)

    assert str(caught.value).startswith(f"Pulumi.dev.yaml: vault-estate:estate.pki.{said}")
    assert "\n" not in str(caught.value)
