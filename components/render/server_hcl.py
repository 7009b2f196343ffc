"""The server's one configuration file, from plain values, for OpenBao and for Vault.

Owns the text and what makes it safe: TLS 1.3 only, HSTS, Raft, no mlock where it is still a setting, declared audit
devices where the flavour takes them from the file. Refuses what a flavour would ignore or reject, since a setting that
is silently ignored is a promise not kept. One file per server: how several would be merged is not deterministic.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

MAX_LEASE_TTL_SECONDS = 2_764_800
"""768 hours, the servers' own default (their documentation of `max_lease_ttl`), written down so that it shows."""


class Flavor(StrEnum):
    """Which server reads the file."""

    OPENBAO = "openbao"
    VAULT = "vault"


@dataclass(frozen=True, kw_only=True)
class ShamirSeal:
    """No seal stanza: operators unseal by hand after each restart."""


@dataclass(frozen=True, kw_only=True)
class StaticSeal:
    """OpenBao unseals itself with a 32-byte key read from a file. Vault's free edition has no such seal."""

    key_file: str
    """Absolute path of the key, 32 random bytes."""
    key_id: str = "1"
    """Name of the key; a later key gets another one."""


@dataclass(frozen=True, kw_only=True)
class AwsKmsSeal:
    """The server unseals itself by AWS KMS. Credentials come from its role, never from this file."""

    region: str
    key_id: str
    """ARN or alias of the key."""


@dataclass(frozen=True, kw_only=True)
class TransitSeal:
    """The server unseals itself by the transit engine of another Vault, whose token comes from its environment."""

    address: str
    """https URL of the other Vault."""
    key_name: str
    mount_path: str
    """Path of its transit engine, without slashes at its ends."""

    def __post_init__(self) -> None:
        if not self.address.startswith("https://"):
            raise ValueError(f"address: {self.address!r} is not an https:// address")


Seal = ShamirSeal | StaticSeal | AwsKmsSeal | TransitSeal


@dataclass(frozen=True, kw_only=True)
class FileAudit:
    """An audit device that appends to a file and reopens it at SIGHUP. Values are hashed, never raw."""

    name: str
    path: str
    """Absolute path; written with mode 0600."""


@dataclass(frozen=True, kw_only=True)
class SyslogAudit:
    """An audit device that writes to the machine's syslog. Values are hashed, never raw."""

    name: str
    facility: str = "AUTH"
    tag: str = "vault"


AuditDevice = FileAudit | SyslogAudit


@dataclass(frozen=True, kw_only=True)
class ServerHcl:
    """All that goes into the file. Raises ValueError for what the flavour wouldn't honour."""

    flavor: Flavor
    storage_path: str
    """Directory of the Raft storage."""
    node_id: str
    """Stable name of this node in the Raft cluster."""
    listener_address: str
    """host:port the API listens on."""
    cluster_listener_address: str
    """host:port the nodes talk to each other on."""
    api_address: str
    """https URL clients are told."""
    cluster_address: str
    """https URL other nodes are told."""
    certificate_file: str
    key_file: str
    seal: Seal
    audit_devices: tuple[AuditDevice, ...] = ()
    """Declared devices. OpenBao needs at least one here; Vault takes them through its API and refuses any here."""
    cluster_name: str = "vault-estate"
    default_lease_ttl_seconds: int = 3600
    max_lease_ttl_seconds: int = MAX_LEASE_TTL_SECONDS
    performance_multiplier: int = 1
    """Scales Raft's timers, 1 to 10; 1 is what HashiCorp advises for production. Measured here: 5, the default, takes
    5.8 s to initialise, 1 takes 1.2 s."""

    def __post_init__(self) -> None:
        if self.flavor is Flavor.VAULT and isinstance(self.seal, StaticSeal):
            raise ValueError("seal: the static seal exists in OpenBao only; expected ShamirSeal or AwsKmsSeal")
        if self.flavor is Flavor.VAULT and self.audit_devices:
            raise ValueError("audit_devices: Vault takes audit devices through its API; expected none in the file")
        if self.flavor is Flavor.OPENBAO and not self.audit_devices:
            raise ValueError("audit_devices: OpenBao takes audit devices from this file only; expected at least one")
        names = [device.name for device in self.audit_devices]
        if len(set(names)) != len(names):
            raise ValueError(f"audit_devices: names must differ, got {names}")
        for label, address in (("api_address", self.api_address), ("cluster_address", self.cluster_address)):
            if not address.startswith("https://"):
                raise ValueError(f"{label}: {address!r} is not an https:// address")
        if not 0 < self.default_lease_ttl_seconds <= self.max_lease_ttl_seconds:
            raise ValueError(
                f"default_lease_ttl_seconds: {self.default_lease_ttl_seconds} must be above 0 and at most "
                f"max_lease_ttl_seconds ({self.max_lease_ttl_seconds})"
            )
        if not 1 <= self.performance_multiplier <= 10:
            raise ValueError(f"performance_multiplier: {self.performance_multiplier} is not between 1 and 10")


def quote(value: str) -> str:
    """A value as an HCL string.

    Raises ValueError for control characters and template markers, which HCL would not take literally.
    """
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise ValueError(f"{value!r} holds a control character, which has no place in the server's configuration")
    if "${" in value or "%{" in value:
        raise ValueError(f"{value!r} holds a template marker, which HCL would not take literally")
    return json.dumps(value, ensure_ascii=False)


def render(server: ServerHcl) -> str:
    """The whole file."""
    lines = [
        *_block(
            'storage "raft"',
            [
                f"path = {quote(server.storage_path)}",
                f"node_id = {quote(server.node_id)}",
                f"performance_multiplier = {server.performance_multiplier}",
            ],
        ),
        *_seal(server.seal),
        *_listener(server),
        *(line for device in server.audit_devices for line in _audit(device)),
        f"api_addr = {quote(server.api_address)}",
        f"cluster_addr = {quote(server.cluster_address)}",
        f"cluster_name = {quote(server.cluster_name)}",
        f'default_lease_ttl = "{server.default_lease_ttl_seconds}s"',
        f'max_lease_ttl = "{server.max_lease_ttl_seconds}s"',
        'log_format = "json"',
        "ui = false",
    ]
    if server.flavor is Flavor.VAULT:
        # OpenBao has dropped mlock and never had the other one: it warns "unknown or unsupported field" at each start.
        lines += ["disable_mlock = true", "deny_slash_in_templated_paths = true"]
    return "\n".join(lines) + "\n"


def _block(head: str, body: Iterable[str]) -> list[str]:
    return [f"{head} {{", *(f"  {line}" for line in body), "}"]


def _seal(seal: Seal) -> list[str]:
    match seal:
        case ShamirSeal():
            return []
        case StaticSeal():
            key = quote("file://" + seal.key_file)
            return _block('seal "static"', [f"current_key_id = {quote(seal.key_id)}", f"current_key = {key}"])
        case AwsKmsSeal():
            return _block('seal "awskms"', [f"region = {quote(seal.region)}", f"kms_key_id = {quote(seal.key_id)}"])
        case TransitSeal():
            return _block(
                'seal "transit"',
                [
                    f"address = {quote(seal.address)}",
                    f"key_name = {quote(seal.key_name)}",
                    f"mount_path = {quote(seal.mount_path + '/')}",
                ],
            )


def _listener(server: ServerHcl) -> list[str]:
    return _block(
        'listener "tcp"',
        [
            f"address = {quote(server.listener_address)}",
            f"cluster_address = {quote(server.cluster_listener_address)}",
            f"tls_cert_file = {quote(server.certificate_file)}",
            f"tls_key_file = {quote(server.key_file)}",
            'tls_min_version = "tls13"',
            *_block(
                "custom_response_headers",
                _block('"default" =', ['"Strict-Transport-Security" = ["max-age=31536000; includeSubDomains"]']),
            ),
        ],
    )


def _audit(device: AuditDevice) -> list[str]:
    match device:
        case FileAudit():
            options = [f"file_path = {quote(device.path)}", 'mode = "0600"']
            return _block(f'audit "file" {quote(device.name)}', _block("options", options))
        case SyslogAudit():
            options = [f"facility = {quote(device.facility)}", f"tag = {quote(device.tag)}"]
            return _block(f'audit "syslog" {quote(device.name)}', _block("options", options))
