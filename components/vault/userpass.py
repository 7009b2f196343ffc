"""The userpass auth method with lockout.

Owns the mount and its lockout. Refuses users: a password declared here would live in Pulumi's state.
"""

from dataclasses import dataclass, field

import pulumi
import pulumi_vault as vault

from components.vault.checks import check_auth_path
from components.vault.lockout import Lockout, tune_lockout


@dataclass(frozen=True, kw_only=True)
class UserpassAuthArgs:
    """What `UserpassAuth` needs."""

    path: str = "userpass"
    """Auth mount path, without `auth/`."""

    description: str = "People, by user name and password"
    """What operators read in `vault auth list`."""

    lockout: Lockout = field(default_factory=Lockout)
    """When failed logins shut a user out."""

    def __post_init__(self) -> None:
        """Raise ValueError for a path that can't be mounted."""
        check_auth_path("path", self.path)


class UserpassAuth(pulumi.ComponentResource):
    """A userpass mount that locks out guessers. Creates no user."""

    path: pulumi.Output[str]
    """Where it is mounted, without `auth/`."""

    def __init__(self, name: str, args: UserpassAuthArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:UserpassAuth", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        mount = vault.AuthBackend(
            f"{name}-mount", type="userpass", path=args.path, description=args.description, opts=child
        )
        tune_lockout(f"{name}-lockout", mount, args.lockout, child)
        self.path = mount.path
        self.register_outputs({"path": self.path})
