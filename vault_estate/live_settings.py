"""Settings that follow what Vault has: `live(Settings)` is read as `Settings()` is.

Owns when they are made anew: when one of their secrets has another version, which a client finds out as its values grow
old. Refuses to lose settings that work: new values that don't fit are told in the log, without them, and not taken.
Needs the extra `settings`.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NoReturn, TypeVar, cast

from pydantic import ValidationError

from vault_estate.environment import ReadsSecrets
from vault_estate.errors import VaultEstateError
from vault_estate.settings_source import VaultSettings, own_client

_LOG = logging.getLogger("vault_estate")

S = TypeVar("S", bound=VaultSettings)


def live(settings: type[S]) -> S:
    """Settings whose fields are always of one valid whole, and of what the client has of Vault now. They have their
    client open as long as the process lives, and no thread: what is old is read by whoever asks for a field.

    Raises ConfigurationError and pydantic.ValidationError: as `settings()`, now. Later it raises neither.
    """
    return cast("S", _LiveSettings(settings))


class _LiveSettings:
    """Stands for settings, by their newest whole."""

    __slots__ = ("_kind", "_making", "_present", "_reader")

    def __init__(self, settings: type[VaultSettings]) -> None:
        reader = _Reader(settings.vault_client or own_client)
        kind = type(settings.__name__, (settings,), {"vault_client": staticmethod(reader.opened)})
        for name, value in (("_kind", kind), ("_reader", reader), ("_making", threading.Lock())):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "_present", kind())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._newest(), name)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        msg = f"{name} can't be set; expected live settings to be read only"
        raise AttributeError(msg)

    def __repr__(self) -> str:
        return f"live {self._newest()!r}"

    def _newest(self) -> VaultSettings:
        if self._reader.is_changed() and self._making.acquire(blocking=False):
            try:
                self._make()
            finally:
                self._making.release()
        found: VaultSettings = self._present
        return found

    def _make(self) -> None:
        try:
            made = self._kind()
        except (VaultEstateError, ValidationError) as error:
            # An error of the library's shows no value. Pydantic's own would not either, but has the names of fields
            # that others may not read.
            _LOG.warning("%s are kept as they were: %s", self._kind.__name__, type(error).__name__)
        else:
            object.__setattr__(self, "_present", made)


class _Reader:
    """Reads by one client that stays open, and remembers what settings were made of."""

    def __init__(self, begin: Callable[[Mapping[str, str]], AbstractContextManager[ReadsSecrets]]) -> None:
        self._begin = begin
        self._client: ReadsSecrets | None = None
        self._has: dict[str, Mapping[str, str]] = {}

    def opened(self, environ: Mapping[str, str]) -> AbstractContextManager[ReadsSecrets]:
        """As `VaultSettings.vault_client`."""
        if self._client is None:
            self._client = self._begin(environ).__enter__()
        return nullcontext(self)

    @property
    def manifest(self) -> object:
        """The client's."""
        return getattr(self._client, "manifest", None)

    def get_secret(self, name: str, /) -> Mapping[str, str]:
        """As the client, and kept. Raises as it does."""
        if self._client is None:
            raise AssertionError  # settings open it first
        found = self._client.get_secret(name)
        self._has[name] = found
        return found

    def is_changed(self) -> bool:
        """Whether Vault has another version of a secret than settings were made of; what can't be read hasn't."""
        return any(self._differs(name, kept) for name, kept in list(self._has.items()))

    def _differs(self, name: str, kept: Mapping[str, str]) -> bool:
        if self._client is None:
            return False
        try:
            found = self._client.get_secret(name)
        except VaultEstateError:
            return False
        if found is kept:
            return False
        versions = (getattr(found, "version", None), getattr(kept, "version", None))
        return versions[0] != versions[1] if None not in versions else found != kept
