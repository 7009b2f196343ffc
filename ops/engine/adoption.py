"""Finding again what a killed `up` made, so that the next one goes on instead of stumbling over it.

`./estate up` skips the engine's checkpoints on this machine, because the file backend rewrites the whole state for each
resource (ADR 6). A killed run then leaves objects no state knows. Most are upserts, which are simply written again.
Mounts are not: those this module has the engine import. Certificate authorities can't be imported by any provider; one
that a killed run made, which nobody can have been told of, is emptied and made anew.

Owns the mark of an unfinished run. Refuses to adopt what was on the server before that run began: it isn't ours.
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import hvac
import pulumi
from pulumi.runtime import register_resource_transform

_MOUNT_TYPES = {"vault:index/mount:Mount": "mounts"}
_AUTH_TYPES = {"vault:index/authBackend:AuthBackend": "auth", "vault:jwt/authBackend:AuthBackend": "auth"}
_AUTHORITY_TYPES = (
    "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert",
    "vault:pkiSecret/secretBackendIntermediateCertRequest:SecretBackendIntermediateCertRequest",
)
_CONNECTION_TYPE = "vault:database/secretBackendConnection:SecretBackendConnection"

Inventory = Mapping[str, tuple[str, ...]]
"""Paths of the mounts and auth methods a server has, without a slash at the end."""


BUILT_IN: Inventory = {"mounts": ("cubbyhole", "identity", "sys"), "auth": ("cert", "token")}
"""What a freshly bootstrapped server has."""


def inventory(client: hvac.Client) -> Inventory:
    """What the server has now."""
    return {
        kind: tuple(sorted(path.rstrip("/") for path in _read(client, f"sys/{kind}"))) for kind in ("mounts", "auth")
    }


def _read(client: hvac.Client, path: str, *, listing: bool = False) -> dict[str, Any]:
    answer = client.list(path) if listing else client.read(path)
    return dict(answer["data"]) if isinstance(answer, dict) else {}


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """The mark that an `up` began and did not end, with what the server had before."""

    file: Path

    @property
    def is_set(self) -> bool:
        """Whether an earlier `up` was killed."""
        return self.file.is_file()

    def begin(self, before: Inventory) -> None:
        """Set the mark. One that is still set stays: the server before the *first* killed run is what counts."""
        if self.is_set:
            return
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps(before))
        fresh.replace(self.file)

    def before(self) -> Inventory:
        """What the server had before the run that was killed."""
        content: dict[str, list[str]] = json.loads(self.file.read_text())
        return {kind: tuple(paths) for kind, paths in content.items()}

    def end(self) -> None:
        """Remove the mark: the state knows everything again."""
        self.file.unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class Orphans:
    """Objects of a killed run that no state knows: the id to import each by, keyed by kind and path."""

    mounts: frozenset[str]
    auth: frozenset[str]
    authorities: frozenset[str]
    """Mounts that hold a certificate authority no state knows; they can only be emptied."""

    def __len__(self) -> int:
        return len(self.mounts) + len(self.auth)

    def identity(self, type_token: str, properties: Mapping[str, Any]) -> str | None:
        """The id to import a resource by; None when it is to be created."""
        if type_token in _MOUNT_TYPES and properties.get("path") in self.mounts:
            return str(properties["path"])
        path = properties.get("path") or properties.get("type")
        if type_token in _AUTH_TYPES and path in self.auth:
            return str(path)
        return None


def orphans(client: hvac.Client, before: Inventory, deployment: Mapping[str, Any]) -> Orphans:
    """Compare the server with the state: what came since `before` and is in no state.

    Args:
        client: logged in as the administrator.
        before: the server before the killed run.
        deployment: the stack's exported state.
    """
    resources = deployment.get("resources") or []
    known = {(resource["type"], resource.get("id")) for resource in resources}
    now = inventory(client)

    def lost(kind: str, types: Mapping[str, str]) -> frozenset[str]:
        ids = {identity for type_token, identity in known if type_token in types}
        return frozenset(set(now[kind]) - set(before[kind]) - ids)

    with_authority = {one["inputs"]["backend"] for one in resources if one["type"] in _AUTHORITY_TYPES}
    with_keys = {path.rstrip("/") for path, mount in _read(client, "sys/mounts").items() if mount["type"] == "pki"}
    return Orphans(
        mounts=lost("mounts", _MOUNT_TYPES),
        auth=lost("auth", _AUTH_TYPES),
        authorities=frozenset(with_keys - with_authority - set(before["mounts"])),
    )


def begun(deployment: Mapping[str, Any]) -> Orphans:
    """What a killed run began to create, where the engine wrote each step down: it may be there, and no state knows it.

    Args:
        deployment: the stack's exported state, with the operations that were under way.
    """
    resources = deployment.get("resources") or []
    operations = deployment.get("pending_operations") or []
    creating = [one["resource"] for one in operations if one["type"] == "creating"]

    def paths(types: Collection[str], *names: str) -> frozenset[str]:
        inputs = [one.get("inputs") or {} for one in creating if one["type"] in types]
        return frozenset(str(next(filter(None, map(given.get, names)), "")) for given in inputs)

    known = {one["inputs"]["backend"] for one in resources if one["type"] in _AUTHORITY_TYPES}
    return Orphans(
        mounts=paths(_MOUNT_TYPES, "path"),
        auth=paths(_AUTH_TYPES, "path", "type"),
        authorities=paths(_AUTHORITY_TYPES, "backend") - known,
    )


def there(client: hvac.Client, found: Orphans) -> Orphans:
    """Those of them that the server has."""
    now = inventory(client)
    return replace(found, mounts=found.mounts & set(now["mounts"]), auth=found.auth & set(now["auth"]))


def empty_authorities(client: hvac.Client, found: Orphans, own: frozenset[str]) -> None:
    """Remove the issuers and keys of authorities no state knows, so that the next run makes the mount's only ones.

    Args:
        client: logged in as the administrator.
        found: as `orphans` tells.
        own: mounts the settings describe; what a person made beside them stays.
    """
    for mount in sorted(found.authorities & own):
        for kind in ("issuer", "key"):
            for identity in _read(client, f"{mount}/{kind}s", listing=True).get("keys", []):
                client.delete(f"{mount}/{kind}/{identity}")


def knows_database(deployment: Mapping[str, Any]) -> bool:
    """Whether the state has a database connection, whose root password Vault may thus have rotated."""
    return any(one["type"] == _CONNECTION_TYPE for one in deployment.get("resources") or [])


def importing(program: Callable[[], None], found: Orphans) -> Callable[[], None]:
    """The program, with the resources that stand for `found` imported instead of created.

    Differences are left alone in this run, since an import with a difference fails; the `up` that follows mends them.
    """

    def transform(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        identity = found.identity(args.type_, args.props) if args.custom else None
        if identity is None:
            return None
        adopted = pulumi.ResourceOptions(import_=identity, ignore_changes=["*"])
        return pulumi.ResourceTransformResult(props=args.props, opts=pulumi.ResourceOptions.merge(args.opts, adopted))

    def adopting() -> None:
        register_resource_transform(transform)
        program()

    return adopting
