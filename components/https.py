"""One request to a Vault, for what runs in a dynamic provider. Needs the standard library only; owns no token."""

import json
import ssl
import urllib.request
from typing import Any, cast

_SECONDS = 5.0


def request(
    context: ssl.SSLContext,
    url: str,
    *,
    body: dict[str, Any] | None = None,
    token: str | None = None,
    method: str | None = None,
) -> dict[str, Any]:
    """The server's document; empty where it has nothing to say. A body makes it a POST, unless `method` says more.
    Raises OSError; of a refusal, HTTPError."""
    headers = {"X-Vault-Token": token} if token else {}
    content = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(  # noqa: S310 - settings allow https only
        url, data=content, headers=headers, method=method
    )
    with urllib.request.urlopen(asked, timeout=_SECONDS, context=context) as response:  # noqa: S310 - as above
        text = response.read()
    return cast("dict[str, Any]", json.loads(text)) if text else {}
