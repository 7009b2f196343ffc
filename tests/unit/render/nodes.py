"""A node to begin a test from, and what differs from it."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import yaml

from components.render import cloud_init
from components.render.bootstrap import Administrator, Bootstrap, Operator
from components.render.cloud_init import ARCHIVE
from components.render.node import archive
from components.render.node.layout import File
from components.render.node.model import Logs, Node, Place, Ssh
from components.render.release import Download, Flavor, Server
from components.render.seals import AwsKmsSeal, Seal, ShamirSeal, StaticSeal, TransitSeal
from components.render.snapshots import Bucket, Retention, Snapshots
from components.render.tls import AcmeTls, InternalTls, ProvidedTls, Tls
from components.render.traffic import Need, plan

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
AUTHORITY = "-----BEGIN CERTIFICATE-----\nBB==\n-----END CERTIFICATE-----\n"
SSH_KEY = "ssh-ed25519 AAAA ada@example.com"
TEXTS = {
    "ada.asc": "a public key",
    "administrator.crt": CERTIFICATE,
    "ca.crt": AUTHORITY,
    "ada.pub": SSH_KEY,
    "age.pub": f"# public key\nage1{'q' * 58}\n",
    "other.pub": f"age1{'p' * 58}\n",
}
"""What the files hold that the sections below name."""
SEALS: dict[str, Seal] = {
    "static": StaticSeal(),
    "awskms": AwsKmsSeal(region="eu-central-1", key_arn="arn:aws:kms:eu-central-1:123456789012:key/a"),
    "transit": TransitSeal(address="https://other.example.com:8200", key="unseal"),
    "shamir": ShamirSeal(),
}
CERTIFICATES: dict[str, Tls] = {
    "acme": AcmeTls(email="operators@example.com", directory="https://acme.example.com/directory"),
    "provided": ProvidedTls(ca_certificate_file="ca.crt"),
    "internal": InternalTls(certificate_file="node.crt"),
}
SNAPSHOTS = Snapshots(
    store=Bucket(name="vault-snapshots", endpoint="https://fsn1.your-objectstorage.com", region="fsn1"),
    schedule="hourly",
    recipients=("age.pub",),
    keep=Retention(hourly=24, daily=7, weekly=4),
    stale_after=7_200,
    certificate="snapshots.crt",
)
SSH = Ssh(cidrs=("203.0.113.7/32",), public_keys=("ada.pub",))
DOWNLOAD = Download(checksums={"amd64": "0" * 64, "arm64": "0" * 64})
PLACE = Place(address="vault.example.com", volume_device="/dev/disk/by-id/scsi-0HC_Volume_101")
NODE = Node(
    server=Server(flavor="openbao", version="2.7.1"),
    architecture="amd64",
    download=DOWNLOAD,
    tls=CERTIFICATES["acme"],
    seal=SEALS["static"],
    flows=plan(
        api_networks=["203.0.113.0/24"],
        challenges=True,
        needs=[Need(host="10.80.1.5", port=5432, reason="database main")],
        destinations={},
    ),
    bootstrap=Bootstrap(
        operators=(Operator(name="ada", pgp_key="ada.asc"),),
        threshold=1,
        administrator=Administrator(certificate="administrator.crt", private_key="administrator.key"),
    ),
    policy='path "x" {\n  capabilities = ["read"]\n}\n',
    texts=TEXTS,
    audit_retention=30 * 86_400,
)


def node(**parts: Any) -> Node:
    """`NODE` with parts replaced."""
    return replace(NODE, **parts)


def of(flavor: Flavor, seal: str, tls: str, **parts: Any) -> Node:
    """One combination, with parts replaced."""
    server = Server(flavor=flavor, version="2.7.1")
    return node(**{"server": server, "seal": SEALS[seal], "tls": CERTIFICATES[tls], **parts})


def with_seal(seal: str) -> Node:
    """A node with a seal, on the first server that has it."""
    flavor = next(flavor for flavor in OPENBAO_AND_VAULT if flavor in SEALS[seal].flavors)
    return of(flavor, seal, "acme")


def operators(keys: Sequence[str]) -> tuple[tuple[Operator, ...], dict[str, str]]:
    """Operators with these public keys, and `TEXTS` with theirs."""
    named = {f"operator-{number}": key for number, key in enumerate(keys)}
    holders = tuple(Operator(name=name, pgp_key=f"{name}.asc") for name in named)
    return holders, {**TEXTS, **{f"{name}.asc": key for name, key in named.items()}}


def files(wanted: Node, place: Place = PLACE) -> Mapping[str, File]:
    """A node's files, by path."""
    return cloud_init.files(wanted, place)


def render(wanted: Node, place: Place = PLACE) -> str:
    """A node's user-data."""
    return cloud_init.render(wanted, place)


OPENBAO_AND_VAULT: tuple[Flavor, ...] = ("openbao", "vault")
COMBINATIONS: list[tuple[Flavor, str, str]] = [
    (flavor, seal, tls)
    for flavor in OPENBAO_AND_VAULT
    for seal in SEALS
    for tls in CERTIFICATES
    if flavor in SEALS[seal].flavors
]
"""All that the settings allow: 18."""
SPECIAL: dict[str, Node] = {
    "by-address": node(tls=CERTIFICATES["internal"]),
    "private-authority": node(
        tls=AcmeTls(email="a@example.com", directory="https://acme.internal/directory", ca_certificate_file="ca.crt")
    ),
    "public-authority": node(tls=ProvidedTls(), ssh=SSH),
    "snapshots": node(snapshots=SNAPSHOTS),
    "logs": node(logs=Logs(host="logs.example.com")),
    "arm64": node(architecture="arm64"),
}
"""What differs within one combination."""
OTHERS = {**{f"{flavor} {seal} {tls}": of(flavor, seal, tls) for flavor, seal, tls in COMBINATIONS}, **SPECIAL}
"""All of them by name."""


def place_of(name: str) -> Place:
    """Where the node of this name is."""
    return replace(PLACE, address="198.51.100.7") if name == "by-address" else PLACE


def unpacked(text: str) -> dict[str, str]:
    """The files as the node will have them, by path."""
    found = {one["path"]: one["content"] for one in yaml.safe_load(text)["write_files"] if one["path"] != ARCHIVE}
    return found | {path: content for path, (content, _) in opened(text).items()}


def opened(text: str) -> Mapping[str, File]:
    """The archive in a user-data."""
    (entry,) = [one for one in yaml.safe_load(text)["write_files"] if one["path"] == ARCHIVE]
    return archive.unpack(base64.b85decode(entry["content"]))
