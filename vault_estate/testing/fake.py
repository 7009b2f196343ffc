"""`FakeVault`: the fixture `vault`.

Owns the way from a client's connections to the Vault in memory. Refuses to open a socket, and to wait.
"""

import io
import json
import ssl
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import ReadTimeoutError

from vault_estate.clock import Clock
from vault_estate.errors import ConfigurationError
from vault_estate.testing.clocks import FakeClock
from vault_estate.testing.double import ObservedTransport, VaultDouble
from vault_estate.testing.grants import GrantedPath, granted
from vault_estate.testing.server import FakeServer
from vault_estate.tls import Trust
from vault_estate.transport import Patience, Transport

if TYPE_CHECKING:
    from vault_estate.manifest import ClientManifest

ADDRESS = "https://fake-vault.invalid:8200"
"""Which no name server knows, so that nobody is asked by mistake."""


class _Unconnected(Trust):
    """Reads no certificates, as nobody is connected to."""

    def context(self) -> ssl.SSLContext:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class _FakePool(urllib3.HTTPConnectionPool):
    """Connections that lead into memory."""

    def __init__(self, vault: "FakeVault", clock: Clock, *, is_slow: bool) -> None:
        super().__init__(str(urlsplit(ADDRESS).hostname))
        self._vault = vault
        self._clock = clock
        self._is_slow = is_slow

    def urlopen(  # type: ignore[override]  # of urllib3's many arguments the transport gives these
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: urllib3.Timeout,
        **_: Any,
    ) -> urllib3.HTTPResponse:
        seconds = self._vault.slow_seconds if self._is_slow else 0.0
        patience = float(timeout.read_timeout or 0.0)
        if seconds > patience:
            # Vault has been asked all the same; what it said came too late.
            self._clock.sleep(patience)
            self._said(method, url, body, headers or {})
            raise ReadTimeoutError(self, url, "Read timed out.")
        self._clock.sleep(seconds)
        status, document = self._said(method, url, body, headers or {})
        content = b"" if document is None else json.dumps(document).encode()
        return urllib3.HTTPResponse(
            body=io.BytesIO(content),
            headers={
                "Content-Type": "application/json",
                "Content-Length": str(len(content)),
                "Date": formatdate(self._clock.wall(), usegmt=True),
            },
            status=status,
            preload_content=False,
        )

    def _said(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, Any] | None]:
        asked = json.loads(body) if body else {}
        token = headers.get("X-Vault-Token", "")
        return self._vault.server.answer(method, url.removeprefix("/v1/"), token, asked)


class FakeTransport(ObservedTransport):
    """Tries, deadlines, the breaker and the reading of answers are the transport's own."""

    def __init__(
        self,
        vault: "FakeVault",
        *,
        clock: Clock,
        requests: list[str],
        patience: Patience | None,
        is_slow: bool,
    ) -> None:
        super().__init__(ADDRESS, trust=_Unconnected(), clock=clock, requests=requests, patience=patience)
        self._pool_of_vault = _FakePool(vault, clock, is_slow=is_slow)

    def _pool(self, number: int) -> urllib3.HTTPConnectionPool:  # noqa: ARG002 - there is one address
        return self._pool_of_vault


class FakeVault(VaultDouble):
    """A fake Vault in memory, behind the real client.

    It has KV version 2 with versions, custom metadata, deletion and destruction; tokens with their lives; ACL policies
    as the manifest grants; transit's encrypt and decrypt; and database logins, which open no database. One contract
    suite holds it to what OpenBao 2.7 answers.

    What it doesn't do: certificates (PKI), other logins than its own AppRole (a client's `auth=` and variables count
    for nothing), namespaces, response wrapping, `PATCH`, quotas, audit, standby nodes, redirects, TLS, limits of sizes,
    HashiCorp's own texts. What those do to an application is seen with `live_vault` or not at all.
    """

    def __init__(self, *, manifest: "ClientManifest | None" = None) -> None:
        """Empty and unsealed. `manifest` says which secrets there may be; without it any, in the mount `secret`."""
        clock = FakeClock()
        self.slow_seconds = 0.0
        self.server = FakeServer(clock, manifest)
        """What is asked in the end; a test rarely needs it."""
        super().__init__(ADDRESS, trust=_Unconnected(), clock=clock, manifest=manifest)
        self._govern(granted(manifest, ()))

    def slow(self, seconds: float) -> None:
        """Take so long for each answer to a client, by `clock`; nobody waits. More than 2 s is too long for a client
        as it comes (`Patience`). Raises ConfigurationError: less than 0."""
        if seconds < 0:
            raise ConfigurationError(f"seconds is {seconds}; expected 0 or more")
        self.slow_seconds = seconds

    @property
    def _root_token(self) -> str:
        return self.server.root_token

    @property
    def _unseal_key(self) -> str:
        return self.server.unseal_key

    @property
    def _role_id(self) -> str:
        return self.server.role_id

    @property
    def _secret_id(self) -> str:
        return self.server.secret_id

    def _govern(self, rules: Sequence[GrantedPath]) -> None:
        self.server.grants = rules

    def _connection(self, requests: list[str], patience: Patience | None, clock: Clock | None = None) -> Transport:
        is_clients = requests is self.requests
        return FakeTransport(self, clock=clock or self.clock, requests=requests, patience=patience, is_slow=is_clients)
