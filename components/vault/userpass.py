"""The userpass auth method with lockout.

Owns the mount and its lockout. Refuses users: a password declared here would live in Pulumi's state.
"""

from dataclasses import dataclass, field

import pulumi

from ..model import AuthPath
from .lockout import Lockout, locking_mount


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
    accessor: pulumi.Output[str]
    """The server's own name for the mount, which aliases are of."""

    def __init__(self, name: str, args: UserpassAuthArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:UserpassAuth", name, {}, opts)
        userpass = args.userpass
        mount = locking_mount(
            name, "userpass", userpass.path, "People, by user name and password", lockout=userpass, parent=self
        )
        self.path, self.accessor = mount.path, mount.accessor
        self.register_outputs({"path": self.path, "accessor": self.accessor})
