"""The userpass auth method with lockout.

Owns the mount and its lockout. Refuses users: a password declared here would live in Pulumi's state.
"""

from dataclasses import dataclass, field

import pulumi
import pulumi_vault as vault

from ..model import AuthPath
from .lockout import Lockout, tune_lockout


class Userpass(Lockout):
    """The userpass auth method for people, with its lockout."""

    path: AuthPath = "userpass"
    """Where it is mounted."""


@dataclass(frozen=True, kw_only=True)
class UserpassAuthArgs:
    """What `UserpassAuth` needs."""

    userpass: Userpass = field(default_factory=Userpass)
    """The mount and its lockout."""


class UserpassAuth(pulumi.ComponentResource):
    """A userpass mount that locks out guessers. Creates no user."""

    path: pulumi.Output[str]
    """Where it is mounted, without `auth/`."""

    def __init__(self, name: str, args: UserpassAuthArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:UserpassAuth", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        mount = vault.AuthBackend(
            f"{name}-mount",
            type="userpass",
            path=args.userpass.path,
            description="People, by user name and password",
            opts=child,
        )
        tune_lockout(f"{name}-lockout", mount, args.userpass, child)
        self.path = mount.path
        self.register_outputs({"path": self.path})
