"""Transit: exact resources, and what it refuses."""

from typing import Any, get_args

import pytest

from components.vault.transit import Transit, TransitEngine, TransitEngineArgs, TransitKey
from tests.unit.components.graph import graph

MOUNT = "vault:index/mount:Mount"
KEY = "vault:transit/secretBackendKey:SecretBackendKey"

# Kind of key: can it be derived, can it be convergent (OpenBao's and Vault's table of key types).
KINDS = {
    "aes128-gcm96": (True, True),
    "aes256-gcm96": (True, True),
    "chacha20-poly1305": (True, True),
    "ed25519": (True, False),
    "ecdsa-p256": (False, False),
    "ecdsa-p384": (False, False),
    "ecdsa-p521": (False, False),
    "rsa-2048": (False, False),
    "rsa-3072": (False, False),
    "rsa-4096": (False, False),
}


def test_transit_by_default() -> None:
    keys = {"data-encryption-key": TransitKey()}

    assert graph(lambda: TransitEngine("transit", TransitEngineArgs(transit=Transit(keys=keys)))) == {
        "transit-mount": (MOUNT, {"path": "transit", "type": "transit", "description": "Encryption as a service"}),
        "transit-key-data-encryption-key": (
            KEY,
            {
                "backend": "transit",
                "name": "data-encryption-key",
                "type": "aes256-gcm96",
                "autoRotatePeriod": 7776000,
                "minDecryptionVersion": 1,
                "minEncryptionVersion": 0,
                "deletionAllowed": False,
                "derived": False,
                "convergentEncryption": False,
                "exportable": False,
                "allowPlaintextBackup": False,
            },
        ),
    }


def test_transit_with_everything() -> None:
    key = TransitKey(
        type="chacha20-poly1305",
        rotation_period=3600,
        min_decryption_version=2,
        min_encryption_version=3,
        deletion_allowed=True,
        derived=True,
        convergent=True,
    )
    args = TransitEngineArgs(transit=Transit(path="crypto", keys={"pii-encryption-key": key}))

    assert graph(lambda: TransitEngine("transit", args)) == {
        "transit-mount": (MOUNT, {"path": "crypto", "type": "transit", "description": "Encryption as a service"}),
        "transit-key-pii-encryption-key": (
            KEY,
            {
                "backend": "crypto",
                "name": "pii-encryption-key",
                "type": "chacha20-poly1305",
                "autoRotatePeriod": 3600,
                "minDecryptionVersion": 2,
                "minEncryptionVersion": 3,
                "deletionAllowed": True,
                "derived": True,
                "convergentEncryption": True,
                "exportable": False,
                "allowPlaintextBackup": False,
            },
        ),
    }


def test_the_kinds_of_key() -> None:
    assert list(get_args(TransitKey.model_fields["type"].annotation)) == list(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_each_key_type_allows_what_vault_allows(kind: Any) -> None:
    derivable, convergent = KINDS[kind]

    assert TransitKey(type=kind).type == kind
    if derivable:
        assert TransitKey(type=kind, derived=True).derived
    else:
        with pytest.raises(ValueError, match=f"type is '{kind}'; expected one of .*, since derived is true"):
            TransitKey(type=kind, derived=True)
    if convergent:
        assert TransitKey(type=kind, derived=True, convergent=True).convergent
    else:
        with pytest.raises(ValueError, match=f"type is '{kind}'; expected one of .*, since (?:derived|convergent) is"):
            TransitKey(type=kind, derived=True, convergent=True)


def test_a_duration_is_written_as_in_a_stack_file() -> None:
    assert TransitKey.model_validate({"rotation_period": "90d"}) == TransitKey()


def test_a_key_that_could_leave_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match=r"exportable\n.*not permitted"):
        TransitKey(exportable=True)  # type: ignore[call-arg]  # what is tested
