"""The client for asyncio: what is in memory is given at once, everything else is asked for in a thread.

Owns single flight across tasks. Refuses a second core: sessions, cache and leases are the client's own, so threads and
tasks of one process share them.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any

from vault_estate.client import VaultClient
from vault_estate.errors import VaultEstateError
from vault_estate.events import Observer
from vault_estate.guarded import NotPickled
from vault_estate.hiding import hides_awaited_values, hides_values
from vault_estate.leases import DatabaseLogin
from vault_estate.models import IssuedCertificate, Secret, VaultHealth
from vault_estate.opening import VaultClientConfig
from vault_estate.rewrapping import WrappedText

if TYPE_CHECKING:
    from vault_estate.manifest import ClientManifest

_Question = tuple[asyncio.AbstractEventLoop, str, int | None, int | None]


class AsyncVaultClient(NotPickled):
    """As `VaultClient`, with the same calls and errors; `sync` is that client."""

    @hides_values
    def __init__(
        self,
        config: VaultClientConfig | None = None,
        *,
        manifest: "ClientManifest | str | os.PathLike[str] | None" = None,
        environ: Mapping[str, str] = os.environ,
        observers: Sequence[Observer] = (),
    ) -> None:
        """Nothing is asked of Vault yet. Raises ConfigurationError, as `VaultClient`."""
        self.sync = VaultClient(config, manifest=manifest, environ=environ, observers=observers)
        self._asked: dict[_Question, asyncio.Task[Secret]] = {}

    def __repr__(self) -> str:
        return f"Async{self.sync!r}"

    async def __aenter__(self) -> "AsyncVaultClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Revoke the token, and close connections."""
        await asyncio.to_thread(self.sync.close)

    async def get_secret(self, name: str, *, version: int | None = None, min_version: int | None = None) -> Secret:
        """A secret, from memory if it was read in the last minutes. Raises as `VaultClient.get_secret`."""
        found = self.sync.peek(name, version=version, min_version=min_version)
        if found is not None:
            return found
        question = (asyncio.get_running_loop(), name, version, min_version)
        while True:
            task = self._asked.get(question)
            if task is None or task.done():
                task = self._asked[question] = asyncio.create_task(self._ask(name, version, min_version))
                task.add_done_callback(partial(self._answered, question))
            else:
                found = self.sync.peek(name, version=version, min_version=min_version, is_asked=True)
                if found is not None:
                    return found
            try:
                # A task that is cancelled leaves the question to the others.
                return await asyncio.shield(task)
            except VaultEstateError as error:
                failed = copy(error)  # each its own: a traceback belongs to one
                break
            except asyncio.CancelledError:
                # The question's own, as by a program that cancels whatever runs: whoever asks now asks anew.
                me = asyncio.current_task()
                if not task.cancelled() or me is None or me.cancelling():
                    raise
        raise failed

    async def _ask(self, name: str, version: int | None, min_version: int | None) -> Secret:
        return await asyncio.to_thread(self.sync.get_secret, name, version=version, min_version=min_version)

    def _answered(self, question: _Question, task: asyncio.Task[Secret]) -> None:
        """Also of a task that was cancelled before it began."""
        if self._asked.get(question) is task:
            del self._asked[question]
        if not task.cancelled():
            task.exception()  # if every task that waits is cancelled, nobody else takes it

    @hides_awaited_values
    async def refresh(self, name: str) -> Secret:
        """A secret as Vault has it now. Raises as `VaultClient.refresh`."""
        return await asyncio.to_thread(self.sync.refresh, name)

    def invalidate(self, name: str | None = None) -> None:
        """Forget a secret, or all."""
        self.sync.invalidate(name)

    @hides_awaited_values
    async def accepted(
        self, name: str, *, key: str | None = None, grace_seconds: float | None = None
    ) -> tuple[Secret, ...]:
        """What a verifier takes. Raises as `VaultClient.accepted`."""
        return await asyncio.to_thread(self.sync.accepted, name, key=key, grace_seconds=grace_seconds)

    @hides_awaited_values
    async def accepts(self, name: str, key: str, shown: str, *, grace_seconds: float | None = None) -> bool:
        """Whether a verifier takes this value. Raises as `VaultClient.accepts`."""
        return await asyncio.to_thread(self.sync.accepts, name, key, shown, grace_seconds=grace_seconds)

    @asynccontextmanager
    async def database(self, role: str) -> AsyncIterator[DatabaseLogin]:
        """A database role's credentials, kept alive by a thread; they are in memory when this is entered.
        Raises as `VaultClient.database`, and VaultEstateError: there are none."""
        login = self.sync.database(role)
        await asyncio.to_thread(login.__enter__)
        try:
            yield login
        finally:
            login.close()

    @hides_awaited_values
    async def certificate(
        self, role: str, common_name: str, *, ttl_seconds: int | None = None, names: Sequence[str] = ()
    ) -> IssuedCertificate:
        """A new certificate. Raises as `VaultClient.certificate`."""
        return await asyncio.to_thread(self.sync.certificate, role, common_name, ttl_seconds=ttl_seconds, names=names)

    @hides_awaited_values
    async def encrypt(self, key: str, plaintext: bytes, *, context: bytes | None = None) -> str:
        """A ciphertext. Raises as `VaultClient.encrypt`."""
        return await asyncio.to_thread(self.sync.encrypt, key, plaintext, context=context)

    @hides_awaited_values
    async def decrypt(self, key: str, ciphertext: str, *, context: bytes | None = None) -> bytes:
        """What was encrypted. Raises as `VaultClient.decrypt`."""
        return await asyncio.to_thread(self.sync.decrypt, key, ciphertext, context=context)

    @hides_awaited_values
    async def rewrap(self, key: str, wrapped: Sequence[WrappedText]) -> list[WrappedText]:
        """The same by the key's newest version. Raises as `VaultClient.rewrap`."""
        return await asyncio.to_thread(self.sync.rewrap, key, wrapped)

    @hides_awaited_values
    async def health(self) -> VaultHealth:
        """How Vault is, and this client."""
        return await asyncio.to_thread(self.sync.health)

    @property
    def hvac(self) -> Any:
        """As `VaultClient.hvac`; it waits for its answers."""
        return self.sync.hvac
