"""What the library raises: one hierarchy, which an application can catch by what it would do about it.

Owns the classes and what of a server's words may be shown. Refuses to carry an answer: an error holds a path, a status,
Vault's request id and redacted texts, so it can be logged, pickled and sent to an error tracker.
"""

import re
from collections.abc import Iterable
from datetime import datetime

_SHOWN_CHARACTERS = 300
_HIDDEN = "[hidden]"
_LOOKS_SECRET = re.compile(
    r"\b(?:hvs|hvb|hvr|s|b|r)\.[A-Za-z0-9_-]{20,}"  # tokens of both servers
    r"|\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]+"  # signed tokens
    r"|\bvault:v[0-9]+:[A-Za-z0-9+/=]+"  # ciphertexts
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"  # SecretIDs, RoleIDs
    r"|\b(?=[A-Za-z0-9+_=-]*[0-9])[A-Za-z0-9+_=-]{32,}"  # whatever else is long and no word
)
_KNOWN_CHARACTERS = 4
"""Shorter values are not looked for: `1` or `yes` would be found in every sentence."""


def redacted(text: object, known: Iterable[str] = ()) -> str:
    """A text of a server on one line, cut to 300 characters, without what looks like a secret.

    Args:
        text: what it said.
        known: values that were sent to it, which it may repeat.
    """
    said = " ".join(str(text).split())
    for value in sorted((one for one in known if len(one) >= _KNOWN_CHARACTERS), key=len, reverse=True):
        said = said.replace(value, _HIDDEN)
    said = _LOOKS_SECRET.sub(_HIDDEN, said)
    printable = "".join(one if one.isprintable() else "?" for one in said)
    return printable if len(printable) <= _SHOWN_CHARACTERS else f"{printable[: _SHOWN_CHARACTERS - 1]}…"


class VaultEstateError(Exception):
    """Every error of this library.

    Attributes:
        path: of Vault's API, without `/v1/`; None if there was no request.
        status: the HTTP status; None if there was no answer.
        request_id: Vault's, as in its audit log.
        texts: what Vault said, redacted.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        texts: Iterable[str] = (),
    ) -> None:
        super().__init__(message)
        self.path = path
        self.status = status
        self.request_id = request_id
        self.texts = tuple(texts)

    def __str__(self) -> str:
        # A KeyError would show its message in quotes.
        return str(self.args[0])


class ConfigurationError(VaultEstateError, ValueError):
    """A setting, a variable or an argument can't be used; nothing was asked of Vault because of it."""


class AuthenticationError(VaultEstateError):
    """Nobody could be logged in, or the token is dead and a new login didn't help."""


class CredentialExpired(AuthenticationError):
    """What the login uses has ended: a SecretID, a token that nobody can replace."""


class WrappingTokenInvalid(AuthenticationError):
    """A wrapping token is used or expired. If it should have been unused, somebody else opened it: revoke what was in
    it."""


class WrappingPathMismatch(AuthenticationError):
    """A wrapping token wraps something else than this login's SecretID. It was not opened."""


class PermissionDenied(VaultEstateError):
    """The token is alive, and its ACL policies refuse the path."""


class MountNotFound(VaultEstateError):
    """Nothing is mounted where the path points, or the namespace isn't there: a setting is wrong."""


class SecretNotFound(VaultEstateError, KeyError):
    """No secret, no version of it, or no key in it by that name."""


class SecretDeleted(SecretNotFound):
    """The version was there and is deleted, or destroyed.

    Attributes:
        version: its number.
        deleted_at: when; None if destroyed without that.
        destroyed: whether it can't be undeleted.
    """

    def __init__(
        self,
        message: str,
        *,
        version: int | None = None,
        deleted_at: datetime | None = None,
        destroyed: bool = False,
        path: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        texts: Iterable[str] = (),
    ) -> None:
        super().__init__(message, path=path, status=status, request_id=request_id, texts=texts)
        self.version = version
        self.deleted_at = deleted_at
        self.destroyed = destroyed


class SecretKeyMissing(SecretNotFound):
    """The secret has no such key."""


class VersionConflict(VaultEstateError):
    """Somebody else wrote since the version that a write expected (check-and-set)."""


class InvalidRequest(VaultEstateError):
    """Vault can't use what it was sent."""


class SecretTooLarge(InvalidRequest):
    """A value is larger than Vault's storage takes, 1 MiB."""


class VaultUnavailable(VaultEstateError):
    """Vault can't be asked now; what is cached may be used meanwhile."""


class VaultSealed(VaultUnavailable):
    """The server is sealed: an operator has to unseal it."""


class VaultNotInitialized(VaultUnavailable):
    """The server has never been set up."""


class VaultTimeout(VaultUnavailable):
    """No answer in time."""


class VaultUntrusted(VaultUnavailable):
    """What answers at Vault's address can't prove that it is Vault: its certificate isn't vouched for."""


class RateLimited(VaultUnavailable):
    """A quota of Vault's is used up.

    Attributes:
        retry_after: seconds after which it may be asked again, if Vault said so.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        path: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        texts: Iterable[str] = (),
    ) -> None:
        super().__init__(message, path=path, status=status, request_id=request_id, texts=texts)
        self.retry_after = retry_after


class ProtocolError(VaultUnavailable):
    """What answers isn't Vault, or its answer is cut off or too long."""


class MigrationError(VaultEstateError):
    """A step of a migration was refused; what was done before it stays done."""


class RotationError(VaultEstateError):
    """A secret could not be rotated; the value that was in use stays in use."""


class RotationInProgress(RotationError):
    """Another run has the secret, or the value before the present one is still accepted."""


class RotationFailed(RotationError):
    """A step of a rotation failed. The run is kept, and the next one goes on with it.

    Attributes:
        phase: where it stands; the next run begins there.
    """

    def __init__(
        self,
        message: str,
        *,
        phase: str = "",
        path: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        texts: Iterable[str] = (),
    ) -> None:
        super().__init__(message, path=path, status=status, request_id=request_id, texts=texts)
        self.phase = phase
