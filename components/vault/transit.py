"""The transit engine: encryption as a service.

Owns the mount and its keys. Refuses keys whose material can leave Vault in plain, unless exporting is asked for by
name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import pulumi
import pulumi_vault as vault

from components.vault.checks import check_between, check_choice, check_mount_path, check_names

TransitKeyType = Literal[
    "aes128-gcm96",
    "aes256-gcm96",
    "chacha20-poly1305",
    "ed25519",
    "ecdsa-p256",
    "ecdsa-p384",
    "ecdsa-p521",
    "rsa-2048",
    "rsa-3072",
    "rsa-4096",
]
"""Kinds of key that Vault and OpenBao share."""

_SYMMETRIC = ("aes128-gcm96", "aes256-gcm96", "chacha20-poly1305")
_DERIVABLE = (*_SYMMETRIC, "ed25519")
_LEAST_ROTATION_SECONDS = 3600
"""Vault refuses a shorter period."""


@dataclass(frozen=True, kw_only=True)
class TransitKey:
    """One named key."""

    type: TransitKeyType = "aes256-gcm96"
    """What it is and can do."""

    auto_rotate_period_seconds: int = 7776000
    """Age at which Vault makes a new version (90 d: `requirements/hetzner-vault-plan.md`); 0 never, else at least an
    hour.
    """

    min_decryption_version: int = 1
    """Oldest version that still decrypts; raising it makes older ciphertext unreadable until lowered."""

    min_encryption_version: int = 0
    """Oldest version that still encrypts; 0 is the newest only by default."""

    deletion_allowed: bool = False
    """Deleting needs two steps: allow it here, then remove the key. What it encrypted is lost with it."""

    derived: bool = False
    """Each use names a context, and each context has a key of its own."""

    convergent_encryption: bool = False
    """Equal plaintext gives equal ciphertext, so it can be searched for; needs `derived`."""

    exportable: bool = False
    """The key may be read out of Vault. Can't be taken back."""

    def __post_init__(self) -> None:
        """Raise ValueError for options that don't go together or a number out of range."""
        check_choice("type", self.type, get_args(TransitKeyType))
        if self.auto_rotate_period_seconds:
            check_between("auto_rotate_period_seconds", self.auto_rotate_period_seconds, _LEAST_ROTATION_SECONDS)
        check_between("min_decryption_version", self.min_decryption_version, 1)
        check_between("min_encryption_version", self.min_encryption_version, 0)
        if 0 < self.min_encryption_version < self.min_decryption_version:
            raise ValueError(
                f"min_encryption_version: {self.min_encryption_version} is below min_decryption_version "
                f"({self.min_decryption_version}): expected 0 or at least that, or new ciphertext couldn't be read"
            )
        if self.derived and self.type not in _DERIVABLE:
            raise ValueError(
                f"derived: a key of type {self.type!r} can't be derived: expected one of {', '.join(_DERIVABLE)}"
            )
        if self.convergent_encryption and not (self.derived and self.type in _SYMMETRIC):
            raise ValueError(
                f"convergent_encryption: needs derived=True and a type of {', '.join(_SYMMETRIC)}: "
                f"got derived={self.derived} and {self.type!r}"
            )


@dataclass(frozen=True, kw_only=True)
class TransitEngineArgs:
    """What `TransitEngine` needs."""

    path: str = "transit"
    """Mount path."""

    description: str = "Encryption as a service"
    """What operators read in `vault secrets list`."""

    keys: Mapping[str, TransitKey]
    """Keys by name in Vault."""

    def __post_init__(self) -> None:
        """Raise ValueError for a path that can't be mounted or a bad key name."""
        check_mount_path("path", self.path)
        check_names("keys", self.keys)


class TransitEngine(pulumi.ComponentResource):
    """A transit mount and its keys. Key material is made by Vault; plaintext backups of it are never allowed."""

    mount_path: pulumi.Output[str]
    """Where it is mounted."""

    def __init__(self, name: str, args: TransitEngineArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:TransitEngine", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        mount = vault.Mount(f"{name}-mount", path=args.path, type="transit", description=args.description, opts=child)
        for key_name, key in args.keys.items():
            vault.transit.SecretBackendKey(
                f"{name}-key-{key_name}",
                backend=mount.path,
                name=key_name,
                type=key.type,
                auto_rotate_period=key.auto_rotate_period_seconds,
                min_decryption_version=key.min_decryption_version,
                min_encryption_version=key.min_encryption_version,
                deletion_allowed=key.deletion_allowed,
                derived=key.derived,
                convergent_encryption=key.convergent_encryption,
                exportable=key.exportable,
                allow_plaintext_backup=False,
                opts=child,
            )
        self.mount_path = mount.path
        self.register_outputs({"mount_path": self.mount_path})
