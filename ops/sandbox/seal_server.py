"""The server that unseals a sandbox's servers in their cluster: another OpenBao, whose transit key stands in for KMS.

Owns its files, its first start, and the token of whoever unseals. Refuses to go on where a first start was lost and its
root token with it.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from components.payloads.move_seal_key import key_id
from components.render.seals import SealPlace
from composition.private_files import create_private, private_directory, write_private
from ops.errors import EstateError
from ops.local.openbao import SEAL_KEY_BYTES, OpenBao
from ops.processes.servers import eventually
from ops.processes.supervisor import ChildSpec

KEY = "seal"
"""Name of the transit key."""
_API_PORT, _CLUSTER_PORT = 8300, 8301
_POLICY = "unseals"
_RULES = "".join(f'path "transit/{word}/{KEY}" {{ capabilities = ["update"] }}\n' for word in ("encrypt", "decrypt"))
_PERIOD = "768h"
"""The longest that a token lives without being renewed; the servers renew theirs."""
_ANSWER_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class SealServer:
    """The server, in the folder of a sandbox's servers, whose certificate it has."""

    directory: Path
    address: str
    """Of this machine, as pods reach it."""

    @property
    def server(self) -> OpenBao:
        """How it is run."""
        return OpenBao(
            directory=self.directory,
            host=self.address,
            api_port=_API_PORT,
            cluster_port=_CLUSTER_PORT,
            name="seal",
            section="sandbox",
        )

    @property
    def url(self) -> str:
        """Where it answers."""
        return self.server.address

    @property
    def token_file(self) -> Path:
        """The token of whoever unseals by it."""
        return self.server.home / "unsealing-token"

    @property
    def _root_file(self) -> Path:
        return self.server.home / "root-token"

    def prepare(self) -> None:
        """Make its files."""
        own = self.server
        private_directory(own.home)
        private_directory(own.home / "data")
        create_private(own.seal_key, secrets.token_bytes(SEAL_KEY_BYTES))
        key = SealPlace(static_key_file=str(own.seal_key), static_key_id=key_id(own.seal_key.read_bytes()))
        own.configure("seal", seal=key, audit={path.stem: path for path in own.audit_logs})

    def child(self) -> ChildSpec:
        """How the supervisor runs it."""
        return self.server.child()

    def is_ready(self) -> bool:
        """Whether it answers."""
        return self.server.is_ready()

    def ensure_token(self) -> None:
        """Its first start: a key, and a token that may use it and nothing else. Where that was stopped, it goes on.
        Raises EstateError: it can't, or the server refuses."""
        if self.token_file.is_file():
            return
        if not self._root_file.is_file():
            given = self._ask("PUT", "sys/init", "", {"recovery_shares": 1, "recovery_threshold": 1})
            write_private(self._root_file, str(given["root_token"]).encode())
        # It unseals itself after its initialisation, a moment later.
        eventually(self.is_ready, _ANSWER_SECONDS)
        root = self._root_file.read_text(encoding="ascii")
        if "transit/" not in self._ask("GET", "sys/mounts", root)["data"]:
            self._ask("POST", "sys/mounts/transit", root, {"type": "transit"})
        self._ask("POST", f"transit/keys/{KEY}", root, {})
        self._ask("POST", f"sys/policies/acl/{_POLICY}", root, {"policy": _RULES})
        wanted = {"policies": [_POLICY], "no_default_policy": False, "no_parent": True, "period": _PERIOD}
        token = self._ask("POST", "auth/token/create", root, wanted)["auth"]["client_token"]
        write_private(self.token_file, str(token).encode())
        self._ask("POST", "auth/token/revoke-self", root, {})
        self._root_file.unlink()

    def _ask(self, method: str, path: str, token: str, body: Any = None) -> Any:
        headers = {"X-Vault-Token": token} if token else {}
        try:
            answer = requests.request(
                method,
                f"{self.url}/v1/{path}",
                headers=headers,
                json=body,
                verify=str(self.server.ca_file),
                timeout=_ANSWER_SECONDS,
                proxies={"https": ""},
            )
            answer.raise_for_status()
            return answer.json() if answer.content else {}
        except requests.RequestException as error:
            raise EstateError(
                f"the server that unseals in the sandbox refused {path}: {type(error).__name__}; expected it to answer,"
                " or a new sandbox: ./estate down --sandbox"
            ) from None
