"""A transit engine and a database engine in memory, in the small.

Fakes: transit remembers what it encrypted, which is no cryptography; the database engine lends names and passwords that
no database knows. Owns ciphertexts and leases.
"""

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vault_estate.clock import Clock
from vault_estate.testing.kv import Reply, refused

if TYPE_CHECKING:
    from vault_estate.manifest import ManifestDatabase, ManifestTransit

_LEASE_SECONDS, _LEASE_MAX_SECONDS = 3_600.0, 14_400.0
_PREFIX = "vault:v1:"
_NOT_BY_THIS = "cipher: message authentication failed"


class FakeTransit:
    """Encrypts, decrypts and rewraps in batches, by one version of a key; nothing else of transit. A key comes to be
    when it is used, as in Vault."""

    def __init__(self, engine: "ManifestTransit | None") -> None:
        self._derived = {name for name, key in engine.keys.items() if key.derived} if engine else set()
        self._encrypted: dict[str, tuple[str, str, str]] = {}
        """Of each ciphertext its key, its context and the plaintext."""

    def answer(self, method: str, path: str, _: Mapping[str, str], body: Mapping[str, Any]) -> Reply:
        """What it says to a request."""
        use, key = path.split("/", 1) if "/" in path else (path, "")
        if method == "POST" and use == "rewrap":
            return self._rewrap(key, body)
        if method != "POST" or use not in ("encrypt", "decrypt"):
            return refused("unsupported operation", 405)
        context = str(body.get("context") or "")
        if key in self._derived and not context:
            return refused(
                "missing 'context' for key derivation; the key was created using a derived key, which means "
                "additional, per-request information must be included in order to perform operations "
                "with the key"
            )
        return self._encrypt(key, context, body) if use == "encrypt" else self._decrypt(key, context, body)

    def _encrypt(self, key: str, context: str, body: Mapping[str, Any]) -> Reply:
        plaintext = body.get("plaintext")
        try:
            base64.b64decode(str(plaintext), validate=True)
        except binascii.Error:
            return refused("illegal base64 data at input byte 0")
        return 200, {"data": {"ciphertext": self._kept(key, context, str(plaintext)), "key_version": 1}}

    def _decrypt(self, key: str, context: str, body: Mapping[str, Any]) -> Reply:
        found = self._encrypted.get(str(body.get("ciphertext")))
        if found is None or found[:2] != (key, context):
            return refused(_NOT_BY_THIS)
        return 200, {"data": {"plaintext": found[2]}}

    def _rewrap(self, key: str, body: Mapping[str, Any]) -> Reply:
        results: list[dict[str, Any]] = []
        for one in body.get("batch_input") or []:
            context = str(one.get("context") or "")
            found = self._encrypted.get(str(one.get("ciphertext")))
            if found is None or found[:2] != (key, context):
                results.append({"error": _NOT_BY_THIS})
            else:
                results.append({"ciphertext": self._kept(key, context, found[2]), "key_version": 1})
        return 200, {"data": {"batch_results": results}}

    def _kept(self, key: str, context: str, plaintext: str) -> str:
        ciphertext = _PREFIX + base64.b64encode(secrets.token_bytes(28 + len(plaintext))).decode("ascii")
        self._encrypted[ciphertext] = (key, context, plaintext)
        return ciphertext


@dataclass(kw_only=True)
class _FakeLease:
    token: str
    seconds: float
    ends_at: float
    ends_at_last: float


class FakeDatabase:
    """Lends a name and a password at each request of a dynamic role; a static role's stay as they are."""

    def __init__(self, engine: "ManifestDatabase | None", clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._static: dict[str, dict[str, Any]] = {}
        self.leases: dict[str, _FakeLease] = {}

    def answer(self, method: str, path: str, token: str, mount: str) -> Reply:
        """What it says to a request with a token."""
        kind, _, role = path.partition("/")
        if method != "GET":
            return refused("unsupported operation", 405)
        return self._static_login(role) if kind == "static-creds" else self._lend(role, token, mount)

    def _lend(self, role: str, token: str, mount: str) -> Reply:
        seconds, longest = _LEASE_SECONDS, _LEASE_MAX_SECONDS
        if self._engine is not None:
            if role not in self._engine.roles:
                return refused(f"unknown role: {role}")
            found = self._engine.roles[role]
            seconds, longest = float(found.ttl_seconds), float(found.max_ttl_seconds)
        now = self._clock.now()
        lease = f"{mount}/creds/{role}/{secrets.token_hex(12)}"
        self.leases[lease] = _FakeLease(token=token, seconds=seconds, ends_at=now + seconds, ends_at_last=now + longest)
        return 200, {"lease_id": lease, "lease_duration": int(seconds), "renewable": True, "data": _credentials(role)}

    def _static_login(self, role: str) -> Reply:
        seconds = _LEASE_SECONDS
        if self._engine is not None:
            if role not in self._engine.static_roles:
                return refused(f"unknown role: {role}")
            seconds = float(self._engine.static_roles[role].rotation_period_seconds)
        data = self._static.setdefault(role, _credentials(role))
        if self._engine is not None:
            data["username"] = self._engine.static_roles[role].username
        return 200, {"data": {**data, "ttl": int(seconds), "rotation_period": int(seconds)}}

    def renew(self, lease_id: str, living: "Mapping[str, object]") -> Reply:
        """Make a lease longer, if it hasn't ended, nor its token."""
        found, now = self.leases.get(lease_id), self._clock.now()
        if found is None or found.ends_at <= now or found.token not in living:
            return refused("lease not found")
        found.ends_at = min(now + found.seconds, found.ends_at_last)
        return 200, {"lease_id": lease_id, "lease_duration": int(found.ends_at - now), "renewable": True}


def _credentials(role: str) -> dict[str, Any]:
    return {"username": f"v-fake-{role}-{secrets.token_hex(6)}", "password": secrets.token_urlsafe(15)}
