"""Who logged in before they were a member: the server made an entity for them then, which has the alias of their login.

Owns its removal before the engine begins, since the official provider refuses an alias that is there. Their logins end
with it. Plain `pulumi up` doesn't do it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ops.console import Console
from ops.engine import state
from ops.errors import EstateError
from ops.platforms.driver import PlatformDriver
from ops.vault.api import call
from ops.vault.identity import NAMED_BY_SERVER, by_alias, own_token
from ops.vault.login import log_in
from settings import Settings


def make_room(platform: PlatformDriver, deployment: Mapping[str, Any], console: Console) -> None:
    """Remove what the server made for a new member. Raises EstateError: it refuses, or that is the administrator's."""
    address, new = state.exports(deployment).get("address"), tuple(_new(platform.file.settings, deployment))
    if not (address and new):
        return
    with log_in(platform.endpoint(address)) as client:
        mounts, own = call(client, "get", "sys/auth")["data"], own_token(client)["entity_id"]
        for member, path, alias in new:
            accessor = mounts.get(f"{path}/", {}).get("accessor")
            entity = by_alias(client, "entity", alias, accessor) if accessor else {}
            if entity and entity["id"] == own:
                setting = platform.file.named(f"people.members.{member}")
                raise EstateError(f"{setting} is called as the administrator's certificate is; expected another name")
            if entity and entity["name"].startswith(NAMED_BY_SERVER):
                call(client, "delete", f"identity/entity/id/{entity['id']}")
                console.say(f"{member} had logged in before being a member, and logs in again")


def _new(settings: Settings, deployment: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Members whose alias isn't in the state, with their auth method's path and what they are called there."""
    outputs = [(str(one["type"]), one.get("outputs") or {}) for one in deployment.get("resources") or []]
    mounts = {
        told.get("login_path") or told.get("path"): told["accessor"]
        for kind, told in outputs
        if told.get("accessor") and kind != "vault:index/mount:Mount"
    }
    known = {(told.get("mountAccessor"), told.get("name")) for kind, told in outputs if kind.endswith(":EntityAlias")}
    for name, member in settings.people.members.items() if settings.people else ():
        path, alias = settings.people_paths[member.login.kind], member.called_at_login(name)
        if (mounts.get(path), alias) not in known:
            yield name, path, alias
