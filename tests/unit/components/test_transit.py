"""Transit: exact resources, and what it refuses."""

from collections.abc import Callable
from typing import Any, get_args

import pytest

from components.vault.transit import TransitEngine, TransitEngineArgs, TransitKey, TransitKeyType
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

    assert graph(lambda: TransitEngine("transit", TransitEngineArgs(keys=keys))) == {
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
        auto_rotate_period_seconds=3600,
        min_decryption_version=2,
        min_encryption_version=3,
        deletion_allowed=True,
        derived=True,
        convergent_encryption=True,
        exportable=True,
    )
    args = TransitEngineArgs(path="crypto", description="x", keys={"pii-encryption-key": key})

    assert graph(lambda: TransitEngine("transit", args)) == {
        "transit-mount": (MOUNT, {"path": "crypto", "type": "transit", "description": "x"}),
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
                "exportable": True,
                "allowPlaintextBackup": False,
            },
        ),
    }


def test_the_kinds_of_key() -> None:
    assert list(get_args(TransitKeyType)) == list(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_each_key_type_allows_what_vault_allows(kind: Any) -> None:
    derivable, convergent = KINDS[kind]

    assert TransitKey(type=kind).type == kind
    if derivable:
        assert TransitKey(type=kind, derived=True).derived
    else:
        with pytest.raises(ValueError, match=f"derived: a key of type '{kind}' can't be derived"):
            TransitKey(type=kind, derived=True)
    if convergent:
        assert TransitKey(type=kind, derived=True, convergent_encryption=True).convergent_encryption
    else:
        with pytest.raises(ValueError, match=r"derived: |convergent_encryption: "):
            TransitKey(type=kind, derived=True, convergent_encryption=True)


@pytest.mark.parametrize("rotation", [0, 3600])
def test_the_ends_of_the_range_are_allowed(rotation: int) -> None:
    assert TransitKey(auto_rotate_period_seconds=rotation).auto_rotate_period_seconds == rotation
    assert TransitKey(min_decryption_version=2, min_encryption_version=2).min_encryption_version == 2


def key(**changes: Any) -> Callable[[], object]:
    return lambda: TransitKey(**changes)


BAD: list[tuple[Callable[[], object], str]] = [
    (key(type="aes"), "type: 'aes' isn't known: expected one of aes128-gcm96"),
    (key(auto_rotate_period_seconds=3599), "auto_rotate_period_seconds: 3599 is out of range: expected at least 3600"),
    (key(auto_rotate_period_seconds=-1), "auto_rotate_period_seconds: -1"),
    (key(min_decryption_version=0), "min_decryption_version: 0"),
    (key(min_encryption_version=-1), "min_encryption_version: -1"),
    (
        key(min_decryption_version=3, min_encryption_version=2),
        r"min_encryption_version: 2 is below min_decryption_version \(3\)",
    ),
    (key(derived=True, type="rsa-4096"), "derived: a key of type 'rsa-4096' can't be derived"),
    (key(convergent_encryption=True), "convergent_encryption: needs derived=True"),
    (key(convergent_encryption=True, derived=True, type="ed25519"), "convergent_encryption: needs"),
    (lambda: TransitEngineArgs(path="transit/", keys={}), "path: 'transit/' isn't a mount path"),
    (lambda: TransitEngineArgs(keys={"a/b": TransitKey()}), "keys: 'a/b' isn't a name"),
    (key(min_decryption_version=2, min_encryption_version=1), "min_encryption_version: 1 is below"),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_gets_one_clear_error(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        make()

    assert "\n" not in str(raised.value)
