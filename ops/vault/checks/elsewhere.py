"""An application whose login is bound to networks that this machine isn't in.

Owns what can be found out all the same: whether its role is on the server as settings say, and what the server says its
ACL policy allows. For that a login of the same policy is made, which is good once, for a minute, and removed at the
end. Refuses to use anything with it: it only asks.
"""

import ipaddress
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import hvac

from components.vault.approle import AppRoleLogin
from components.vault.kubernetes import KubernetesLogin
from ops.vault.api import call
from ops.vault.checks.outcome import CannotCheckError, CheckError
from ops.vault.secret_ids import issue_secret_id

REASON = "its bound_cidrs don't allow a login from here"
_ASKED = "only asked for, since its bound_cidrs don't allow a login from here"
_ROLE = "access-check_"
"""Of a login for a moment. No application's name ends so."""
_SECONDS = 60


class PodsOfApplications(Protocol):
    """A cluster's pods, where this machine may make some."""

    def token(self, login: KubernetesLogin) -> str:
        """A token of the service account, as its pods get it. Raises CheckError."""

    def log_in_from_pod(self, login: KubernetesLogin, mount: str, role: str) -> None:
        """Have a pod of the service account log in, and end that login. Raises CheckError: it can't."""


class ElsewhereError(CannotCheckError):
    """The application logs in from other networks only."""

    def __init__(self) -> None:
        super().__init__(REASON)


def check_role(administrator: hvac.Client, mount: str, application: str, login: AppRoleLogin) -> None:
    """Compare the role on the server with settings.
    Raises CheckError: it differs. Raises ElsewhereError: it doesn't, which is all that can be said."""
    found = call(administrator, "get", f"auth/{mount}/role/{application}")["data"]
    networks = _networks(login.bound_cidrs)
    wanted: dict[str, Any] = {
        "token_policies": [application],
        "token_ttl": login.token_ttl,
        "token_max_ttl": login.token_max_ttl,
        "token_type": login.declared_token_type or "default",
        "secret_id_ttl": login.secret_id_ttl,
        "secret_id_num_uses": login.secret_id_uses,
        "bind_secret_id": True,
    }
    for name, value in wanted.items():
        if found[name] != value:
            raise CheckError(f"its role's {name} is {found[name]}; expected {value}")
    for name in ("secret_id_bound_cidrs", "token_bound_cidrs"):
        if _networks(found[name] or ()) != networks:
            raise CheckError(f"its role's {name} is {found[name]}; expected {', '.join(login.bound_cidrs)}")
    raise ElsewhereError


def _networks(texts: Sequence[str]) -> set[Any]:
    return {ipaddress.ip_network(text) for text in texts}


def only_asked() -> None:
    """Say of something that was asked for and found right that it wasn't tried. Raises CannotCheckError: always."""
    raise CannotCheckError(_ASKED)


@contextmanager
def asking(administrator: hvac.Client, client: hvac.Client, mount: str, application: str) -> Iterator[None]:
    """Log a client in with the application's ACL policy, for questions. Raises VaultError: the server refuses."""
    role = f"auth/{mount}/role/{_ROLE}"
    short = {"secret_id_ttl": _SECONDS, "secret_id_num_uses": 1, "token_ttl": _SECONDS, "token_max_ttl": _SECONDS}
    call(administrator, "post", role, {"token_policies": [application], **short})
    try:
        wrapped = issue_secret_id(administrator, mount, _ROLE, wrap_ttl_seconds=_SECONDS)
        client.token = wrapped.wrapping_token
        secret_id = call(client, "post", "sys/wrapping/unwrap", {})["data"]["secret_id"]
        client.token = ""
        body = {"role_id": wrapped.role_id, "secret_id": secret_id}
        client.token = call(client, "post", f"auth/{mount}/login", body)["auth"]["client_token"]
        yield
        call(client, "post", "auth/token/revoke-self", {})
    finally:
        call(administrator, "delete", role)
