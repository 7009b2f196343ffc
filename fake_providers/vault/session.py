"""One provider instance's way to its server: login, the HTTP connections that are kept open, and the server's errors.

Owns the client token: taken at the first call, renewed by a new login, revoked by `close`. Refuses to skip TLS
verification, and every login method but `token` and `authLoginCert`.
"""

import json
import random
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import hvac
import requests
from hvac import exceptions
from requests.adapters import HTTPAdapter

from fake_providers.servicer import RefusedError, Values

# What pulumi_vault sends by itself; they change nothing here: no child token is made, so its lifetime is moot.
_INERT = frozenset({"maxLeaseTtlSeconds", "maxRetriesCcc", "skipChildToken", "skipGetVaultVersion", "version"})
_USED = frozenset(
    {"address", "maxRetries", "caCertFile", "authLoginCert", "token", "namespace", "skipTlsVerify", "addAddressToEnv"}
)
_CERTIFICATE_LOGIN = frozenset({"certFile", "keyFile", "name", "mount", "namespace"})
_POOL = 16
_TIMEOUT_SECONDS = 60  # the official provider's client timeout (VAULT_CLIENT_TIMEOUT)
_RENEW_AT = 0.9  # of a token's lifetime: a new login comes before the old token ends
_PASSING_SECONDS = 10.0
_PASSING = ("Upgrading from non-versioned", "store is stopped")
"""What a server answers for a moment only: a fresh KV v2 mount; and whoever asks while a rate limit that counts them is
being replaced (OpenBao 2.7.2). The official provider's client tries again after such an answer, too."""

_ABSENT = (
    "No secret engine mount at",
    "No auth engine at",
    "unable to find PKI issuer",
    "could not delete key; not found",
    "Could not find header in config",
)
"""How a server answers, with 400 or 500 and not 404, that a mount, auth method, issuer, key or header doesn't exist."""


def check_settings(settings: Values) -> None:
    """Refuse settings that would have no effect here, and a missing address or login."""
    for name in sorted(settings.keys() - _INERT - _USED):
        raise RefusedError(f"provider setting {name}: not offered by the fake Vault provider")
    if _parsed(settings.get("skipTlsVerify")):
        raise RefusedError("provider setting skipTlsVerify=true: expected a caCertFile; TLS is always verified here")
    if not settings.get("address"):
        raise RefusedError("provider setting address is missing: expected e.g. https://127.0.0.1:8200")
    if not settings.get("token") and not settings.get("authLoginCert"):
        raise RefusedError("provider settings token and authLoginCert are both missing: expected one of them")
    login = _parsed(settings.get("authLoginCert")) or {}
    if isinstance(login, dict) and login:
        wrong = sorted(login.keys() - _CERTIFICATE_LOGIN) + sorted({"certFile", "keyFile"} - login.keys())
        if wrong:
            raise RefusedError(f"provider setting authLoginCert: {', '.join(wrong)} unknown or missing")


class VaultSession:
    """Calls to one server as one login. Safe for many threads; the first one in logs in."""

    def __init__(self, settings: Values) -> None:
        self.address = str(settings["address"]).rstrip("/")
        self._login = _parsed(settings.get("authLoginCert"))
        self._retries = int(_parsed(settings.get("maxRetries")) or 0)
        self._ends = float("inf")
        self._lock = threading.Lock()
        http = requests.Session()
        http.trust_env = False  # no other CA bundle; and it saves a third of each request's time
        # A proxy is looked up once instead, as the official provider takes one from its environment.
        http.proxies.update(requests.utils.get_environ_proxies(self.address))
        http.verify = str(settings["caCertFile"]) if settings.get("caCertFile") else True
        http.mount("https://", HTTPAdapter(pool_connections=2, pool_maxsize=_POOL))
        self._client = hvac.Client(
            url=self.address,
            token=settings.get("token") or "",
            session=http,
            timeout=_TIMEOUT_SECONDS,
            namespace=settings.get("namespace"),
        )

    def read(self, path: str) -> Values | None:
        """What is at the path; None where nothing is, or no longer a mount."""
        return self._retrying("GET", path, None)

    def write(self, path: str, body: Values) -> Values:
        """Write, and the answer's data; refused with the server's words."""
        return self._retrying("POST", path, body) or {}

    def delete(self, path: str) -> None:
        """Delete; what is gone already is no error."""
        self._retrying("DELETE", path, None)

    def close(self) -> None:
        """Give the login's token back and close the connections. A dead server can't be told, which is no error."""
        with self._lock:
            if self._login and self._client.token:
                with suppress(exceptions.VaultError, requests.RequestException):  # it ends by itself with its lifetime
                    self._client.auth.token.revoke_self()
            self._client.token = ""
            self._client.adapter.close()

    def _retrying(self, method: str, path: str, body: Values | None) -> Values | None:
        """Once more after a new login when the token died early."""
        while True:
            token = self._token()
            try:
                return self._call(method, path, body)
            except exceptions.Forbidden as error:
                if not self._login or self._alive(token):
                    raise self._refusal(method, path, error) from None
            except exceptions.VaultError as error:
                raise self._refusal(method, path, error) from None

    def _call(self, method: str, path: str, body: Values | None) -> Values | None:
        try:
            answer = self._asked(method, path, json=body)
        except exceptions.VaultError as error:
            absent = isinstance(error, exceptions.InvalidPath) or any(words in str(error) for words in _ABSENT)
            if absent and method != "POST":
                return None
            raise
        return answer.get("data") or {} if isinstance(answer, dict) else {}

    def _asked(self, method: str, path: str, **options: Any) -> Any:
        """The server's answer, a moment later where it says what passes; else hvac's VaultError."""
        deadline, turned_away = time.monotonic() + _PASSING_SECONDS, 0
        while True:
            try:
                return self._client.adapter.request(method, f"/v1/{path}", **options)
            except exceptions.RateLimitExceeded:
                turned_away += 1
                if turned_away > self._retries:
                    raise
                # As long as the official provider's client waits (LinearJitterBackoff).
                time.sleep(turned_away * random.uniform(1, 1.5))  # noqa: S311 - only apart from others
            except exceptions.VaultError as error:
                if time.monotonic() > deadline or not any(words in str(error) for words in _PASSING):
                    raise
            except requests.RequestException as error:
                raise self._unreachable(error) from None
            time.sleep(0.05)

    def _token(self) -> str:
        if self._login and (not self._client.token or time.monotonic() > self._ends):
            with self._lock:
                if not self._client.token or time.monotonic() > self._ends:
                    self._log_in(self._login)
        return str(self._client.token)

    def _alive(self, token: str) -> bool:
        """Whether a refused call's token still lives; if not, forget it, so that the next call logs in."""
        try:
            self._asked("GET", "auth/token/lookup-self")
        except exceptions.Forbidden:
            with self._lock:
                if self._client.token == token:
                    self._client.token = ""
            return False
        return True

    def _log_in(self, login: Values) -> None:
        files = {setting: str(login[setting]) for setting in ("certFile", "keyFile")}
        for setting, file in files.items():
            if not Path(file).is_file():
                raise RefusedError(f"provider setting authLoginCert.{setting}={file!r}: no such file")
        mount, name = login.get("mount") or "cert", login.get("name") or ""
        path, body = f"auth/{str(mount).strip('/')}/login", {"name": name} if name else {}
        try:
            answer = self._asked("POST", path, json=body, cert=(files["certFile"], files["keyFile"]))
        except exceptions.VaultError as error:
            raise self._refusal("POST", path, error) from None
        self._client.token = answer["auth"]["client_token"]
        lifetime = answer["auth"]["lease_duration"]
        self._ends = time.monotonic() + lifetime * _RENEW_AT if lifetime else float("inf")

    def _refusal(self, method: str, path: str, error: exceptions.VaultError) -> RefusedError:
        if isinstance(error, exceptions.VaultDown):
            return RefusedError(f"Vault at {self.address} is sealed or on standby: unseal it first")
        if isinstance(error, exceptions.VaultNotInitialized):
            return RefusedError(f"Vault at {self.address} is not initialized")
        words = "; ".join(error.errors or []) or str(error.args[0] or type(error).__name__)
        return RefusedError(f"{method} {path} at {self.address}: {words}")

    def _unreachable(self, error: requests.RequestException) -> RefusedError:
        if isinstance(error, requests.exceptions.SSLError):
            reason = f"TLS failed ({error.args[0].reason if hasattr(error.args[0], 'reason') else error})"
        elif isinstance(error, requests.Timeout):
            reason = f"no answer within {_TIMEOUT_SECONDS} s"
        else:
            reason = "connection refused or lost"
        return RefusedError(f"Vault at {self.address} can't be reached: {reason}")


def _parsed(value: Any) -> Any:
    """Provider settings that aren't strings arrive as JSON texts."""
    return json.loads(value) if isinstance(value, str) and value[:1] in {"{", "[", "t", "f"} else value
