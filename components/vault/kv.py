"""A KV version 2 secrets engine.

Owns the mount and its settings. Refuses to hold values: a secret written here would live in Pulumi's state for good
(TFVP#2184, TFVP#2534); values are seeded and rotated by `ops` and by the applications' owners.
"""

from dataclasses import dataclass

import pulumi
import pulumi_vault as vault

from components.vault.checks import check_between, check_mount_path


@dataclass(frozen=True, kw_only=True)
class KvMountArgs:
    """What `KvMount` needs."""

    path: str
    """Mount path, for example `secret` or `agenticverz`."""

    description: str = "Key/value secrets, versioned"
    """What operators read in `vault secrets list`. Never a secret."""

    max_versions: int = 10
    """Versions kept of each secret (Vault's own default is 10); 1 to 100."""

    delete_version_after_seconds: int = 0
    """Age at which a version is soft-deleted; 0 keeps it until `max_versions` pushes it out."""

    cas_required: bool = False
    """Every write must name the version it replaces, so two writers can't silently overwrite each other."""

    def __post_init__(self) -> None:
        """Raise ValueError for a path that can't be mounted or a number out of range."""
        check_mount_path("path", self.path)
        check_between("max_versions", self.max_versions, 1, 100)
        check_between("delete_version_after_seconds", self.delete_version_after_seconds, 0)


class KvMount(pulumi.ComponentResource):
    """A versioned key/value mount with its settings. Holds no secret value and reads none."""

    mount_path: pulumi.Output[str]
    """Where it is mounted; known once mounted."""

    def __init__(self, name: str, args: KvMountArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:KvMount", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        # `kv` with version 2, not `kv-v2`: the server answers `kv`, and the other spelling is a diff for ever.
        mount = vault.Mount(
            f"{name}-mount",
            path=args.path,
            type="kv",
            options={"version": "2"},
            description=args.description,
            opts=child,
        )
        vault.kv.SecretBackendV2(
            f"{name}-settings",
            mount=mount.path,
            max_versions=args.max_versions,
            delete_version_after=args.delete_version_after_seconds,
            cas_required=args.cas_required,
            opts=child,
        )
        self.mount_path = mount.path
        self.register_outputs({"mount_path": self.mount_path})
