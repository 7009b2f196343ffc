"""A person leaves: denied at once, whatever token they still have.

Owns what of them is on the server. Refuses to change settings: it says what these still hold.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import hvac
from hvac.exceptions import InvalidPath

from components.render.acl import PERSON_PREFIX
from ops import stack_file
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths
from ops.platforms.driver import PlatformDriver
from ops.platforms.registry import platform_of
from ops.vault.api import call
from ops.vault.identity import by_alias, by_name, own_token
from ops.vault.login import log_in, refuse_without_pair
from settings import Settings

_USER = re.compile(r"\w(?:[\w.@-]*\w)?", re.ASCII)
"""What the server takes for the name of a user, or of a role."""


@dataclass(frozen=True, kw_only=True)
class OffBoarded:
    """What was ended, and what is left to do."""

    name: str
    done: Sequence[str]
    left: Sequence[str]


def off_board(paths: Paths, stack: str, name: str, console: Console, *, sandbox: bool = False) -> OffBoarded:
    """As the administrator disable a person, and end their logins. They are named as the settings do, or as their
    issuer calls them. May be run again.
    Raises EstateError: nobody of this name is on the server or in the settings, or the server refuses."""
    file = stack_file.read(paths, stack)
    person = _member(file.settings, name) or name
    with platform_of(paths, file, sandbox=sandbox).ready("use", console) as platform:
        platform.refuse_unbuilt()
        endpoint = platform.find_administrator(console)
        refuse_without_pair(endpoint, stack)
        with log_in(endpoint) as client:
            done = tuple(_ended(client, file.settings, person))
        left = tuple(_left(platform, person, on_server=bool(done)))
    if not (done or left):
        raise EstateError(f"{name!r} is nobody on the server or in the settings; expected a person's name or claim")
    return OffBoarded(name=person, done=done, left=left)


def _member(settings: Settings, name: str) -> str | None:
    """The member that a name, in whatever case, or a claim is of."""
    members = settings.people.members if settings.people else {}
    by_claim = (one for one, member in members.items() if name == member.called_at_login(one))
    return name.lower() if name.lower() in members else next(by_claim, None)


def _ended(client: hvac.Client, settings: Settings, person: str) -> Iterator[str]:
    """The entity first: it denies every token at once."""
    # The administrator's certificate may be called as a person is.
    own = own_token(client)["entity_id"]
    entities = [one for one in _entities(client, settings, person) if one["id"] != own]
    for entity in entities:
        call(client, "post", f"identity/entity/id/{entity['id']}", {"disabled": True})
    if entities:
        yield f"{person} is disabled: every token of theirs is denied"
    # A claim may be any text, and in a path it would name something else.
    if not _USER.fullmatch(person):
        return
    if settings.userpass and _is_there(client, f"auth/{settings.userpass.path}/users/{person}"):
        call(client, "delete", f"auth/{settings.userpass.path}/users/{person}")
        yield "user and password are removed"
    if settings.userpass and settings.people:
        call(client, "post", f"sys/leases/revoke-prefix/auth/{settings.userpass.path}/login/{person}")
    role = f"auth/{settings.people_paths['certificate']}/certs/{PERSON_PREFIX}{person}"
    if _is_there(client, role):
        call(client, "delete", role)
        yield "login by certificate is removed"


def _entities(client: hvac.Client, settings: Settings, person: str) -> Iterator[Mapping[str, Any]]:
    """Every entity that is this person: the estate's own, and those the server made at a login. None that is another
    member's, whom the issuer may call as this one is called here."""
    members, mounts = settings.people.members if settings.people else {}, call(client, "get", "sys/auth")["data"]
    at_issuer = members[person].called_at_login(person) if person in members else person
    found = [by_name(client, "entity", person)]
    for kind, path in settings.people_paths.items():
        if f"{path}/" in mounts:
            alias = at_issuer if kind == "oidc" else person
            found.append(by_alias(client, "entity", alias, mounts[f"{path}/"]["accessor"]))
    theirs = {one["id"]: one for one in found if one and (one["name"] == person or one["name"] not in members)}
    yield from theirs.values()


def _is_there(client: hvac.Client, path: str) -> bool:
    try:
        return bool(call(client, "get", path))
    except InvalidPath:
        return False


def _left(platform: PlatformDriver, name: str, *, on_server: bool) -> Iterator[str]:
    file = platform.file
    people, first = file.settings.people, file.settings.bootstrap
    if people and name in people.members:
        where = file.named(f"people.members.{name}")
        yield f"{where} is still there; expected it taken out, and an `up`, or a later one may let them in again"
    if people and people.oidc and (on_server or name in people.members):
        yield f"{people.oidc.discovery_url} may still know them; expected them removed there, too"
    if name in [operator.name for operator in first.operators]:
        yield f"operator {name} holds a key share; expected new ones: {platform.command('renew-shares')}"
