"""A cached, typed client for what an estate keeps in HashiCorp Vault or OpenBao.

Owns the public names. Refuses to load anything before it is used: `import vault_estate` alone imports no HTTP library.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vault_estate.errors import (
        AuthenticationError,
        ConfigurationError,
        CredentialExpired,
        InvalidRequest,
        MigrationError,
        PermissionDenied,
        ProtocolError,
        RateLimited,
        RotationError,
        RotationFailed,
        RotationInProgress,
        SecretDeleted,
        SecretKeyMissing,
        SecretNotFound,
        SecretTooLarge,
        VaultEstateError,
        VaultNotInitialized,
        VaultSealed,
        VaultTimeout,
        VaultUnavailable,
        VaultUntrusted,
        VersionConflict,
        WrappingPathMismatch,
        WrappingTokenInvalid,
    )

__version__ = "0.1.0"

__all__ = [
    "AuthenticationError",
    "ConfigurationError",
    "CredentialExpired",
    "InvalidRequest",
    "MigrationError",
    "PermissionDenied",
    "ProtocolError",
    "RateLimited",
    "RotationError",
    "RotationFailed",
    "RotationInProgress",
    "SecretDeleted",
    "SecretKeyMissing",
    "SecretNotFound",
    "SecretTooLarge",
    "VaultEstateError",
    "VaultNotInitialized",
    "VaultSealed",
    "VaultTimeout",
    "VaultUnavailable",
    "VaultUntrusted",
    "VersionConflict",
    "WrappingPathMismatch",
    "WrappingTokenInvalid",
    "__version__",
]

_ELSEWHERE: dict[str, str] = {}
"""Which module has a public name that isn't an error."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    found: object = getattr(import_module(f"{__name__}.{_ELSEWHERE.get(name, 'errors')}"), name)
    globals()[name] = found
    return found
