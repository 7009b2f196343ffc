"""What a test does with its Vault, the same for the fake and for a real server.

Owns secrets by their names, and that a `VaultClient()` of the application is served: the client is the real one, down
to the reading of answers; only where its connections lead is another. Refuses to leave a client behind.
"""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest import mock

from vault_estate import client as clients
from vault_estate import manifest as manifests
from vault_estate import opening
from vault_estate.answers import Answer
from vault_estate.auth.approle import AppRoleAuth, SecretIdVariable
from vault_estate.clock import Clock
from vault_estate.errors import ConfigurationError
from vault_estate.opening import OpenedClient, VaultClientConfig
from vault_estate.testing.clocks import FakeClock
from vault_estate.testing.grants import KV_MOUNT, GrantedPath, granted
from vault_estate.tls import Trust
from vault_estate.transport import HEALTH_STATUSES, Call, Patience, Transport

if TYPE_CHECKING:
    import os

    from vault_estate.manifest import ClientManifest

ROLE = "application"
"""Of the login that a test's clients have, and of its ACL policy."""
_UNSEALED_TRIES = 100


class ObservedTransport(Transport):
    """The client's own, which writes down what was asked."""

    def __init__(
        self, address: str, *, trust: Trust, clock: Clock, requests: list[str], patience: Patience | None = None
    ) -> None:
        super().__init__([address], trust=trust, clock=clock, patience=patience)
        self._requests = requests

    def _exchange(self, call: Call, present: int, deadline: float) -> Answer:
        self._requests.append(f"{call.method} {call.path}")
        return super()._exchange(call, present, deadline)


class VaultDouble(ABC):
    """A Vault that a test fills, and makes to fail. Names of secrets are the manifest's; without a manifest they are
    paths in the mount `secret`."""

    clock: FakeClock
    """What the application's clients take as time: `clock.advance(300)`."""
    requests: list[str]
    """What clients asked, as `GET secret/data/app-prod`: methods and paths, never a value."""

    def __init__(self, address: str, *, trust: Trust, clock: FakeClock, manifest: "ClientManifest | None") -> None:
        """Nothing is in it."""
        self.clock = clock
        self.requests = []
        self._address, self._trust = address, trust
        self.manifest = manifest
        """The application's document; None: it has none."""
        self._denied: set[tuple[str, str]] = set()
        self._opened: list[Transport] = []
        self._administration = self._connection([], None)
        clock.while_advancing = self._keep_leases

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address})"

    def put(self, name: str, values: Mapping[str, str] | None = None, /, **more: str) -> int:
        """Write a new version of a secret, with nothing of the one before; its number. Raises ConfigurationError: the
        manifest has no such secret."""
        body = {"data": {**(values or {}), **more}}
        return int(self.administer("POST", self._path("data", name), body)["data"]["version"])

    def peek(self, name: str, *, version: int | None = None) -> dict[str, str]:
        """What Vault has, and not what a client remembers. Raises SecretNotFound: nothing."""
        asked = f"{self._path('data', name)}{f'?version={version}' if version else ''}"
        return dict(self.administer("GET", asked)["data"]["data"])

    def rotate(self, name: str, *keys: str) -> int:
        """Give some keys new random values, or all; the new version's number. Raises ConfigurationError: the secret has
        no such key."""
        present = self.peek(name)
        unknown = sorted(set(keys) - present.keys())
        if unknown:
            raise ConfigurationError(f"key is {unknown[0]!r}; expected one of {name}: {', '.join(sorted(present))}")
        return self.put(name, {**present, **{key: secrets.token_urlsafe(24) for key in keys or present}})

    def delete(self, name: str, *versions: int) -> None:
        """Delete some versions, or the present one; it can be undone."""
        if versions:
            self.administer("POST", self._path("delete", name), {"versions": list(versions)})
        else:
            self.administer("DELETE", self._path("data", name))

    def undelete(self, name: str, *versions: int) -> None:
        """Undo that."""
        self.administer("POST", self._path("undelete", name), {"versions": list(versions)})

    def destroy(self, name: str, *versions: int) -> None:
        """Remove versions for good."""
        self.administer("POST", self._path("destroy", name), {"versions": list(versions)})

    def describe(self, name: str, /, **custom_metadata: str) -> None:
        """Write a secret's custom metadata in the place of those before."""
        self.administer("POST", self._path("metadata", name), {"custom_metadata": custom_metadata})

    def metadata(self, name: str) -> dict[str, Any]:
        """What Vault tells of a secret and its versions, with `custom_metadata`; no value is in it."""
        return dict(self.administer("GET", self._path("metadata", name))["data"])

    def deny(self, *names: str) -> None:
        """Refuse secrets to the application from now on (403)."""
        self._denied |= {self._place(name) for name in names}
        self._govern(granted(self.manifest, self._denied))

    def allow(self, *names: str) -> None:
        """Undo that, for some or for all."""
        self._denied -= {self._place(name) for name in names} if names else set(self._denied)
        self._govern(granted(self.manifest, self._denied))

    def seal(self) -> None:
        """Seal it: it keeps what it has and answers nothing."""
        self.administer("PUT", "sys/seal")

    def unseal(self) -> None:
        """Undo that, and wait until it answers. Raises TimeoutError: it doesn't."""
        self._administration.send("PUT", "sys/unseal", body={"key": self._unseal_key})
        call = self._administration.prepared("GET", "sys/health")
        for _ in range(_UNSEALED_TRIES):
            if self._administration.answered(call, statuses=HEALTH_STATUSES).status == 200:
                return
            self.clock.sleep(0.05)
        msg = f"{self._address} is still sealed; expected it to be unsealed within 5 s"
        raise TimeoutError(msg)

    def expire(self) -> None:
        """End the token of every client, as when an operator revokes it: the next request is refused. A real server
        can't end a batch token before its time."""
        self.administer("POST", "sys/leases/revoke-prefix/auth/approle/login")

    def administer(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask as the administrator, by the path of Vault's API; the document. Raises VaultEstateError."""
        return self._administration.send(method, path, token=self._root_token, body=body)

    def client(self, config: VaultClientConfig | None = None) -> "clients.VaultClient":
        """The application's client, for programs without pytest's fixture. It ends with `close`.
        Raises ConfigurationError: as `VaultClient`."""
        with mock.patch.object(clients, "opened", self.opened):
            return clients.VaultClient(config)

    def opened(
        self,
        config: VaultClientConfig,
        *,
        manifest: "ClientManifest | str | os.PathLike[str] | None" = None,
        environ: Mapping[str, str] | None = None,  # noqa: ARG002 - nothing of it counts here
        clock: Clock | None = None,
    ) -> OpenedClient:
        """As `vault_estate.opening.opened`, which it takes the place of: a client's address, trust and login are this
        Vault's, whatever is said, and its manifest the test's.
        Raises ConfigurationError: the program names another manifest."""
        if manifest is not None and _read(manifest) != self.manifest:
            raise ConfigurationError(
                "manifest of the client is not the test's; expected a fixture `vault_manifest` that gives the same"
            )
        own = replace(config, address=self._address, auth=self._login(), trust=self._trust)
        found = opening.opened(own, manifest=self.manifest, environ={}, clock=clock or self.clock)
        transport = self._connection(self.requests, found.transport.patience, clock)
        self._opened.append(transport)
        return replace(found, transport=transport)

    def close(self) -> None:
        """Close every client that it served."""
        for client in self._clients():
            client.close()
        self.clock.while_advancing = lambda: False

    def _clients(self) -> "list[clients.VaultClient]":
        return [one for one in list(clients._CLIENTS) if one._transport in self._opened]

    def _keep_leases(self) -> bool:
        """What the client's thread does, which doesn't know this clock."""
        leases = [one._leases for one in self._clients() if one._leases._logins]
        for one in leases:
            one.look()
        return bool(leases)

    def _login(self) -> AppRoleAuth:
        given = SecretIdVariable("VAULT_SECRET_ID", {"VAULT_SECRET_ID": self._secret_id})
        return AppRoleAuth(role_id=self._role_id, secret_id=given, role=ROLE)

    def _place(self, name: str) -> tuple[str, str]:
        if self.manifest is None:
            return KV_MOUNT, name
        found = self.manifest.secret(name)
        return found.mount, found.path

    def _path(self, part: str, name: str) -> str:
        mount, path = self._place(name)
        return f"{mount}/{part}/{clients._path(path)}"

    @property
    @abstractmethod
    def _root_token(self) -> str: ...

    @property
    @abstractmethod
    def _unseal_key(self) -> str: ...

    @property
    @abstractmethod
    def _role_id(self) -> str: ...

    @property
    @abstractmethod
    def _secret_id(self) -> str: ...

    @abstractmethod
    def _govern(self, rules: Sequence[GrantedPath]) -> None:
        """Grant the application this and nothing else."""

    @abstractmethod
    def _connection(self, requests: list[str], patience: Patience | None, clock: Clock | None = None) -> Transport:
        """A way to it that writes down what is asked."""


def _read(manifest: "ClientManifest | str | os.PathLike[str]") -> "ClientManifest":
    return manifest if isinstance(manifest, manifests.ClientManifest) else manifests.load(manifest)
