"""A KV version 2 secrets engine.

Owns the mount and its settings. Refuses to hold values: a secret written here would live in Pulumi's state for good
(TFVP#2184, TFVP#2534); values are seeded and rotated by `ops` and by the applications' owners.
"""

from dataclasses import dataclass, field
from typing import Annotated

import pulumi
import pulumi_vault as vault
from pydantic import Field

from ..model import NOT_RESERVED, VAULT_PATH, Seconds, Section, hold
from .children import child


class KvOptions(Section):
    """A KV version 2 mount; its key is the mount's path."""

    description: str = ""
    """What operators read in the list of mounts. Never a secret."""
    max_versions: Annotated[int, Field(ge=1, le=1_000)] = 10
    """Versions kept of each secret."""
    delete_version_after: Seconds = 0
    """Age at which a version is deleted; 0 keeps versions until `max_versions` pushes them out."""
    cas_required: bool = False
    """Every write must name the version it replaces, so that two writers can't silently overwrite each other."""


@dataclass(frozen=True, kw_only=True)
class KvMountArgs:
    """What `KvMount` needs."""

    path: str
    """Mount path, for example `secret` or `agenticverz`."""
    options: KvOptions = field(default_factory=KvOptions)
    """What is kept there, and how."""

    def __post_init__(self) -> None:
        """Raise ValueError for a path that can't be mounted."""
        hold("path", self.path, VAULT_PATH.check, NOT_RESERVED.check)


class KvMount(pulumi.ComponentResource):
    """A versioned key/value mount with its settings. Holds no secret value and reads none."""

    mount_path: pulumi.Output[str]
    """Where it is mounted; known once mounted."""

    def __init__(self, name: str, args: KvMountArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:KvMount", name, {}, opts)
        options = args.options
        # `kv` with version 2, not `kv-v2`: the server answers `kv`, and the other spelling is a diff for ever.
        mount = vault.Mount(
            f"{name}-mount",
            path=args.path,
            type="kv",
            options={"version": "2"},
            description=options.description,
            opts=child(self, holds_data=True),
        )
        vault.kv.SecretBackendV2(
            f"{name}-settings",
            mount=mount.path,
            max_versions=options.max_versions,
            delete_version_after=options.delete_version_after,
            cas_required=options.cas_required,
            opts=child(self),
        )
        self.mount_path = mount.path
        self.register_outputs({"mount_path": self.mount_path})
