"""The sandbox's ACME authority: a small OpenBao whose PKI engine signs with the sandbox's own CA.

Owns its folder and its first start. Keeps no root token and no recovery key: what it was told at its first start is all
it will ever do, and a first start that was cut short is done again from nothing.
"""

import secrets
import shutil
from pathlib import Path

import hvac
import requests
from hvac.exceptions import VaultError

from components.render.seals import SealPlace
from composition.private_files import create_private, private_directory, write_private
from ops.errors import EstateError
from ops.local.openbao import SEAL_KEY_BYTES, OpenBao
from ops.processes.servers import eventually
from ops.sandbox.serving import DNS_PORT

PORT = 8300
_CLUSTER_PORT = 8301
_SECONDS = 10
_UNSEAL_SECONDS = 15.0
"""How long it may take from its initialisation until it serves; measured here: 1.5 s."""
_CERTIFICATE_SECONDS = 90 * 86_400
"""As long as Let's Encrypt's."""


class AcmeAuthority(OpenBao):
    """The server, in a folder of its own beside the one of the sandbox's CA and of the servers' certificate."""

    def __init__(self, directory: Path, gateway: str) -> None:
        super().__init__(directory=directory, name="acme", host=gateway, api_port=PORT, cluster_port=_CLUSTER_PORT)

    @property
    def directory_url(self) -> str:
        """What ACME clients are told."""
        return f"{self.address}/v1/pki/acme/directory"

    @property
    def _is_told(self) -> Path:
        return self.home / "told"

    def prepare(self) -> None:
        """Make what it needs to start. To be called when it doesn't run. Raises OSError."""
        if not self._is_told.exists():
            shutil.rmtree(self.home, ignore_errors=True)
        private_directory(self.home / "data")
        seal_key = self.home / "seal.key"
        create_private(seal_key, secrets.token_bytes(SEAL_KEY_BYTES))
        self.configure("acme", seal=SealPlace(static_key_file=str(seal_key)), audit={"file": self.audit_logs[0]})

    def is_up(self) -> bool:
        """Whether it answers, told or not."""
        health = self.health()
        return health is not None and not (health["initialized"] and health["sealed"])

    def tell(self) -> None:
        """Tell it once, when it runs, to sign for whoever answers at a name of the sandbox's.
        Raises EstateError if it refused."""
        if self._is_told.exists():
            return
        # No proxy: the server is on this machine.
        client = hvac.Client(
            url=self.address, token="", verify=str(self.ca_file), timeout=_SECONDS, proxies={"https": ""}
        )
        try:
            shares = {"recovery_shares": 1, "recovery_threshold": 1}
            client.token = client.adapter.put("/v1/sys/init", json=shares)["root_token"]
            if not eventually(self.is_ready, _UNSEAL_SECONDS):
                raise EstateError(f"the sandbox's ACME authority does not serve after {_UNSEAL_SECONDS:.0f} s")
            self._configure(client)
            client.auth.token.revoke_self()
        except (VaultError, requests.RequestException) as error:
            raise EstateError(f"the sandbox's ACME authority: {' '.join(str(error).split())}") from None
        finally:
            client.adapter.close()
        write_private(self._is_told, b"")

    def _configure(self, client: hvac.Client) -> None:
        bundle = "".join((self.directory / "tls" / name).read_text(encoding="ascii") for name in ("ca.crt", "ca.key"))
        lifetime = f"{_CERTIFICATE_SECONDS}s"
        # ACME speaks in headers that the server hides from a mount unless it is told not to.
        shown = {"allowed_response_headers": ["Last-Modified", "Location", "Replay-Nonce", "Link"]}
        lifetimes = {"default_lease_ttl": lifetime, "max_lease_ttl": lifetime}
        for path, body in (
            ("sys/mounts/pki", {"type": "pki", "config": {**lifetimes, **shown}}),
            ("pki/config/ca", {"pem_bundle": bundle}),
            ("pki/config/cluster", {"path": f"{self.address}/v1/pki", "aia_path": f"{self.address}/v1/pki"}),
            ("pki/config/acme", {"enabled": True, "dns_resolver": f"{self.host}:{DNS_PORT}"}),
        ):
            client.write_data(path, data=body)
