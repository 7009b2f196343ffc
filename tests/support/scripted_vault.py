"""A Vault in memory, behind the client's own transport, with a clock that a test sets.

A fake: it knows logins by AppRole, tokens, KV version 2 and leases of one database role, and answers as OpenBao 2.7 did
when it was asked (`tests/live/vault_estate/` asks it). What it doesn't know it answers with 404.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any

from tests.support.clocks import SetClock
from vault_estate.answers import Answer
from vault_estate.errors import VaultUnavailable
from vault_estate.transport import Call, Transport, _LostError

ROLE_ID, SECRET_ID = "role-of-aos", "fake-secret-id"
ADDRESS = "https://vault.example.com:8200"


@dataclass(kw_only=True)
class _Token:
    ends_at: float
    max_at: float
    batch: bool


@dataclass(kw_only=True)
class ScriptedVault:
    """What it holds, and how it is."""

    clock: SetClock = field(default_factory=SetClock)
    ttl: float = 3_600.0
    max_ttl: float = 14_400.0
    lease_ttl: float = 3_600.0
    lease_max_ttl: float = 14_400.0
    batch: bool = False
    secret_ids: set[str] = field(default_factory=lambda: {SECRET_ID})
    kv: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    written_at: dict[str, list[float]] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    sealed: bool = False
    gone: bool = False
    asked: list[str] = field(default_factory=list)
    tokens: dict[str, _Token] = field(default_factory=dict)
    leases: dict[str, tuple[str, float, float]] = field(default_factory=dict)
    """Of each its token, when it ends, and when at the latest."""
    before: Callable[[Call], None] = lambda _: None
    _count: int = 0

    def count(self, part: str) -> int:
        """How often something was asked."""
        return sum(part in one for one in self.asked)

    def kill_tokens(self) -> None:
        """As an operator who revokes them."""
        self.tokens.clear()
        self.leases.clear()

    def transport(self) -> Transport:
        """The client's own, with this at its end."""
        return ScriptedTransport(self)

    def answer(self, call: Call) -> Answer:
        """What it says."""
        self.before(call)
        path = call.path.partition("?")[0]
        self.asked.append(f"{call.method} {call.path}")
        if self.gone:
            raise _LostError(VaultUnavailable(f"{path}: no connection", path=path), taken=False)
        if path == "sys/health":
            return self._said(503 if self.sealed else 200, {"initialized": True, "sealed": self.sealed, "version": "2"})
        if self.sealed:
            return self._said(503, {"errors": ["Vault is sealed"]})
        body = json.loads(call.content) if call.content else {}
        if path == "auth/approle/login":
            return self._log_in(body)
        token = self.tokens.get(call.headers.get("X-Vault-Token", ""))
        if token is None or token.ends_at <= self.clock.now():
            return self._said(403, {"errors": ["permission denied"]})
        return self._allowed(call, path, body, token)

    def _allowed(self, call: Call, path: str, body: Mapping[str, Any], token: _Token) -> Answer:
        if any(path.startswith(one) for one in self.denied):
            return self._said(403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]})
        value = call.headers["X-Vault-Token"]
        if path.startswith("auth/token/"):
            return self._about_token(path, value, token)
        if path.startswith("database/creds/"):
            return self._lend(value)
        if path == "sys/leases/renew":
            return self._renew_lease(str(body["lease_id"]))
        return self._read(path, call.path)

    def _about_token(self, path: str, value: str, token: _Token) -> Answer:
        if path == "auth/token/renew-self":
            return self._renew(value, token)
        if path == "auth/token/revoke-self":
            del self.tokens[value]
            return self._said(204, None)
        told = {"ttl": token.ends_at - self.clock.now(), "policies": ["aos"], "renewable": not token.batch}
        return self._said(200, {"data": told})

    def _log_in(self, body: Mapping[str, Any]) -> Answer:
        if body.get("role_id") != ROLE_ID or body.get("secret_id") not in self.secret_ids:
            return self._said(400, {"errors": ["invalid role or secret ID"]})
        self._count += 1
        now = self.clock.now()
        value = f"fake-token-{self._count}"
        self.tokens[value] = _Token(ends_at=now + self.ttl, max_at=now + self.max_ttl, batch=self.batch)
        return self._auth(value, self.ttl)

    def _auth(self, value: str, seconds: float) -> Answer:
        kind = "batch" if self.batch else "service"
        auth = {"client_token": value, "lease_duration": seconds, "renewable": not self.batch, "token_type": kind}
        return self._said(200, {"auth": auth})

    def _renew(self, value: str, token: _Token) -> Answer:
        now = self.clock.now()
        if now >= token.max_at:
            return self._said(500, {"errors": ["past the max TTL, cannot renew"]})
        token.ends_at = min(now + self.ttl, token.max_at)
        return self._auth(value, token.ends_at - now)

    def _lend(self, token: str) -> Answer:
        self._count += 1
        now, lease = self.clock.now(), f"database/creds/aos/{self._count}"
        self.leases[lease] = (token, now + self.lease_ttl, now + self.lease_max_ttl)
        data = {"username": f"user-{self._count}", "password": f"fake-password-{self._count}"}
        return self._said(200, {"lease_id": lease, "lease_duration": self.lease_ttl, "renewable": True, "data": data})

    def _renew_lease(self, lease: str) -> Answer:
        found, now = self.leases.get(lease), self.clock.now()
        if found is None or found[1] <= now:
            return self._said(400, {"errors": ["lease not found"]})
        ends_at = min(now + self.lease_ttl, found[2])
        self.leases[lease] = (found[0], ends_at, found[2])
        return self._said(200, {"lease_id": lease, "lease_duration": ends_at - now, "renewable": True})

    def _read(self, path: str, whole: str) -> Answer:
        name = path.removeprefix("secret/data/")
        versions = self.kv.get(name)
        number = int(whole.partition("version=")[2] or len(versions or ()))
        if not versions or number > len(versions):
            return self._said(404, {"errors": []})
        created = self.written_at[name][number - 1] if name in self.written_at else 0.0
        metadata = {"version": number, "created_time": _stamp(self.clock.wall() - self.clock.now() + created)}
        return self._said(200, {"data": {"data": versions[number - 1], "metadata": metadata}})

    def write(self, name: str, **values: Any) -> None:
        """A new version of a secret."""
        self.kv.setdefault(name, []).append(values)
        self.written_at.setdefault(name, []).append(self.clock.now())

    @staticmethod
    def _said(status: int, document: object) -> Answer:
        content = b"" if document is None else json.dumps(document).encode()
        return Answer(status=status, headers={"Content-Type": "application/json"}, body=content)


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat()


class ScriptedTransport(Transport):
    """Retries, the breaker and the reading of answers are the transport's own."""

    def __init__(self, vault: ScriptedVault) -> None:
        super().__init__([ADDRESS], clock=vault.clock)
        self._vault = vault

    def _exchange(self, call: Call, present: int, deadline: float) -> Answer:  # noqa: ARG002 - as the base's
        answer = self._vault.answer(call)
        self._dated = (formatdate(self._vault.clock.wall(), usegmt=True), self.clock.now())
        return answer
