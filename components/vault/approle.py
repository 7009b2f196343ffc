"""The AppRole auth method: how a machine without another identity logs in.

Owns the mount, its lockout and the roles. Refuses SecretIDs: as resources they would be made again by every run that
finds them used up or expired (TFVP#976) and would live in Pulumi's state; `ops` issues them response-wrapped. Refuses
SecretIDs that never expire (vault#31726).
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, Self

import pulumi
import pulumi_vault as vault
from pydantic import Field, model_validator

from ..model import AuthPath, Cidr, PositiveSeconds, SettingError
from .children import child
from .lockout import Lockout, locking_mount
from .logins import LoginsArgs, TokenLifetime


class AppRole(Lockout):
    """The AppRole auth method, with its lockout."""

    path: AuthPath = "approle"
    """Where it is mounted."""


class AppRoleLogin(TokenLifetime):
    """A RoleID and a SecretID. SecretIDs are issued response-wrapped by `./estate secret-id`."""

    kind: Literal["approle"] = "approle"
    """How it logs in."""
    secret_id_ttl: PositiveSeconds = 86_400
    """How long a SecretID may be used; one that never expires can't be asked for."""
    secret_id_uses: Annotated[int, Field(ge=0)] = 0
    """Logins one SecretID is good for; 0 is no limit within its TTL."""
    bound_cidrs: Annotated[tuple[Cidr, ...], Field(strict=False)] = ()
    """Networks the login and its tokens may come from; empty is anywhere."""
    renews_secret_id: bool = False
    """Whether its tokens may ask, response-wrapped, for the next SecretID of its own role, and destroy one that they
    know: a timer on its machine then needs no person ([renewal](renewal.md)). Who steals such a token can do so too."""

    @model_validator(mode="after")
    def _uses(self) -> Self:
        if self.renews_secret_id and self.secret_id_uses:
            raise SettingError("secret_id_uses", str(self.secret_id_uses), "0, since renews_secret_id uses logins too")
        return self


@dataclass(frozen=True, kw_only=True)
class AppRoleAuthArgs(LoginsArgs):
    """What `AppRoleAuth` needs."""

    approle: AppRole = field(default_factory=AppRole)
    """The mount and its lockout."""
    logins: Mapping[str, AppRoleLogin]


class AppRoleAuth(pulumi.ComponentResource):
    """An AppRole mount and its roles. Never a SecretID."""

    path: pulumi.Output[str]
    """Where it is mounted, without `auth/`."""
    role_ids: Mapping[str, pulumi.Output[str]]
    """RoleID by role name: the half of the login that may be known."""

    def __init__(self, name: str, args: AppRoleAuthArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:AppRoleAuth", name, {}, opts)
        approle = args.approle
        self.path = locking_mount(
            name, "approle", approle.path, "Applications, by RoleID and SecretID", lockout=approle, parent=self
        ).path
        self.role_ids = {
            role: vault.approle.AuthBackendRole(
                f"{name}-role-{role}",
                backend=self.path,
                role_name=role,
                bind_secret_id=True,
                secret_id_ttl=login.secret_id_ttl,
                secret_id_num_uses=login.secret_id_uses,
                secret_id_bound_cidrs=list(login.bound_cidrs) or None,
                token_policies=list(args.token_policies[role]),
                token_ttl=login.token_ttl,
                token_max_ttl=login.token_max_ttl,
                token_bound_cidrs=[_as_answered(cidr) for cidr in login.bound_cidrs] or None,
                token_num_uses=0,
                token_type=login.declared_token_type or "default",
                opts=child(self),
            ).role_id
            for role, login in args.logins.items()
        }
        self.register_outputs({"path": self.path, "role_ids": dict(self.role_ids)})


def _as_answered(cidr: str) -> str:
    """A token's network the way the server answers it: one address without its mask, which else is a diff for ever."""
    network = ipaddress.ip_network(cidr)
    return str(network.network_address) if network.num_addresses == 1 else cidr
