"""Recovering from an `up` that was killed, so that the next one goes on instead of stumbling over what it made.

The engine writes each step down before it begins it. So what was under way is known, and may be on the server although
no state has it. Most objects are upserts, which are simply written again. Mounts, auth methods, audit devices, AppRole
roles, people, groups and their aliases are not: those are imported. No provider imports an authority, or a JWT method
that wasn't configured yet: one that was under way, which nobody can have been told of, is emptied or removed and made
anew. Which type is which was seen of the official provider (tests/engine/fake_providers/official_requests.json).

Owns that comparison. Refuses to adopt what the state doesn't say was begun: it isn't ours.
"""

import json
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import hvac
import pulumi
from pulumi import automation
from pulumi.runtime import register_resource_transform

from ops.vault.identity import IdentityKind, by_alias, by_name

_MOUNT_TYPES = ("vault:index/mount:Mount",)
_JWT_TYPES = ("vault:jwt/authBackend:AuthBackend",)
_AUTH_TYPES = ("vault:index/authBackend:AuthBackend", *_JWT_TYPES)
_AUDIT_TYPES = ("vault:index/audit:Audit",)
_APPROLE_TYPE = "vault:appRole/authBackendRole:AuthBackendRole"
_AUTHORITY_TYPES = (
    "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert",
    "vault:pkiSecret/secretBackendIntermediateCertRequest:SecretBackendIntermediateCertRequest",
)
_IDENTITY_TYPES: Mapping[str, tuple[IdentityKind, bool]] = {
    "vault:identity/entity:Entity": ("entity", False),
    "vault:identity/entityAlias:EntityAlias": ("entity", True),
    "vault:identity/group:Group": ("group", False),
    "vault:identity/groupAlias:GroupAlias": ("group", True),
}
"""What each is looked up as, and whether it is an alias."""
CONNECTION_TYPE = "vault:database/secretBackendConnection:SecretBackendConnection"
_READY_TYPE = "pulumi-python:dynamic:Resource"
"""Of `VaultReady`; the other dynamic resource has a type of its own."""


@dataclass(frozen=True, kw_only=True)
class Begun:
    """Objects in Vault that a killed run began to make and no state knows, by path."""

    mounts: frozenset[str] = frozenset()
    auth: frozenset[str] = frozenset()
    jwt: frozenset[str] = frozenset()
    """Those of `auth` that aren't whole without a configuration."""
    audit: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    """Of AppRole: a server refuses what a role is created with for one that it has."""
    people: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Entities, groups and aliases by type and name: of an alias the accessor of its mount; once they are looked up,
    the id. A server answers with none what is made a second time."""
    authorities: frozenset[str] = frozenset()
    """Mounts of certificate authorities; these can only be emptied."""

    def __bool__(self) -> bool:
        return bool(self.importable or self.authorities)

    @property
    def importable(self) -> int:
        """How many can be imported."""
        return len(self.mounts) + len(self.auth) + len(self.audit) + len(self.roles) + len(self.people)

    def identity(self, type_token: str, properties: Mapping[str, Any]) -> str | None:
        """The id to import a resource by; None when it is to be created."""
        if type_token in _MOUNT_TYPES and properties.get("path") in self.mounts:
            return str(properties["path"])
        path = properties.get("path") or properties.get("type")
        if (type_token in _AUTH_TYPES and path in self.auth) or (type_token in _AUDIT_TYPES and path in self.audit):
            return str(path)
        if type_token == _APPROLE_TYPE and _role(properties) in self.roles:
            return _role(properties)
        return self.people.get((type_token, str(properties.get("name"))))


def begun(deployment: Mapping[str, Any]) -> Begun:
    """What a killed run began to create in Vault, by the operations under way in the stack's exported state."""
    resources = deployment.get("resources") or []
    operations = deployment.get("pending_operations") or []
    creating = [one["resource"] for one in operations if one["type"] == "creating"]

    def paths(types: Collection[str], *names: str) -> frozenset[str]:
        inputs = [one.get("inputs") or {} for one in creating if one["type"] in types]
        return frozenset(str(next(filter(None, map(given.get, names)), "")) for given in inputs)

    known = {one["inputs"]["backend"] for one in resources if one["type"] in _AUTHORITY_TYPES}
    return Begun(
        mounts=paths(_MOUNT_TYPES, "path"),
        auth=paths(_AUTH_TYPES, "path", "type"),
        jwt=paths(_JWT_TYPES, "path", "type"),
        audit=paths(_AUDIT_TYPES, "path", "type"),
        roles=frozenset(_role(one.get("inputs") or {}) for one in creating if one["type"] == _APPROLE_TYPE),
        people={
            (one["type"], str(given.get("name"))): str(given.get("mountAccessor") or "")
            for one in creating
            if one["type"] in _IDENTITY_TYPES
            for given in (one.get("inputs") or {},)
        },
        authorities=paths(_AUTHORITY_TYPES, "backend") - known,
    )


def address_in(deployment: Mapping[str, Any]) -> str:
    """Of the Vault whose contents were begun: it was ready then, and a first `up` that was killed exports nothing."""
    resources = deployment.get("resources") or []
    return next(str(one["outputs"]["address"]) for one in resources if one["type"] == _READY_TYPE)


def knows_database(deployment: Mapping[str, Any]) -> bool:
    """Whether the state has a database connection, whose root password Vault may thus have rotated."""
    return any(one["type"] == CONNECTION_TYPE for one in deployment.get("resources") or [])


def existing(client: hvac.Client, found: Begun) -> Begun:
    """Those of them that the server has."""

    def there(kind: str, begun: frozenset[str]) -> frozenset[str]:
        return begun & frozenset(path.rstrip("/") for path in _read(client, f"sys/{kind}")) if begun else begun

    return replace(
        found,
        mounts=there("mounts", found.mounts),
        auth=there("auth", found.auth),
        audit=there("audit", found.audit),
        roles=frozenset(path for path in found.roles if _read(client, path)),
        people={key: made for key, mount in found.people.items() if (made := _identity(client, *key, mount))},
    )


def _identity(client: hvac.Client, type_token: str, name: str, mount: str) -> str:
    """The id of an entity, a group or an alias; empty: the server has none of this name."""
    kind, is_alias = _IDENTITY_TYPES[type_token]
    if not is_alias:
        return str(by_name(client, kind, name).get("id") or "")
    found = by_alias(client, kind, name, mount)
    aliases = found.get("aliases") or [found.get("alias") or {}]
    return next((str(one["id"]) for one in aliases if one.get("name") == name and one["mount_accessor"] == mount), "")


def remove_halves(client: hvac.Client, found: Begun) -> Begun:
    """Disable the JWT methods that were mounted and not configured: nobody could log in there, and no provider imports
    one. What is left."""
    halves = {path for path in found.auth & found.jwt if not _read(client, f"auth/{path}/config")}
    for path in sorted(halves):
        client.delete(f"sys/auth/{path}")
    return replace(found, auth=found.auth - halves)


def empty_authorities(client: hvac.Client, found: Begun) -> None:
    """Remove issuers and keys of authorities that were under way, so that they can be made again."""
    for mount in sorted(found.authorities):
        for kind in ("issuer", "key"):
            for identity in _read(client, f"{mount}/{kind}s", listing=True).get("keys", []):
                client.delete(f"{mount}/{kind}/{identity}")


def _role(properties: Mapping[str, Any]) -> str:
    """Where an AppRole role is."""
    return f"auth/{properties.get('backend') or 'approle'}/role/{properties.get('roleName')}"


def _read(client: hvac.Client, path: str, *, listing: bool = False) -> dict[str, Any]:
    answer = client.list(path) if listing else client.read(path)
    return dict(answer["data"]) if isinstance(answer, dict) else {}


def importing(program: Callable[[], None], found: Begun) -> Callable[[], None]:
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


def settle(stack: automation.Stack) -> None:
    """Remove from the state what was under way. To be called after an `up` that succeeded.

    The engine itself would keep it, and warn of it at each run, until somebody clears it by hand.
    """
    workspace = stack.workspace
    run, named = workspace.pulumi_command.run, ["--stack", stack.name]
    answer = run(["stack", "export", *named], workspace.work_dir, workspace.env_vars)
    document = json.loads(answer.stdout)
    if not (document.get("deployment") or {}).pop("pending_operations", None):
        return
    # Closed to others, and the secrets in it are encrypted.
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(document, file)
        file.flush()
        run(["stack", "import", "--file", file.name, *named], workspace.work_dir, workspace.env_vars)
