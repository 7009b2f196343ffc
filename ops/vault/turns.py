"""A client of Vault that waits for its turn where a rate limit turns it away, for a bounded time.

Owns how long that is. Refuses to pass on the token that an operator may have for another Vault (`VAULT_TOKEN`, a file).
"""

from typing import Any

import hvac
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse, Retry

PATIENCE_SECONDS = 60
"""For one request. Settings refuse a limit that may turn the administrator away for longer."""
_SECONDS = 30
"""How long a server may take to answer."""
_TOO_MANY = 429


class _Turn(Retry):
    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """A second at a time: the header may name an hour."""
        told = super().get_retry_after(response)
        return None if told is None else min(told, 1.0)


_TURNS = _Turn(
    total=None,
    connect=0,
    read=False,
    other=0,
    redirect=0,
    status=PATIENCE_SECONDS,
    status_forcelist=[_TOO_MANY],
    allowed_methods=None,  # the server did nothing yet, whatever it was asked
    backoff_factor=0.5,
    backoff_max=1,
    raise_on_status=False,
)


def client(address: str, ca_file: object = None, **session: Any) -> hvac.Client:
    """A client without a token; no `ca_file`: the system's store vouches for the server."""
    made = hvac.Client(url=address, token="", verify=str(ca_file) if ca_file else True, timeout=_SECONDS, **session)
    made.session.mount("https://", HTTPAdapter(max_retries=_TURNS))
    return made
