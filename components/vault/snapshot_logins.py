"""Who may take and restore snapshots: logins by certificate, apart from the administrator's.

Owns a role of the `cert` auth method for each, and its ACL policy. Refuses to enable that method: the bootstrap did.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_vault as vault

from ..model import SettingError, hold, names
from ..render.acl import AclPolicy, render
from .children import child

TOKEN_SECONDS = 900
"""How long one login lasts. It has to outlive one transfer; a token still alive in a snapshot comes back with it."""


@dataclass(frozen=True, kw_only=True)
class SnapshotLogin:
    """One certificate and what it may do."""

    certificate: str
    """PEM of the public certificate."""
    policy: AclPolicy
    """Its name is the role's name too."""
    token_bound_cidrs: Sequence[str] = ()
    """Networks it may come from; none: any."""

    def __post_init__(self) -> None:
        if "-----BEGIN CERTIFICATE-----" not in self.certificate or "PRIVATE KEY" in self.certificate:
            raise SettingError(
                f"certificate of {self.policy.name}", "something else", "the PEM of a certificate, and no key"
            )


@dataclass(frozen=True, kw_only=True)
class SnapshotLoginsArgs:
    """What `SnapshotLogins` needs."""

    logins: Mapping[str, SnapshotLogin]
    """By a key of the caller's own, which names the Pulumi resources."""
    path: str = "cert"
    """Mount of the `cert` auth method."""

    def __post_init__(self) -> None:
        """Raise ValueError for a bad key."""
        hold("logins", self.logins, names)


class SnapshotLogins(pulumi.ComponentResource):
    """Roles and policies for snapshots."""

    def __init__(self, name: str, args: SnapshotLoginsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:SnapshotLogins", name, {}, opts)
        for key, login in args.logins.items():
            policy = vault.Policy(
                f"{name}-{key}-policy", name=login.policy.name, policy=render(login.policy), opts=child(self)
            )
            vault.CertAuthBackendRole(
                f"{name}-{key}",
                backend=args.path,
                name=login.policy.name,
                certificate=login.certificate,
                token_policies=[policy.name],
                token_ttl=TOKEN_SECONDS,
                token_max_ttl=TOKEN_SECONDS,
                token_bound_cidrs=list(login.token_bound_cidrs),
                opts=child(self),
            )
        self.register_outputs({})
