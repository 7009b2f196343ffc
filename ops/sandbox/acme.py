"""The sandbox's ACME authority: a small OpenBao whose PKI engine signs with the sandbox's own CA.

Owns its folder and its first start. Keeps no root token and no recovery key: what it was told at its first start is all
it will ever do, and a first start that was cut short is done again from nothing.
"""

import os
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import hvac
import requests
from hvac.exceptions import VaultError

from composition.private_files import create_private, private_directory, write_private
from ops.errors import EstateError
from ops.local.openbao import SEAL_KEY_BYTES, configuration, wheel_binary
from ops.processes.supervisor import ChildSpec
from ops.sandbox.names import DNS_PORT

PORT = 8300
_CLUSTER_PORT = 8301
_SECONDS = 10
_UNSEAL_SECONDS = 15.0
"""How long it may take from its initialisation until it serves; measured here: 1.5 s."""
_CERTIFICATE_SECONDS = 90 * 86_400
"""As long as Let's Encrypt's."""


@dataclass(frozen=True, kw_only=True)
class AcmeAuthority:
    """The server, in a folder of its own."""

    directory: Path
    tls: Path
    """Folder of the sandbox's CA and of the servers' certificate."""
    gateway: str

    @property
    def url(self) -> str:
        """Of its API."""
        return f"https://{self.gateway}:{PORT}"

    @property
    def directory_url(self) -> str:
        """What ACME clients are told."""
        return f"{self.url}/v1/pki/acme/directory"

    @property
    def _is_told(self) -> Path:
        return self.directory / "told"

    def prepare(self) -> None:
        """Make what it needs to start. To be called when it doesn't run. Raises OSError."""
        if not self._is_told.exists():
            shutil.rmtree(self.directory, ignore_errors=True)
        storage = private_directory(self.directory / "data")
        create_private(self.directory / "seal.key", secrets.token_bytes(SEAL_KEY_BYTES))
        content = configuration(
            "acme",
            host=self.gateway,
            ports=(PORT, _CLUSTER_PORT),
            storage=storage,
            tls=self.tls,
            seal_key_file=str(self.directory / "seal.key"),
            audit={"file": self.directory / "audit.log"},
        )
        write_private(self.directory / "server.hcl", content)

    def child(self, log: Path) -> ChildSpec:
        """How the supervisor runs it."""
        return ChildSpec(
            name="acme",
            argv=[str(wheel_binary()), "server", f"-config={self.directory / 'server.hcl'}"],
            directory=str(self.directory),
            environment={"PATH": os.defpath, "HOME": str(self.directory), "LANG": "C"},
            log=str(log),
        )

    def is_up(self) -> bool:
        """Whether it answers, told or not."""
        try:
            answer = requests.get(
                f"{self.url}/v1/sys/seal-status", verify=str(self.tls / "ca.crt"), timeout=_SECONDS, proxies=_DIRECTLY
            )
        except requests.RequestException:
            return False
        status = answer.json()
        return not status.get("initialized") or not status.get("sealed")

    def tell(self) -> None:
        """Tell it once, when it runs, to sign for whoever answers at a name of the sandbox's.
        Raises EstateError if it refused."""
        if self._is_told.exists():
            return
        client = hvac.Client(
            url=self.url, token="", verify=str(self.tls / "ca.crt"), timeout=_SECONDS, proxies=_DIRECTLY
        )
        try:
            shares = {"recovery_shares": 1, "recovery_threshold": 1}
            client.token = client.adapter.put("/v1/sys/init", json=shares)["root_token"]
            self._wait(client)
            self._configure(client)
            client.auth.token.revoke_self()
        except (VaultError, requests.RequestException) as error:
            raise EstateError(f"the sandbox's ACME authority: {' '.join(str(error).split())}") from None
        finally:
            client.adapter.close()
        write_private(self._is_told, b"")

    def _wait(self, client: hvac.Client) -> None:
        deadline = time.monotonic() + _UNSEAL_SECONDS
        while True:
            health = client.adapter.request("GET", "/v1/sys/health", raise_exception=False)
            document = health if isinstance(health, dict) else health.json()
            if not (document.get("sealed", True) or document.get("standby", True)):
                return
            if time.monotonic() > deadline:
                raise EstateError(f"the sandbox's ACME authority does not serve after {_UNSEAL_SECONDS:.0f} s")
            time.sleep(0.1)

    def _configure(self, client: hvac.Client) -> None:
        bundle = "".join((self.tls / name).read_text(encoding="ascii") for name in ("ca.crt", "ca.key"))
        lifetime = f"{_CERTIFICATE_SECONDS}s"
        # ACME speaks in headers that the server hides from a mount unless it is told not to.
        shown = {"allowed_response_headers": ["Last-Modified", "Location", "Replay-Nonce", "Link"]}
        lifetimes = {"default_lease_ttl": lifetime, "max_lease_ttl": lifetime}
        for path, body in (
            ("sys/mounts/pki", {"type": "pki", "config": {**lifetimes, **shown}}),
            ("pki/config/ca", {"pem_bundle": bundle}),
            ("pki/config/cluster", {"path": f"{self.url}/v1/pki", "aia_path": f"{self.url}/v1/pki"}),
            ("pki/config/acme", {"enabled": True, "dns_resolver": f"{self.gateway}:{DNS_PORT}"}),
        ):
            client.write_data(path, data=body)


_DIRECTLY = {"https": ""}
"""No proxy: the server is on this machine."""
