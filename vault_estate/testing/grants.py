"""What an application's login may do at a test's Vault: the same for the fake and for a real server.

Owns the paths and the reading of them, as ACL policies have them. Refuses whatever is not granted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vault_estate.manifest import ClientManifest

KV_MOUNT = "secret"
"""Where secrets are without a manifest."""
_ALL = ("create", "read", "update", "delete", "list")
_USE = ("create", "update")


@dataclass(frozen=True)
class GrantedPath:
    """One rule of an ACL policy."""

    path: str
    """Of Vault's API; a `*` at its end stands for whatever follows."""
    capabilities: Sequence[str]

    def render(self) -> str:
        """As an ACL policy has it."""
        listed = ", ".join(f'"{one}"' for one in self.capabilities)
        return f'path "{self.path}" {{ capabilities = [{listed}] }}\n'

    def covers(self, path: str) -> bool:
        """Whether it is about a path."""
        return path.startswith(self.path[:-1]) if self.path.endswith("*") else path == self.path


def granted(manifest: "ClientManifest | None", denied: Iterable[tuple[str, str]]) -> list[GrantedPath]:
    """What the manifest says; without one the mounts `secret`, `transit` and `database`. `denied` are secrets by mount
    and path."""
    rules = [*(_by_default() if manifest is None else _by_manifest(manifest))]
    for mount, path in denied:
        own = {f"{mount}/{part}/{path}" for part in ("data", "metadata")}
        rules = [one for one in rules if one.path not in own]
        rules += [GrantedPath(one, ("deny",)) for one in sorted(own)]
    return rules


def may(rules: Sequence[GrantedPath], path: str, capability: str) -> bool:
    """Whether the rule that is nearest to a path allows it."""
    found = [one for one in rules if one.covers(path)]
    if not found:
        return False
    nearest = max(found, key=lambda one: (not one.path.endswith("*"), len(one.path)))
    return capability in nearest.capabilities


def _by_default() -> list[GrantedPath]:
    return [
        GrantedPath(f"{KV_MOUNT}/*", _ALL),
        *(GrantedPath(f"transit/{use}/*", _USE) for use in _TRANSIT),
        GrantedPath("database/creds/*", ("read",)),
        GrantedPath("database/static-creds/*", ("read",)),
    ]


def _by_manifest(manifest: "ClientManifest") -> list[GrantedPath]:
    rules = []
    for one in manifest.secrets.values():
        writes = one.access == "write"
        each = _ALL[:4] if writes else ("read",)
        rules += [GrantedPath(f"{one.mount}/{part}/{one.path}", each) for part in ("data", "metadata")]
        if writes:
            rules += [GrantedPath(f"{one.mount}/{part}/{one.path}", _USE) for part in ("delete", "undelete")]
    if transit := manifest.transit:
        rules += [GrantedPath(f"{transit.mount}/{use}/{key}", _USE) for key in transit.keys for use in _TRANSIT]
    if database := manifest.database:
        rules += [GrantedPath(f"{database.mount}/creds/{role}", ("read",)) for role in database.roles]
        rules += [GrantedPath(f"{database.mount}/static-creds/{role}", ("read",)) for role in database.static_roles]
    return rules


_TRANSIT = ("encrypt", "decrypt", "rewrap")
