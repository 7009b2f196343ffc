"""Letting a person in who logs in by password: a first password, which only they come to see.

Owns the user of the `userpass` method, which no state holds. Refuses to tell the password to whoever invites: it leaves
response-wrapped, and an invitation that somebody else opened is found out by its owner.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import hvac

from ops import stack_file
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths
from ops.platforms.registry import platform_of
from ops.vault.api import call
from ops.vault.identity import by_name
from ops.vault.login import log_in, refuse_without_pair
from ops.vault.secret_ids import wrapping_seconds
from settings import Settings

WRAPPED_AT = "sys/wrapping/wrap"
"""Where an invitation must have been made, or somebody else wrapped something else."""


@dataclass(frozen=True, kw_only=True)
class Invitation:
    """What lets one person in, once."""

    name: str
    wrapping_token: str = field(repr=False)
    """Single-use: a secret until it is used."""
    accessor: str
    """Names the wrapping token without giving it away."""
    ttl_seconds: int
    command: str
    """What the person runs with it."""


def invite(
    paths: Paths, stack: str, name: str, wrap_ttl: str, console: Console, *, sandbox: bool = False
) -> Invitation:
    """As the administrator make a person's first password; an earlier one, and whoever is logged in by it, is void.
    Raises EstateError: no such member, they log in otherwise, or the stack's `up` didn't make them yet."""
    wrap_ttl_seconds = wrapping_seconds(wrap_ttl)
    file = stack_file.read(paths, stack)
    mount = _password_mount(file.settings, stack, name)
    with platform_of(paths, file, sandbox=sandbox).ready("use", console) as platform:
        platform.refuse_unbuilt()
        endpoint = platform.find_administrator(console)
        refuse_without_pair(endpoint, stack)
        with log_in(endpoint) as client:
            entity = by_name(client, "entity", name)
            if not entity:
                raise EstateError(f"{name} is not on the server yet; expected an `up` before: {platform.up_command}")
            if entity["disabled"]:
                call(client, "post", f"identity/entity/id/{entity['id']}", {"disabled": False})
                console.say(f"{name}, who had left, may log in again")
            lifetime = file.settings.people.token_ttl if file.settings.people else 0
            wrapped = _made(client, mount, name, wrap_ttl_seconds, lifetime)
            command = platform.command("login", name, "--first")
    return Invitation(
        name=name,
        wrapping_token=wrapped["token"],
        accessor=wrapped["accessor"],
        ttl_seconds=int(wrapped["ttl"]),
        command=command,
    )


def _made(client: hvac.Client, mount: str, name: str, wrap_ttl_seconds: int, lifetime: int) -> Mapping[str, Any]:
    """Set a new password; how its wrapping token is told."""
    password = secrets.token_urlsafe(24)
    # Wrapped before it is good: what goes wrong between the two leaves nobody's password changed.
    given = {"user": name, "password": password}
    wrapped: Mapping[str, Any] = call(client, "post", WRAPPED_AT, given, wrap_ttl=f"{wrap_ttl_seconds}s")["wrap_info"]
    user = {"password": password, "token_policies": [], "token_ttl": lifetime, "token_max_ttl": lifetime}
    call(client, "post", f"auth/{mount}/users/{name}", user)
    call(client, "post", f"sys/leases/revoke-prefix/auth/{mount}/login/{name}")
    return wrapped


def _password_mount(settings: Settings, stack: str, name: str) -> str:
    members = settings.people.members if settings.people else {}
    if name not in members:
        there = ", ".join(members) or "none is in the settings"
        raise EstateError(f"{name!r} is no member of stack {stack!r}; expected one of people.members: {there}")
    kind = members[name].login.kind
    if kind != "userpass" or settings.userpass is None:
        raise EstateError(f"{name} logs in by {kind}, and needs no invitation; expected login.kind 'userpass'")
    return settings.userpass.path
