"""The listener's certificate in a cluster, as cert-manager's resources: an authority of the namespace's own, and what
it signs.

Owns lives, kinds of keys and names. Refuses to hold a key: cert-manager makes them, and they never leave the cluster.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .names import CERTIFICATE, certified

API_VERSION = "cert-manager.io/v1"
AUTHORITY = "vault-authority"
"""Secret with the authority's certificate and key, and the name of the issuer that signs by it."""
ROOT = "vault-self-signed"
"""Issuer that the authority is made by."""
_AUTHORITY_HOURS = 10 * 365 * 24
"""Ten years, as of the authority on a developer's machine: who trusts it has it in a file."""
_HOURS, _RENEWED_HOURS = 90 * 24, 30 * 24
"""As a public authority does: for 90 days, and renewed 30 days before (letsencrypt.org, Integration guide)."""
_KEY = {"algorithm": "ECDSA", "size": 256}


@dataclass(frozen=True, kw_only=True)
class ManagedResource:
    """One of cert-manager's."""

    kind: str
    """Issuer or Certificate."""
    name: str
    """Of the resource."""
    specification: dict[str, Any]
    """Its `spec`."""


def self_signed() -> ManagedResource:
    """What an authority can begin from."""
    return ManagedResource(kind="Issuer", name=ROOT, specification={"selfSigned": {}})


def authority() -> ManagedResource:
    """The authority. Its key stays when it is renewed, so that what trusts it goes on doing so."""
    specification = {
        "isCA": True,
        "commonName": "vault-estate cluster CA",
        "secretName": AUTHORITY,
        "duration": _duration(_AUTHORITY_HOURS),
        "privateKey": {**_KEY, "rotationPolicy": "Never"},
        "usages": ["cert sign", "crl sign"],
        "issuerRef": {"kind": "Issuer", "name": ROOT},
    }
    return ManagedResource(kind="Certificate", name=AUTHORITY, specification=specification)


def signing() -> ManagedResource:
    """The issuer that has the authority's key."""
    return ManagedResource(kind="Issuer", name=AUTHORITY, specification={"ca": {"secretName": AUTHORITY}})


def listener(replicas: int, more_names: Iterable[str] = ()) -> ManagedResource:
    """The servers' certificate, one for all pods, with another key at each renewal."""
    specification = {
        "secretName": CERTIFICATE,
        "dnsNames": [*certified(replicas), *more_names],
        "ipAddresses": ["127.0.0.1"],
        "duration": _duration(_HOURS),
        "renewBefore": _duration(_RENEWED_HOURS),
        "privateKey": {**_KEY, "rotationPolicy": "Always"},
        "usages": ["digital signature", "server auth"],
        "issuerRef": {"kind": "Issuer", "name": AUTHORITY},
    }
    return ManagedResource(kind="Certificate", name=CERTIFICATE, specification=specification)


def _duration(hours: int) -> str:
    """As cert-manager writes it back, or each refresh would find a change."""
    return f"{hours}h0m0s"
