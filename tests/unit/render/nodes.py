"""A node to begin a test from, and what differs from it."""

import base64
import io
import tarfile
from dataclasses import replace
from typing import Any

import yaml

from components.render.bootstrap import Administrator, Operator
from components.render.cloud_init import ARCHIVE, SEAL_KEY_FILE
from components.render.node.model import AcmeTls, Collector, InternalTls, Node, ProvidedTls, Release, Snapshots, Tls
from components.render.server_hcl import AwsKmsSeal, Flavor, Seal, ShamirSeal, StaticSeal, TransitSeal
from components.render.traffic import Need, plan

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
AUTHORITY = "-----BEGIN CERTIFICATE-----\nBB==\n-----END CERTIFICATE-----\n"
SSH_KEY = "ssh-ed25519 AAAA ada@example.com"
SEALS: dict[str, Seal] = {
    "static": StaticSeal(key_file=SEAL_KEY_FILE),
    "awskms": AwsKmsSeal(region="eu-central-1", key_id="arn:aws:kms:eu-central-1:123456789012:key/a"),
    "transit": TransitSeal(address="https://other.example.com:8200", key_name="unseal", mount_path="transit"),
    "shamir": ShamirSeal(),
}
CERTIFICATES: dict[str, Tls] = {
    "acme": AcmeTls(email="operators@example.com", directory="https://acme.example.com/directory"),
    "provided": ProvidedTls(ca_certificate=AUTHORITY),
    "internal": InternalTls(),
}
SNAPSHOTS = Snapshots(
    bucket="vault-snapshots",
    endpoint="https://fsn1.your-objectstorage.com",
    region="fsn1",
    schedule="hourly",
    recipients=("age1" + "q" * 58,),
    hourly=24,
    daily=7,
    weekly=4,
    stale_after_seconds=7_200,
    role="snapshots",
    canary="kv/data/estate/canary",
)
NODE = Node(
    address="vault.example.com",
    flavor=Flavor.OPENBAO,
    release=Release(version="2.7.1", architecture="amd64", archive_sha256="0" * 64),
    volume_device="/dev/disk/by-id/scsi-0HC_Volume_101",
    tls=CERTIFICATES["acme"],
    seal=SEALS["static"],
    flows=plan(
        api_networks=["203.0.113.0/24"],
        acme=True,
        needs=[Need(host="10.80.1.5", port=5432, reason="database main")],
        destinations={},
    ),
    operators=(Operator(name="ada", public_key="a public key"),),
    threshold=1,
    administrator=Administrator(certificate=CERTIFICATE, policy='path "x" {\n  capabilities = ["read"]\n}\n'),
)


def node(**parts: Any) -> Node:
    """`NODE` with parts replaced."""
    return replace(NODE, **parts)


COMBINATIONS = [
    (flavor, seal, tls)
    for flavor in Flavor
    for seal in SEALS
    for tls in CERTIFICATES
    if (flavor, seal) != (Flavor.VAULT, "static")
]
"""All that the settings allow: 21."""
SPECIAL = {
    "by-address": node(address="198.51.100.7", tls=CERTIFICATES["internal"]),
    "private-authority": node(
        tls=AcmeTls(email="a@example.com", directory="https://acme.internal/directory", ca_certificate=AUTHORITY)
    ),
    "public-authority": node(tls=ProvidedTls(), ssh_public_keys=(SSH_KEY,)),
    "snapshots": node(snapshots=SNAPSHOTS),
    "logs": node(logs=Collector(host="logs.example.com", port=6514)),
    "arm64": node(release=Release(version="2.7.1", architecture="arm64", archive_sha256="0" * 64)),
}
"""What differs within one combination."""
OTHERS = {
    **{
        f"{flavor.value} {seal} {tls}": node(flavor=flavor, seal=SEALS[seal], tls=CERTIFICATES[tls])
        for flavor, seal, tls in COMBINATIONS
    },
    **SPECIAL,
}
"""All of them by name."""


def unpacked(text: str) -> dict[str, str]:
    """The files as the node will have them, by path."""
    found: dict[str, str] = {}
    for entry in yaml.safe_load(text)["write_files"]:
        if entry["path"] != ARCHIVE:
            found[entry["path"]] = entry["content"]
            continue
        with opened(text) as archive:
            for member in archive:
                stream = archive.extractfile(member)
                assert stream is not None
                found[f"/{member.name}"] = stream.read().decode()
    return found


def opened(text: str) -> tarfile.TarFile:
    """The archive in a user-data."""
    (entry,) = [one for one in yaml.safe_load(text)["write_files"] if one["path"] == ARCHIVE]
    return tarfile.open(fileobj=io.BytesIO(base64.b64decode(entry["content"])), mode="r:xz")
