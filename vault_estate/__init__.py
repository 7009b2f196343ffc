"""A cached, typed client for what an estate keeps in HashiCorp Vault or OpenBao.

Owns the public names. Refuses to load anything before it is used: `import vault_estate` alone imports no HTTP library.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vault_estate.aio import AsyncVaultClient
    from vault_estate.client import VaultClient
    from vault_estate.environment import load_secrets_to_env
    from vault_estate.errors import (
        AuthenticationError,
        ConfigurationError,
        CredentialExpired,
        InvalidRequest,
        MigrationError,
        MountNotFound,
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
    from vault_estate.events import Event, EventKind, Observer
    from vault_estate.leases import DatabaseLogin
    from vault_estate.models import Credentials, IssuedCertificate, Secret, VaultHealth
    from vault_estate.opening import VaultClientConfig
    from vault_estate.rewrapping import WrappedText
    from vault_estate.tls import Trust
    from vault_estate.transport import Patience

__version__ = "0.1.0"

__all__ = [
    "AsyncVaultClient",
    "AuthenticationError",
    "ConfigurationError",
    "CredentialExpired",
    "Credentials",
    "DatabaseLogin",
    "Event",
    "EventKind",
    "InvalidRequest",
    "IssuedCertificate",
    "MigrationError",
    "MountNotFound",
    "Observer",
    "Patience",
    "PermissionDenied",
    "ProtocolError",
    "RateLimited",
    "RotationError",
    "RotationFailed",
    "RotationInProgress",
    "Secret",
    "SecretDeleted",
    "SecretKeyMissing",
    "SecretNotFound",
    "SecretTooLarge",
    "Trust",
    "VaultClient",
    "VaultClientConfig",
    "VaultEstateError",
    "VaultHealth",
    "VaultNotInitialized",
    "VaultSealed",
    "VaultTimeout",
    "VaultUnavailable",
    "VaultUntrusted",
    "VersionConflict",
    "WrappedText",
    "WrappingPathMismatch",
    "WrappingTokenInvalid",
    "__version__",
    "load_secrets_to_env",
]

_ELSEWHERE = {
    "AsyncVaultClient": "aio",
    "VaultClient": "client",
    "Event": "events",
    "EventKind": "events",
    "Observer": "events",
    "load_secrets_to_env": "environment",
    "DatabaseLogin": "leases",
    "Credentials": "models",
    "IssuedCertificate": "models",
    "Secret": "models",
    "VaultHealth": "models",
    "VaultClientConfig": "opening",
    "WrappedText": "rewrapping",
    "Trust": "tls",
    "Patience": "transport",
}
"""Which module has a public name that isn't an error."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    found: object = getattr(import_module(f"{__name__}.{_ELSEWHERE.get(name, 'errors')}"), name)
    globals()[name] = found
    return found
