"""Secrets: each is read, and what its token may do with it is compared with the grant.

To write is asked for and not tried (`sys/capabilities-self`), since a try would change a value or its version.
"""

import hvac
from hvac.exceptions import Forbidden, InvalidPath

from ops.vault.api import call
from ops.vault.checks import capabilities
from ops.vault.checks.outcome import CheckError, MissingError
from settings.grants import KvGrant


def check(client: hvac.Client, grant: KvGrant) -> None:
    """Read the secret, and ask whether the token may do as much as was granted and no more.
    Raises CheckError: the token may do less or more. Raises MissingError: values that a person has to give."""
    try:
        answer = call(client, "get", f"{grant.mount}/data/{grant.path}")
    except InvalidPath:
        answer = {}
    capabilities.check(client, grant)
    values = answer.get("data", {}).get("data") or {}
    if missing := [key for key in grant.keys if values.get(key) in (None, "")]:
        raise MissingError(", ".join(missing))


def check_denied(client: hvac.Client, mount: str, path: str) -> None:
    """Try to read another application's secret. Raises CheckError: it could be read."""
    try:
        call(client, "get", f"{mount}/data/{path}")
    except Forbidden:
        return
    raise CheckError("could be read, and is another application's")
