"""hvac over this library's transport: everything that hvac can do, with the client's own login.

Owns the translation between the two. Refuses `stream`, `data` and other arguments of requests: what needs them, as
snapshots, is an administrator's. Errors are hvac's classes, without the answer's body; where there is no answer they
are this library's.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import requests
from hvac import adapters, exceptions

from vault_estate.answers import Answer, refusal
from vault_estate.errors import ConfigurationError
from vault_estate.hiding import hides_values
from vault_estate.transport import Repeat, Transport

_READS = frozenset({"get", "list", "head"})
_TAKEN = frozenset({"json", "params", "wrap_ttl", "timeout"})


class Urllib3Adapter(adapters.JSONAdapter):
    """For `hvac.Client(adapter=Urllib3Adapter, transport=..., token_source=...)`."""

    def __init__(
        self,
        base_uri: str = "",
        token: str | None = None,
        *,
        transport: Transport,
        token_source: Callable[[], str] = str,
        another_token: Callable[[str], str | None] = lambda _: None,
        namespace: str | None = None,
        **_: Any,
    ) -> None:
        """`token_source` gives the token of each request, unless `token` is one; `another_token` one instead of a token
        that was refused, or None."""
        self._transport = transport
        self._token_source = token_source
        self._another_token = another_token
        self._own_token = token
        super().__init__(base_uri=base_uri or transport.addresses[0], token=token, namespace=namespace)

    @property
    def token(self) -> str:
        """The client's, or one that this hvac was given."""
        return self._own_token or self._token_source()

    @token.setter
    def token(self, value: str | None) -> None:
        self._own_token = value

    def get_login_token(self, response: Any) -> str:
        """Of a login's answer."""
        return str(response["auth"]["client_token"])

    def close(self) -> None:
        """Nothing: connections are the client's."""

    @hides_values
    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        raise_exception: bool = True,
        **kwargs: Any,
    ) -> Any:
        """As `hvac.adapters.JSONAdapter`: a document for 200, a `requests.Response` otherwise."""
        if kwargs.keys() - _TAKEN:
            unknown = ", ".join(sorted(kwargs.keys() - _TAKEN))
            raise ConfigurationError(f"the argument of hvac is {unknown}; expected one of {', '.join(sorted(_TAKEN))}")
        answer = self._answered(method.lower(), url, dict(headers or {}), kwargs)
        if answer.status >= 400 and raise_exception and not self.ignore_exceptions:
            raise _hvacs(answer, method, url)
        if answer.status == 200:
            try:
                return answer.document()
            except ValueError:
                pass
        return _response(answer, f"{self.base_uri}{url}")

    def _answered(self, method: str, url: str, headers: dict[str, str], kwargs: Mapping[str, Any]) -> Answer:
        path = "/".join(part for part in url.split("/") if part).removeprefix("v1/")
        query = urlencode(kwargs.get("params") or {})
        if kwargs.get("wrap_ttl"):
            headers["X-Vault-Wrap-TTL"] = str(kwargs["wrap_ttl"])
        if self.namespace:
            headers["X-Vault-Namespace"] = self.namespace
        unauthenticated = path.endswith("/login") or "/login/" in path
        token = (self._own_token or "") if unauthenticated else self.token
        whole = f"{path}?{query}" if query else path
        repeat = Repeat.ALWAYS if method in _READS else Repeat.UNSENT
        timeout = kwargs.get("timeout")

        def answered(with_token: str) -> Answer:
            call = self._transport.prepared(method, whole, token=with_token, body=kwargs.get("json"), headers=headers)
            return self._transport.answered(call, repeat=repeat, deadline_seconds=float(timeout) if timeout else None)

        answer = answered(token)
        other = self._another_token(token) if answer.status == 403 and token and not self._own_token else None
        return answer if other is None else answered(other)


def _hvacs(answer: Answer, method: str, url: str) -> exceptions.VaultError:
    error = refusal(answer, url)
    try:
        document = answer.document()
    except ValueError:
        document = {}
    # hvac looks here for when a version was deleted; it holds no value then.
    kept = {"data": {"metadata": document["data"].get("metadata")}} if isinstance(document.get("data"), dict) else {}
    return exceptions.VaultError.from_status(
        answer.status, str(error), errors=list(error.texts), method=method, url=url, json=kept
    )


def _response(answer: Answer, url: str) -> requests.Response:
    response = requests.Response()
    response.status_code = answer.status
    response.url = url
    response.headers.update({"Content-Type": answer.headers.get("Content-Type") or ""})
    response._content = answer.body if answer.body else json.dumps({}).encode() if answer.status == 200 else b""
    return response
