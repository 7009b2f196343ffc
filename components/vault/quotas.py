"""Rate-limit quotas, and what those learn who are over one.

Owns `vault.QuotaRateLimit`s and the server's `vault.QuotaConfig`. Refuses lease-count quotas: they are Vault
Enterprise's, and OpenBao has none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Self

import pulumi
import pulumi_vault as vault
from pydantic import Field, model_validator

from ..model import (
    NOT_RESERVED,
    NOT_TOKEN,
    VAULT_PATH,
    PathOrAll,
    PositiveSeconds,
    Seconds,
    Section,
    SettingError,
    duration_text,
    hold,
    names,
    twins,
)
from .children import child

_ADMINISTRATORS = ("", "sys", "auth/cert")
"""Paths that the administrator can't do without."""
_LONGEST_TURN = 60
"""How long whoever brings a stack up waits for one request."""

_EXEMPT = [
    "sys/generate-recovery-token/attempt",
    "sys/generate-recovery-token/update",
    "sys/generate-root/attempt",
    "sys/generate-root/update",
    "sys/health",
    "sys/seal-status",
    "sys/unseal",
]
"""Paths that no limit holds for: those of every server until this setting is written, which else takes them away. Key
shares come by a Unix socket, from no client's address, and no limit can count them."""

OWN_MOUNTS = ("auth/cert", "auth/token", "cubbyhole", "identity", "sys")
"""Mounts that every server has, or that first boot makes."""

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Limit(Section):
    rate: Rate
    """Requests per interval and client address."""
    interval: PositiveSeconds = 1
    """Length of the interval."""
    block_interval: Seconds = 0
    """How long a client that went over the rate is turned away; 0: only until the next interval."""


class RateLimit(_Limit):
    """A rate-limit quota on one path, or on the whole server when the path is empty."""

    path: PathOrAll = ""
    """The mount it holds for, such as `secret` or `auth/approle`; empty is the whole server. Where the administrator's
    own way in is among it (the whole server, `sys`, `auth/cert`), nobody may be turned away for more than a minute."""

    @model_validator(mode="after")
    def _administrator(self) -> Self:
        for name in ("interval", "block_interval") if self.path in _ADMINISTRATORS else ():
            value = getattr(self, name)
            if value > _LONGEST_TURN:
                where = f"path is {self.path!r}" if self.path else "it is of the whole server"
                raise SettingError(
                    name,
                    duration_text(value),
                    f"at most {duration_text(_LONGEST_TURN)}, since {where}: the administrator would be locked out too",
                )
        return self


class LoginLimit(_Limit):
    """How often one application may log in, so that a crash loop can't fill Vault with tokens."""

    rate: Rate = 50
    """Logins per interval and client address."""


def one_limit_a_path(limits: Mapping[str, RateLimit]) -> Mapping[str, RateLimit]:
    """The limits themselves. Raises SettingError where two are on one path, of which Vault would keep the last."""
    for name, other, path in twins({name: limit.path for name, limit in limits.items()}):
        raise SettingError(f"{name}.path", repr(path) if path else "empty", f"another path than {other!r} has")
    return limits


@dataclass(frozen=True, kw_only=True)
class RateLimitsArgs:
    """What `RateLimits` needs."""

    limits: Mapping[str, RateLimit] = field(default_factory=dict)
    """Limits by name in Vault."""
    logins: Mapping[str, LoginLimit] = field(default_factory=dict)
    """Limits on the logins of one role each, by the role's name, which is the limit's name too."""
    auth_path: pulumi.Input[str] = "approle"
    """Auth method that the roles of `logins` are of, without `auth/`."""
    mounts: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    """What `limits` may be on that is made beside them: each path as it is written, with the same once it is there. The
    server refuses a limit on a mount that isn't."""

    answers: bool = False
    """Whether answers tell how much of a limit is left, and one that turns a client away when to come again:
    `Retry-After`. It is one setting of the whole server: one component of a stack sets it."""

    def __post_init__(self) -> None:
        """Raise ValueError for a bad name or path, or for two limits on one path, of which Vault keeps the last."""
        hold("limits", (*self.limits, *self.logins), names)
        hold("limits", self.limits, one_limit_a_path)
        if isinstance(self.auth_path, str):
            hold("auth_path", self.auth_path, VAULT_PATH.check, NOT_RESERVED.check, NOT_TOKEN.check)
        for name in sorted(self.limits.keys() & self.logins.keys()):
            raise SettingError(f"logins.{name}", repr(name), "another name than one of limits")


class RateLimits(pulumi.ComponentResource):
    """Any number of rate-limit quotas."""

    def __init__(self, name: str, args: RateLimitsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:RateLimits", name, {}, opts)
        if args.answers:
            vault.QuotaConfig(
                f"{name}-answers",
                enable_rate_limit_response_headers=True,
                rate_limit_exempt_paths=_EXEMPT,
                opts=child(self),
            )
        for key, limit in args.limits.items():
            self._declare(name, key, limit, _below(limit.path, args.mounts) if limit.path else "")
        for role, login in args.logins.items():
            # The server answers with the slash.
            self._declare(name, role, login, pulumi.Output.format("auth/{}/", args.auth_path), role)
        self.register_outputs({})

    def _declare(self, name: str, key: str, limit: _Limit, path: pulumi.Input[str], role: str | None = None) -> None:
        vault.QuotaRateLimit(
            f"{name}-{key}",
            name=key,
            path=path,
            role=role,
            rate=limit.rate,
            interval=limit.interval,
            block_interval=limit.block_interval,
            opts=child(self),
        )


def _below(path: str, mounts: Mapping[str, pulumi.Input[str]]) -> pulumi.Input[str]:
    """A path as the server answers it, known once its mount is there: a mount's own ends with a slash, one below it
    doesn't."""
    there: Mapping[str, pulumi.Input[str]] = {**{mount: mount for mount in OWN_MOUNTS}, **mounts}
    mount = next((one for one in there if f"{path}/".startswith(f"{one}/")), path)
    return pulumi.Output.concat(there.get(mount, mount), path.removeprefix(mount) or "/")
