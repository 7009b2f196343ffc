"""What a client gives: a secret, a certificate, how Vault is.

Owns what of them is shown. Refuses to show a value anywhere: a `repr` has a name, a version and a number of keys.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vault_estate.errors import InvalidRequest, SecretKeyMissing
from vault_estate.guarded import NotPickled

ROTATION_NOTE = "rotation state"
"""Beside a secret, in its `custom_metadata`, what is noted of its rotation. No value can be called so: names of values
have no spaces."""


class Secret(NotPickled, Mapping[str, str]):
    """One version of a secret: its keys and their values."""

    __slots__ = (
        "_created_time",
        "_values",
        "accepted_from",
        "name",
        "path",
        "stale",
        "values_accepted_from",
        "version",
    )

    def __init__(
        self,
        values: Mapping[str, Any],
        *,
        name: str,
        path: str,
        version: int,
        created_time: str = "",
        accepted_from: int = 0,
        values_accepted_from: Mapping[str, int] | None = None,
        stale: bool = False,
    ) -> None:
        """`path` is Vault's, with the mount and without `data/`; `created_time` as Vault writes it."""
        self._values = values
        self.name = name
        self.path = path
        self.version = version
        self._created_time = created_time
        self.accepted_from = accepted_from
        """The first version that verifiers still take, as a rotation noted that ended those before; 0: any."""
        self.values_accepted_from: Mapping[str, int] = values_accepted_from or {}
        """The same for some values alone, by key."""
        self.stale = stale
        """Whether Vault could not be asked when it was time to."""

    def __getitem__(self, key: str) -> str:
        """The value of a key. Raises SecretKeyMissing: there is none. Raises InvalidRequest: it is no text."""
        try:
            value = self._values[key]
        except KeyError:
            known = ", ".join(sorted(map(str, self._values))) or "none"
            error: Exception = SecretKeyMissing(
                f"key {key!r} is not in secret {self.name}, version {self.version}; expected one of: {known}",
                path=self.path,
            )
        else:
            if isinstance(value, str):
                return value
            kind = type(value).__name__
            del value  # else the error's frame would show it
            error = InvalidRequest(
                f"key {key!r} of secret {self.name}, version {self.version}, is a {kind}; expected text. Vault changes "
                "how numbers are written: write it as text",
                path=self.path,
            )
        raise error

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        keys = "1 key" if len(self) == 1 else f"{len(self)} keys"
        return f"Secret({self.name}, v{self.version}, {keys}{', stale' if self.stale else ''})"

    __str__ = __repr__

    __sentry_repr__ = __repr__
    """Else Sentry would show a mapping's values, wherever a frame of the program's has one as a variable."""

    @property
    def created_at(self) -> datetime | None:
        """When the version was written, by Vault's clock."""
        return datetime.fromisoformat(self._created_time) if self._created_time else None

    def as_stale(self) -> "Secret":
        """The same, which says that it may be out of date."""
        return Secret(
            self._values,
            name=self.name,
            path=self.path,
            version=self.version,
            created_time=self._created_time,
            accepted_from=self.accepted_from,
            values_accepted_from=self.values_accepted_from,
            stale=True,
        )


class Credentials(NotPickled):
    """A database user's name and password, which belong together. `username, password = credentials` works."""

    __slots__ = ("password", "username")

    def __init__(self, username: str, password: str) -> None:
        self.username = username
        self.password = password

    def __iter__(self) -> Iterator[str]:
        return iter((self.username, self.password))

    def __repr__(self) -> str:
        return f"Credentials({self.username})"


class IssuedCertificate(NotPickled):
    """A certificate, who vouches for it, and its private key."""

    __slots__ = ("authorities", "certificate", "common_name", "ends_at", "key", "renew_at", "serial_number")

    def __init__(
        self,
        *,
        common_name: str,
        certificate: str,
        key: str,
        authorities: tuple[str, ...],
        serial_number: str,
        ends_at: float,
        renew_at: float,
    ) -> None:
        """All of it in PEM; times in seconds since 1970."""
        self.common_name = common_name
        self.certificate = certificate
        self.key = key
        self.authorities = authorities
        """Those that issued it, nearest first."""
        self.serial_number = serial_number
        self.ends_at = ends_at
        self.renew_at = renew_at
        """When two thirds of its life are over: time for another."""

    @property
    def chain(self) -> str:
        """The certificate and its authorities, as servers take it."""
        return "\n".join(one.strip() for one in (self.certificate, *self.authorities)) + "\n"

    def __repr__(self) -> str:
        return f"IssuedCertificate({self.common_name}, {self.serial_number})"


@dataclass(frozen=True, kw_only=True)
class VaultHealth:
    """How Vault is, and this client."""

    reachable: bool
    initialized: bool = False
    sealed: bool = False
    standby: bool = False
    version: str = ""
    """Of the server."""
    token_ttl_seconds: float | None = None
    """How long the token lives if nobody renews it; None: nobody is logged in. Infinite: it doesn't end."""
    cache_hit_ratio: float | None = None
    """Questions that Vault wasn't asked, of all; None before the first."""
    stale: bool = False
    """Whether any value in the cache is older than it should be because Vault couldn't be asked for it."""

    @property
    def ok(self) -> bool:
        """Whether Vault can be read."""
        return self.reachable and self.initialized and not self.sealed
