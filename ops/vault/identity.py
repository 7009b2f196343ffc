"""Who is who on a server: entities, groups, and the aliases by which their logins find them.

Owns how one is looked up. Refuses to change any: whoever asks decides.
"""

from collections.abc import Mapping
from typing import Any, Literal

import hvac

from ops.vault.api import call

IdentityKind = Literal["entity", "group"]
NAMED_BY_SERVER = "entity_"
"""How the name of an entity begins that the server made at a login of somebody unknown to it."""


def by_name(client: hvac.Client, kind: IdentityKind, name: str) -> Mapping[str, Any]:
    """An entity or a group; empty: the server has none of this name. Raises VaultError."""
    return _found(client, kind, {"name": name})


def by_alias(client: hvac.Client, kind: IdentityKind, name: str, accessor: str) -> Mapping[str, Any]:
    """Whose alias this name is at the mount of an auth method; empty: nobody's. Raises VaultError."""
    return _found(client, kind, {"alias_name": name, "alias_mount_accessor": accessor})


def _found(client: hvac.Client, kind: IdentityKind, question: Mapping[str, str]) -> Mapping[str, Any]:
    return call(client, "post", f"identity/lookup/{kind}", question).get("data") or {}


def own_token(client: hvac.Client) -> Mapping[str, Any]:
    """What the server says of a client's own token. Raises VaultError."""
    found: Mapping[str, Any] = call(client, "get", "auth/token/lookup-self")["data"]
    return found
