"""The AppRole auth method: how a machine without another identity logs in.

Owns the mount, its lockout and the roles. Refuses SecretIDs: as resources they would be made again by every run that
finds them used up or expired (TFVP#976) and would live in Pulumi's state; `ops` issues them response-wrapped. Refuses
SecretIDs that never expire (vault#31726).
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import pulumi
import pulumi_vault as vault

from components.vault.checks import (
    check_auth_path,
    check_between,
    check_choice,
    check_cidrs,
    check_names,
    check_token_policies,
    check_ttls,
)
from components.vault.lockout import Lockout, tune_lockout

TokenType = Literal["default", "service", "batch"]
"""What a login gives: `service` tokens can be renewed and revoked, `batch` ones cost the server no storage."""

_UNCOUNTED: TokenType = "batch"


@dataclass(frozen=True, kw_only=True)
class AppRole:
    """One application's login."""

    token_policies: Sequence[pulumi.Input[str]]
    """ACL policies of its tokens; at least one, never `root`."""

    token_ttl_seconds: int = 3600
    """Life of a token before renewal (1 h: `requirements/hetzner-vault-plan.md`)."""

    token_max_ttl_seconds: int = 14400
    """Life of a token however often it is renewed (4 h: same source)."""

    secret_id_ttl_seconds: int = 86400
    """Life of a SecretID; never 0, which would mean for ever."""

    secret_id_num_uses: int = 0
    """Logins per SecretID; 0 is any number within its life."""

    secret_id_bound_cidrs: Sequence[str] = ()
    """Networks a SecretID may log in from; none given: any."""

    token_bound_cidrs: Sequence[str] = ()
    """Networks a token may be used from; none given: any."""

    token_num_uses: int = 0
    """Requests per token; 0 is any number within its life."""

    token_type: TokenType = "default"  # noqa: S105 - a kind of token, not a secret
    """Kind of token; `default` is what the mount says, which is `service`."""

    def __post_init__(self) -> None:
        """Raise ValueError for bad lives, counts, networks or policies."""
        check_token_policies("token_policies", self.token_policies)
        check_ttls("token_ttl_seconds", self.token_ttl_seconds, "token_max_ttl_seconds", self.token_max_ttl_seconds)
        check_between("secret_id_ttl_seconds", self.secret_id_ttl_seconds, 1)
        check_between("secret_id_num_uses", self.secret_id_num_uses, 0)
        check_cidrs("secret_id_bound_cidrs", self.secret_id_bound_cidrs)
        check_cidrs("token_bound_cidrs", self.token_bound_cidrs)
        check_between("token_num_uses", self.token_num_uses, 0)
        check_choice("token_type", self.token_type, get_args(TokenType))
        if self.token_num_uses and self.token_type == _UNCOUNTED:
            raise ValueError(
                f"token_num_uses: {self.token_num_uses} can't hold for batch tokens, which aren't counted: expected 0"
            )


@dataclass(frozen=True, kw_only=True)
class AppRoleAuthArgs:
    """What `AppRoleAuth` needs."""

    path: str = "approle"
    """Auth mount path, without `auth/`."""

    description: str = "Applications, by RoleID and SecretID"
    """What operators read in `vault auth list`."""

    lockout: Lockout = field(default_factory=Lockout)
    """When failed logins shut a RoleID out."""

    roles: Mapping[str, AppRole]
    """Roles by name in Vault."""

    def __post_init__(self) -> None:
        """Raise ValueError for a path that can't be mounted or a role name Vault can't keep."""
        check_auth_path("path", self.path)
        check_names("roles", self.roles)


class AppRoleAuth(pulumi.ComponentResource):
    """An AppRole mount and its roles. Never a SecretID."""

    path: pulumi.Output[str]
    """Where it is mounted, without `auth/`."""

    role_ids: Mapping[str, pulumi.Output[str]]
    """RoleID by role name: the half of the login that may be known."""

    def __init__(self, name: str, args: AppRoleAuthArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:AppRoleAuth", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        mount = vault.AuthBackend(
            f"{name}-mount", type="approle", path=args.path, description=args.description, opts=child
        )
        tune_lockout(f"{name}-lockout", mount, args.lockout, child)
        self.path = mount.path
        self.role_ids = {key: _role(f"{name}-role-{key}", key, role, mount, child) for key, role in args.roles.items()}
        self.register_outputs({"path": self.path, "role_ids": dict(self.role_ids)})


def _role(
    name: str, role_name: str, role: AppRole, mount: vault.AuthBackend, opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    return vault.approle.AuthBackendRole(
        name,
        backend=mount.path,
        role_name=role_name,
        bind_secret_id=True,
        secret_id_ttl=role.secret_id_ttl_seconds,
        secret_id_num_uses=role.secret_id_num_uses,
        secret_id_bound_cidrs=list(role.secret_id_bound_cidrs) or None,
        token_policies=list(role.token_policies),
        token_ttl=role.token_ttl_seconds,
        token_max_ttl=role.token_max_ttl_seconds,
        token_bound_cidrs=[_as_answered(cidr) for cidr in role.token_bound_cidrs] or None,
        token_num_uses=role.token_num_uses,
        token_type=role.token_type,
        opts=opts,
    ).role_id


def _as_answered(cidr: str) -> str:
    """A token's network the way the server answers it: one address without its mask, which else is a diff for ever."""
    network = ipaddress.ip_network(cidr)
    return str(network.network_address) if network.num_addresses == 1 else cidr
