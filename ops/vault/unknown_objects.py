"""What a Vault holds that no resource of the stack stands for: made by hand, or by another program.

Owns where such objects are looked for, and what is the server's own or the estate's outside of Pulumi. Refuses to look
into anything: only names are listed.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import hvac
from hvac.exceptions import Forbidden, InvalidPath, VaultError

from components.render.acl import STATE_RECORD
from components.render.bootstrap import ADMINISTRATOR, ADMINISTRATOR_TRIAL
from fake_providers.vault.table import TABLE
from ops.errors import EstateError
from ops.vault.api import call, reason
from ops.vault.identity import NAMED_BY_SERVER

_SERVERS_OWN = {
    "sys/mounts": {"cubbyhole", "identity", "sys"},
    "sys/auth": {"token"},
    "sys/policies/acl": {"root", "default", "response-wrapping", "control-group"},
}
_ESTATES_OWN = {
    "sys/auth": {"cert"},
    "sys/policies/acl": {ADMINISTRATOR, ADMINISTRATOR_TRIAL, STATE_RECORD},
    "auth/cert/certs": {ADMINISTRATOR, ADMINISTRATOR_TRIAL},
}
"""What first boot makes, and `up` itself; no resource stands for it."""
_FLAT = {
    "sys/policies/acl": "index/policy:Policy",
    "sys/policies/password": "index/passwordPolicy:PasswordPolicy",
    "sys/quotas/rate-limit": "index/quotaRateLimit:QuotaRateLimit",
}
_INSIDE: Mapping[str, Mapping[str, str]] = {
    "database": {
        "config": "database/secretBackendConnection:SecretBackendConnection",
        "roles": "database/secretBackendRole:SecretBackendRole",
        "static-roles": "database/secretBackendStaticRole:SecretBackendStaticRole",
    },
    "transit": {"keys": "transit/secretBackendKey:SecretBackendKey"},
    "pki": {"roles": "pkiSecret/secretBackendRole:SecretBackendRole"},
    "approle": {"role": "appRole/authBackendRole:AuthBackendRole"},
    "cert": {"certs": "index/certAuthBackendRole:CertAuthBackendRole"},
    "jwt": {"role": "jwt/authBackendRole:AuthBackendRole"},
    "oidc": {"role": "jwt/authBackendRole:AuthBackendRole"},
    "kubernetes": {"role": "kubernetes/authBackendRole:AuthBackendRole"},
}
"""What is in a mount of each type, by the path below it."""
_PEOPLE = {
    "identity/entity": "identity/entity:Entity",
    "identity/entity-alias": "identity/entityAlias:EntityAlias",
    "identity/group": "identity/group:Group",
    "identity/group-alias": "identity/groupAlias:GroupAlias",
}
"""Who is who; each object is known by an id."""
_USERS = "userpass"
"""The method whose users are no resources: `./estate invite` makes them."""
_MOUNTS = {"sys/mounts": "index/mount:Mount", "sys/auth": "index/authBackend:AuthBackend"}


@dataclass(frozen=True, kw_only=True)
class UnknownObject:
    """One object that no resource stands for."""

    path: str
    """Where it is written and deleted."""
    type: str
    """Of the resource that it would be."""
    called: str = ""
    """Its name, where the path doesn't tell it."""

    @property
    def id(self) -> str:
        """By which Pulumi imports it; empty: it can't be imported."""
        if self.type == _USERS:
            return ""
        if self.path.startswith("identity/"):
            return self.path.rpartition("/")[2]
        entry = TABLE[self.type.removeprefix("vault:")]
        match = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>.+)", entry.place), self.path)
        return entry.known_as(match.groupdict() if match else {})

    def delete(self, client: hvac.Client) -> None:
        """Delete it, and what is in it. Raises EstateError: the server refuses."""
        try:
            call(client, "delete", self.path)
        except VaultError as error:
            raise EstateError(f"--delete {self.path}: {reason(error)}; expected one that may be deleted") from None


_TUNES = (
    "allowed_response_headers",
    "audit_non_hmac_request_keys",
    "audit_non_hmac_response_keys",
    "passthrough_request_headers",
)
_LOGIN_TUNES = ("default_lease_ttl", "max_lease_ttl")
"""How a mount may be set, and of logins also, that no component ever sets. Secrets stand readable in the audit log by
the second and the third."""


@dataclass(frozen=True, kw_only=True)
class Tune:
    """A mount that is set as no resource says."""

    path: str
    """Where it is written."""
    names: Sequence[str]


def tunes(client: hvac.Client) -> Sequence[Tune]:
    """Every mount that is set as none of a stack is. Raises VaultError: the server refuses to list."""
    found = []
    for place in _MOUNTS:
        for name, mount in _data(client, "get", place).items():
            config = mount["config"]
            names = [one for one in (*_TUNES, *(_LOGIN_TUNES if place == "sys/auth" else ())) if config.get(one)]
            if config.get("listing_visibility") not in (None, "", "hidden"):
                names.append("listing_visibility")
            if names and name.rstrip("/") not in _SERVERS_OWN[place]:
                found.append(Tune(path=f"{place}/{name}tune", names=names))
    return tuple(found)


def look(client: hvac.Client, resources: Sequence[Mapping[str, Any]]) -> Sequence[UnknownObject]:
    """Everything that none of a state's resources stands for. Raises VaultError: the server refuses to list."""
    known = {path for one in resources if (path := _path(one))}
    users = {
        (str(one["inputs"].get("mountAccessor")), str(one["inputs"].get("name")))
        for one in resources
        if one["type"] == f"vault:{_PEOPLE['identity/entity-alias']}"
    }
    found = [*_listed(client), *_people(client), *_users(client, users)]
    return tuple(one for one in found if one.path not in known)


def _path(resource: Mapping[str, Any]) -> str | None:
    kind = str(resource["type"]).removeprefix("vault:")
    for place, one in _PEOPLE.items():
        if kind == one:
            return f"{place}/id/{resource.get('id')}"
    entry = TABLE.get(kind)
    return entry.fill(entry.place, resource.get("inputs") or {}) if entry else None


def _listed(client: hvac.Client) -> Iterator[UnknownObject]:
    for place, token in _FLAT.items():
        yield from _names(client, place, token)
    for place, token in _MOUNTS.items():
        for name, mount in _data(client, "get", place).items():
            path = name.rstrip("/")
            if path in _SERVERS_OWN[place]:
                continue
            if path not in _ESTATES_OWN.get(place, ()):
                yield UnknownObject(path=f"{place}/{path}", type=f"vault:{token}")
            where = f"auth/{path}" if place == "sys/auth" else path
            for below, inner in _INSIDE.get(mount["type"], {}).items():
                yield from _names(client, f"{where}/{below}", inner)


def _people(client: hvac.Client) -> Iterator[UnknownObject]:
    """Everybody but those whom the server made at their login, such as each application."""
    told = {place: _data(client, "list", f"{place}/id").get("key_info") or {} for place in _PEOPLE}
    entities = told["identity/entity"]
    by_server = {one for one, about in entities.items() if str(about.get("name")).startswith(NAMED_BY_SERVER)}
    for place, token in _PEOPLE.items():
        for identity, about in told[place].items():
            if identity not in by_server and about.get("canonical_id") not in by_server:
                name = str(about.get("name") or "")
                yield UnknownObject(path=f"{place}/id/{identity}", type=f"vault:{token}", called=name)


def _users(client: hvac.Client, known: Collection[tuple[str, str]]) -> Iterator[UnknownObject]:
    """Who could log in by a password, and is no member of the stack."""
    for name, mount in _data(client, "get", "sys/auth").items():
        if mount["type"] == _USERS:
            for user in _data(client, "list", f"auth/{name}users").get("keys") or ():
                if (mount["accessor"], user) not in known:
                    yield UnknownObject(path=f"auth/{name}users/{user}", type=_USERS)


def _names(client: hvac.Client, place: str, token: str) -> Iterator[UnknownObject]:
    left_out = _SERVERS_OWN.get(place, set()) | _ESTATES_OWN.get(place, set())
    for name in _data(client, "list", place).get("keys") or ():
        if name not in left_out:
            yield UnknownObject(path=f"{place}/{name}", type=f"vault:{token}")


def _data(client: hvac.Client, method: str, path: str) -> Mapping[str, Any]:
    try:
        return call(client, method, path).get("data") or {}
    except InvalidPath:
        return {}
    except Forbidden as error:
        raise EstateError(f"{path} can't be listed: {reason(error)}; expected the administrator's policy") from None
