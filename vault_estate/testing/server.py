"""A Vault in memory: what it answers to a request, and nothing of how it is asked.

A fake, which answers as OpenBao 2.7 does (one contract suite asks both). Owns tokens, who may do what, and being
sealed. Refuses what it doesn't know with 404, as Vault does a path where nothing is mounted.
"""

import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from vault_estate.clock import Clock
from vault_estate.testing.engines import FakeDatabase, FakeTransit
from vault_estate.testing.grants import KV_MOUNT, GrantedPath, may
from vault_estate.testing.kv import DONE, FakeKv, Reply, refused

if TYPE_CHECKING:
    from vault_estate.manifest import ClientManifest

_LOGIN = "auth/approle/login"
_TTL_SECONDS, _MAX_TTL_SECONDS = 3_600.0, 14_400.0
_DEAD: Reply = (403, {"errors": ["permission denied"]})
_FORBIDDEN: Reply = (403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]})
_SEALED: Reply = (503, {"errors": ["Vault is sealed"]})
_USUAL = {"lease_id": "", "renewable": False, "lease_duration": 0, "wrap_info": None, "warnings": None, "auth": None}
_CAPABILITIES = {"GET": "read", "LIST": "list", "DELETE": "delete", "POST": "update"}


@dataclass(kw_only=True)
class _FakeToken:
    ends_at: float
    ends_at_last: float
    accessor: str


class FakeServer:
    """What is in it, and how it is. Threads may ask it at once."""

    def __init__(self, clock: Clock, manifest: "ClientManifest | None") -> None:
        """Empty, unsealed, and nothing is granted."""
        self._clock = clock
        self._lock = threading.RLock()
        self.role_id, self.secret_id = secrets.token_hex(16), secrets.token_hex(16)
        self.root_token, self.unseal_key = secrets.token_hex(16), secrets.token_hex(16)
        self.grants: Sequence[GrantedPath] = ()
        self._sealed = False
        self._tokens: dict[str, _FakeToken] = {}
        login = manifest.login if manifest else None
        self._ttl = float(login.token_ttl_seconds) if login else _TTL_SECONDS
        self._longest = float(login.token_max_ttl_seconds) if login else _MAX_TTL_SECONDS
        self._batch = login is not None and login.token_type == "batch"  # noqa: S105 - a kind
        mounts = {one.mount for one in manifest.secrets.values()} if manifest else {KV_MOUNT}
        self._kv = {mount: FakeKv(clock.wall) for mount in mounts}
        transit, database = (manifest.transit, manifest.database) if manifest else (None, None)
        self._transit = {transit.mount if transit else "transit": FakeTransit(transit)}
        self._database_mount = database.mount if database else "database"
        self._database = FakeDatabase(database, clock)

    def answer(self, method: str, target: str, token: str, body: Mapping[str, Any]) -> Reply:
        """What it says; `target` is the path below `/v1/`, as it was sent."""
        path, _, question = target.partition("?")
        query = dict(parse_qsl(question))
        verb = "POST" if method == "PUT" else "LIST" if query.get("list") == "true" else method
        with self._lock:
            status, document = self._answer(verb, unquote(path), query, token, body)
        if document is not None and "errors" not in document and not path.startswith("sys/"):
            document = {"request_id": secrets.token_hex(16), **_USUAL, **document}
        return status, document

    def _answer(self, method: str, path: str, query: Mapping[str, str], token: str, body: Mapping[str, Any]) -> Reply:
        if path == "sys/health":
            told = {"initialized": True, "sealed": self._sealed, "standby": False, "version": "2.7.2+fake"}
            return (503 if self._sealed else 200), told
        if self._sealed or path == "sys/unseal":
            return self._unseal(body) if path == "sys/unseal" else _SEALED
        if path == _LOGIN:
            return self._log_in(body)
        return self._authenticated(method, path, query, token, body)

    def _authenticated(
        self, method: str, path: str, query: Mapping[str, str], token: str, body: Mapping[str, Any]
    ) -> Reply:
        if token == self.root_token:
            return self._administered(method, path, query, token, body)
        if token not in self._living():
            return _DEAD
        return self._asked(method, path, query, token, body)

    def _living(self) -> Mapping[str, _FakeToken]:
        now = self._clock.now()
        self._tokens = {value: one for value, one in self._tokens.items() if one.ends_at > now}
        return self._tokens

    def _administered(
        self, method: str, path: str, query: Mapping[str, str], token: str, body: Mapping[str, Any]
    ) -> Reply:
        if path == "sys/seal":
            self._sealed = True
            return DONE
        if path == f"sys/leases/revoke-prefix/{_LOGIN}":
            self._tokens.clear()
            return DONE
        return self._in_an_engine(method, path, query, token, body)

    def _asked(self, method: str, path: str, query: Mapping[str, str], token: str, body: Mapping[str, Any]) -> Reply:
        if path.startswith("auth/token/"):
            return self._about_token(path, token)
        if path == "sys/leases/renew" and method == "POST":
            return self._database.renew(str(body.get("lease_id")), self._living())
        capability = _CAPABILITIES.get(method, "none")
        allowed = may(self.grants, path, capability) or (method == "POST" and may(self.grants, path, "create"))
        return self._in_an_engine(method, path, query, token, body) if allowed else _FORBIDDEN

    def _in_an_engine(
        self, method: str, path: str, query: Mapping[str, str], token: str, body: Mapping[str, Any]
    ) -> Reply:
        engines: dict[str, FakeKv | FakeTransit] = {**self._kv, **self._transit}
        for mount, engine in engines.items():
            if path.startswith(f"{mount}/"):
                return engine.answer(method, path.removeprefix(f"{mount}/"), query, body)
        if path.startswith(f"{self._database_mount}/"):
            inside = path.removeprefix(f"{self._database_mount}/")
            return self._database.answer(method, inside, token, self._database_mount)
        return refused(f'no handler for route "{path}". route entry not found.', 404)

    def _unseal(self, body: Mapping[str, Any]) -> Reply:
        if body.get("key") != self.unseal_key:
            return refused("'key' must be a valid hex or base64 string")
        self._sealed = False
        return 200, {"sealed": False}

    def _log_in(self, body: Mapping[str, Any]) -> Reply:
        if (body.get("role_id"), body.get("secret_id")) != (self.role_id, self.secret_id):
            return refused("invalid role or secret ID")
        now, value = self._clock.now(), secrets.token_hex(16)
        self._tokens[value] = _FakeToken(
            ends_at=now + self._ttl, ends_at_last=now + self._longest, accessor=secrets.token_hex(8)
        )
        return self._token_told(value, self._ttl)

    def _token_told(self, value: str, seconds: float) -> Reply:
        auth = {
            "client_token": value,
            "accessor": "" if self._batch else self._tokens[value].accessor,
            "lease_duration": int(seconds),
            "renewable": not self._batch,
            "token_type": "batch" if self._batch else "service",
        }
        return 200, {"auth": auth}

    def _about_token(self, path: str, value: str) -> Reply:
        token, now = self._tokens[value], self._clock.now()
        if path == "auth/token/revoke-self":
            if not self._batch:
                del self._tokens[value]
            return DONE
        if path == "auth/token/renew-self":
            if self._batch:
                return refused("batch tokens cannot be renewed")
            token.ends_at = min(now + self._ttl, token.ends_at_last)
            return self._token_told(value, token.ends_at - now)
        if path != "auth/token/lookup-self":
            return _FORBIDDEN
        kind = "batch" if self._batch else "service"
        told = {"ttl": int(token.ends_at - now), "policies": ["application", "default"], "type": kind}
        return 200, {"data": {**told, "renewable": not self._batch, "accessor": token.accessor}}
