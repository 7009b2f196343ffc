"""The transit engine: encryption as a service.

Owns the mount and its keys. Refuses keys whose material can leave Vault.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, Self

import pulumi
import pulumi_vault as vault
from pydantic import Field, model_validator

from ..model import MountPath, Named, Seconds, Section, SettingError
from .children import child

_SYMMETRIC = ("aes128-gcm96", "aes256-gcm96", "chacha20-poly1305")
_DERIVABLE = (*_SYMMETRIC, "ed25519")


class TransitKey(Section):
    """A named encryption key that never leaves Vault."""

    type: Literal[
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
    ] = "aes256-gcm96"
    """What the key can do: encrypt, or sign. Vault and OpenBao share these types."""
    rotation_period: Annotated[Seconds, Field(ge=3_600)] = 7_776_000
    """Age at which Vault adds a new version. The server refuses less than an hour."""
    min_decryption_version: Annotated[int, Field(ge=1)] = 1
    """Oldest version that still decrypts; raising it makes older ciphertext unreadable until it is lowered."""
    min_encryption_version: Annotated[int, Field(ge=0)] = 0
    """Oldest version that still encrypts; 0 is the newest only."""
    derived: bool = False
    """Every request must bring a context, from which its own key is derived."""
    convergent: bool = False
    """Same plaintext and context give the same ciphertext, so it can be searched for. Needs `derived`."""
    deletion_allowed: bool = False
    """Whether the key may be deleted, and all it encrypted with it. Deleting takes two steps: allow it, then remove
    the key."""

    @model_validator(mode="after")
    def _options_go_together(self) -> Self:
        for setting, asked, types in (
            ("derived", self.derived, _DERIVABLE),
            ("convergent", self.convergent, _SYMMETRIC),
        ):
            if asked and self.type not in types:
                raise SettingError("type", repr(self.type), f"one of {', '.join(types)}, since {setting} is true")
        if self.convergent and not self.derived:
            raise SettingError("convergent", "true", "derived: true beside it, without which the server refuses it")
        if 0 < self.min_encryption_version < self.min_decryption_version:
            raise SettingError(
                "min_encryption_version",
                str(self.min_encryption_version),
                f"0 (the newest) or at least min_decryption_version, which is {self.min_decryption_version}",
            )
        return self


class Transit(Section):
    """The transit engine."""

    path: MountPath = "transit"
    """Where it is mounted."""
    keys: Named[TransitKey]
    """The keys."""


@dataclass(frozen=True, kw_only=True)
class TransitEngineArgs:
    """What `TransitEngine` needs."""

    transit: Transit
    """The mount and its keys."""


class TransitEngine(pulumi.ComponentResource):
    """A transit mount and its keys. Key material is made by Vault and never leaves it, in plain or in a backup."""

    mount_path: pulumi.Output[str]
    """Where it is mounted."""

    def __init__(self, name: str, args: TransitEngineArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:TransitEngine", name, {}, opts)
        holding = child(self, holds_data=True)
        mount = vault.Mount(
            f"{name}-mount", path=args.transit.path, type="transit", description="Encryption as a service", opts=holding
        )
        for key_name, key in args.transit.keys.items():
            vault.transit.SecretBackendKey(
                f"{name}-key-{key_name}",
                backend=mount.path,
                name=key_name,
                type=key.type,
                auto_rotate_period=key.rotation_period,
                min_decryption_version=key.min_decryption_version,
                min_encryption_version=key.min_encryption_version,
                deletion_allowed=key.deletion_allowed,
                derived=key.derived,
                convergent_encryption=key.convergent,
                exportable=False,
                allow_plaintext_backup=False,
                opts=holding,
            )
        self.mount_path = mount.path
        self.register_outputs({"mount_path": self.mount_path})
