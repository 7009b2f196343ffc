"""SecretIDs, which leave Vault response-wrapped only."""

from dataclasses import dataclass, field

import hvac
import requests
from hvac.exceptions import VaultError

from components.model import duration_text, seconds
from ops.errors import EstateError
from ops.vault.api import call, reason

_LONGEST_WRAP_SECONDS = 86_400
"""A day: the least time a SecretID itself lives by default. A token that waits longer is one somebody forgot."""


@dataclass(frozen=True, kw_only=True)
class WrappedSecretId:
    """A SecretID that only its one receiver can unwrap, once."""

    wrapping_token: str = field(repr=False)
    """Single-use: a secret until it is used."""
    accessor: str
    """Names the wrapping token without giving it away."""
    ttl_seconds: int
    role_id: str
    """What the application logs in with beside it. Not secret."""
    creation_path: str
    """Where the receiver must find that it was made, or it was made by someone else."""


def wrapping_seconds(text: str) -> int:
    """How long a wrapping token may wait, as `--wrap-ttl` says. Raises EstateError: it is no duration, or too long."""
    try:
        found = int(str(seconds(text)))
    except ValueError as error:
        raise EstateError(f"--wrap-ttl is {text!r}; {error}") from None
    if found < 1:
        # To the server none means: don't wrap. The secret itself would be the answer.
        raise EstateError(f"--wrap-ttl is {text!r}; expected at least one second")
    if found > _LONGEST_WRAP_SECONDS:
        raise EstateError(f"--wrap-ttl is {text!r}; expected at most {duration_text(_LONGEST_WRAP_SECONDS)}")
    return found


def issue_secret_id(client: hvac.Client, mount: str, role: str, wrap_ttl_seconds: int) -> WrappedSecretId:
    """Make a response-wrapped SecretID. Raises EstateError: the role isn't there, or the server refuses."""
    path = f"auth/{mount}/role/{role}"
    try:
        role_id = call(client, "get", f"{path}/role-id")["data"]["role_id"]
        wrapped = call(client, "post", f"{path}/secret-id", {}, wrap_ttl=f"{wrap_ttl_seconds}s")["wrap_info"]
    except (VaultError, requests.RequestException) as error:
        raise EstateError(f"secret-id: role {role!r} of auth/{mount}: {reason(error)}") from error
    return WrappedSecretId(
        wrapping_token=wrapped["token"],
        role_id=str(role_id),
        accessor=wrapped["accessor"],
        ttl_seconds=int(wrapped["ttl"]),
        creation_path=wrapped["creation_path"],
    )
