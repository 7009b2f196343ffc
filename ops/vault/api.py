"""One request of Vault's API, and what went wrong with it in words that can be shown. Owns no question of its own."""

import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import hvac
from hvac.exceptions import InvalidRequest, VaultError

from ops.processes.logs import redact

NEW_MOUNT_SECONDS = 15.0
"""How long a KV version 2 mount answers 400 after it was made; measured here: under 1 s, on busy cores only."""
_MERGE: Mapping[str, Any] = {"headers": {"Content-Type": "application/merge-patch+json"}}
"""How Vault wants a patch to be called (RFC 7396)."""
_COUNTED = re.compile(r"[0-9]+ errors? occurred:\s*\*\s*")
"""What Vault begins some of its refusals with."""


def call(
    client: hvac.Client, method: str, path: str, body: Mapping[str, Any] | None = None, *, wrap_ttl: str | None = None
) -> dict[str, Any]:
    """The answer's document, empty if the server had nothing to say. Waits for a KV mount that was just made.
    Raises VaultError: the server refuses. Raises requests.RequestException: there is no server to refuse."""
    deadline = time.monotonic() + NEW_MOUNT_SECONDS
    while True:
        try:
            answer = client.adapter.request(
                method, f"/v1/{path}", json=body, wrap_ttl=wrap_ttl, **_MERGE if method == "patch" else {}
            )
        except InvalidRequest as error:
            if "Upgrading from non-versioned to versioned" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return answer if isinstance(answer, dict) else {}


def reason(error: BaseException) -> str:
    """What an error says, on one line and without anything that looks like a secret; of Vault's, also at which path."""
    if not (isinstance(error, VaultError) and error.errors and error.url):
        return _line(str(error)) or type(error).__name__
    said = _COUNTED.sub("", "; ".join(str(one) for one in error.errors))
    # The path is made here, from names in settings, and stays readable however long it is.
    return f"{_line(said)} at {urlsplit(error.url).path.removeprefix('/v1/')}"


def _line(text: str) -> str:
    return redact(" ".join(text.split()))[:300]
