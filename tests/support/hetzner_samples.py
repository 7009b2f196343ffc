"""Settings of a Hetzner stack to begin a test from."""

from collections.abc import Mapping
from typing import Any

from tests.unit.settings.samples import MINIMAL, MISSING

SHA256 = "0" * 64
PLATFORM: Mapping[str, Any] = {
    "kind": "hetzner",
    "location": "fsn1",
    "server_type": "cx22",
    "api_cidrs": ["203.0.113.0/24"],
    "domain": "vault.example.com",
    "tls": {"kind": "acme", "email": "operators@example.com"},
    "seal": {"kind": "static"},
    "download": {"checksums": {"amd64": SHA256}},
}
"""Nothing that has a default."""
SSH = {"cidrs": ["203.0.113.7/32"], "public_keys": ["keys/ada.pub"]}
KMS = {"kind": "awskms", "region": "eu-central-1", "key_arn": "arn:aws:kms:eu-central-1:123456789012:key/a-b"}
VAULT = {"flavor": "vault", "version": "1.21.0"}
"""HashiCorp's server, the one that has the seal by AWS KMS."""
OF_VAULT: Mapping[str, Any] = {
    "server": VAULT,
    "audit": {"file": {"type": "file", "file_path": "/var/log/vault/audit.log"}, "syslog": {"type": "syslog"}},
}
"""It, and the audit devices that it needs."""
TRANSIT = {"kind": "transit", "address": "https://other.example.com:8200", "key": "unseal"}
NODE: Mapping[str, Any] = {**MINIMAL, "platform": PLATFORM}
BUCKET: Mapping[str, Any] = {
    "store": {
        "kind": "bucket",
        "name": "vault-snapshots-dev",
        "endpoint": "https://fsn1.your-objectstorage.com",
        "region": "fsn1",
    },
    "recipients": ["keys/age.pub"],
    "certificate": "keys/snapshots.crt",
    "node_certificate": "keys/node.crt",
}
"""The section `snapshots`, with a bucket."""


def node(base: Mapping[str, Any] = NODE, **platform: Any) -> dict[str, Any]:
    """Settings with parts of the platform replaced, or (`MISSING`) taken out; with HashiCorp's server for its seal."""
    whole = {**base["platform"], **platform}
    server = OF_VAULT if whole["seal"] is not MISSING and whole["seal"]["kind"] == "awskms" else {}
    return {**base, **server, "platform": {name: value for name, value in whole.items() if value is not MISSING}}


FOLDER: Mapping[str, Any] = {
    "store": {"kind": "folder", "path": ".estate/local/snapshots"},
    "recipients": ["keys/age.pub"],
    "certificate": "keys/snapshots.crt",
}
