"""A person leaves: denied at once, whatever token they still have.

Owns what of them is on the server. Refuses to change settings: it says what these still hold.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import hvac
from hvac.exceptions import InvalidPath

from components.render.acl import PERSON_PREFIX
from ops import stack_file
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths
from ops.people.session import look_up
from ops.platforms.registry import platform_of
from ops.stack_file import StackFile
from ops.vault.api import call
from ops.vault.login import log_in, refuse_without_pair
from settings.people import MemberByOidc


@dataclass(frozen=True, kw_only=True)
class OffBoarded:
    """What was ended, and what is left to do."""

    name: str
    done: Sequence[str]
    left: Sequence[str]


def off_board(paths: Paths, stack: str, name: str, console: Console, *, sandbox: bool = False) -> OffBoarded:
    """As the administrator disable a person, and end their logins. May be run again.
    Raises EstateError: nobody of this name is on the server or in the settings, or the server refuses."""
    file = stack_file.read(paths, stack)
    with platform_of(paths, file, sandbox=sandbox).ready("use", console) as platform:
        endpoint = platform.find_administrator(console)
        refuse_without_pair(endpoint, stack)
        with log_in(endpoint) as client:
            done = tuple(_ended(client, file, name))
    left = tuple(_left(file, name, on_server=bool(done)))
    if not (done or left):
        raise EstateError(f"{name!r} is nobody on the server or in the settings; expected a person's name or claim")
    return OffBoarded(name=name, done=done, left=left)


def _ended(client: hvac.Client, file: StackFile, name: str) -> Iterator[str]:
    """The entity first: it denies every token at once."""
    # The administrator's certificate may be called as a person is.
    own = look_up(client)["entity_id"]
    entities = [one for one in _entities(client, file, name) if one["id"] != own]
    for entity in entities:
        call(client, "post", f"identity/entity/id/{entity['id']}", {"disabled": True})
    if entities:
        yield f"{name} is disabled: every token of theirs is denied"
    userpass, people = file.settings.userpass, file.settings.people
    if userpass and _is_there(client, f"auth/{userpass.path}/users/{name}"):
        call(client, "delete", f"auth/{userpass.path}/users/{name}")
        yield "user and password are removed"
    if userpass and people:
        call(client, "post", f"sys/leases/revoke-prefix/auth/{userpass.path}/login/{name}")
    if _is_there(client, f"auth/cert/certs/{PERSON_PREFIX}{name}"):
        call(client, "delete", f"auth/cert/certs/{PERSON_PREFIX}{name}")
        yield "login by certificate is removed"


def _entities(client: hvac.Client, file: StackFile, name: str) -> Iterator[dict[str, Any]]:
    """Every entity that is this person: the estate's own, and those the server made at a login."""
    settings, mounts = file.settings, call(client, "get", "sys/auth")["data"]
    oidc = settings.people.oidc if settings.people else None
    member = settings.people.members.get(name) if settings.people else None
    claim = member.login.claim if member and isinstance(member.login, MemberByOidc) else name
    called = {"cert": name, **({settings.userpass.path: name} if settings.userpass else {})}
    called |= {oidc.path: claim} if oidc else {}
    asked: list[dict[str, str]] = [{"name": name}]
    asked += [
        {"alias_name": alias, "alias_mount_accessor": mounts[f"{path}/"]["accessor"]}
        for path, alias in called.items()
        if f"{path}/" in mounts
    ]
    seen: set[str] = set()
    for question in asked:
        entity = call(client, "post", "identity/lookup/entity", question).get("data")
        if entity and entity["id"] not in seen:
            seen.add(entity["id"])
            yield entity


def _is_there(client: hvac.Client, path: str) -> bool:
    try:
        return bool(call(client, "get", path))
    except InvalidPath:
        return False


def _left(file: StackFile, name: str, *, on_server: bool) -> Iterator[str]:
    people, first = file.settings.people, file.settings.bootstrap
    if people and name in people.members:
        where = file.named(f"people.members.{name}")
        yield f"{where} is still there; expected it taken out, and an `up`, or a later one may let them in again"
    if people and people.oidc and (on_server or name in people.members):
        yield f"{people.oidc.discovery_url} may still know them; expected them removed there, too"
    if name in [operator.name for operator in first.operators]:
        yield f"operator {name} holds a key share; expected new ones: ./estate renew-shares {file.stack}"
