"""Rate-limit quotas.

Owns `vault.QuotaRateLimit`s. Refuses lease-count quotas: they are Vault Enterprise's, and OpenBao has none.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_vault as vault

from components.vault.checks import check_between, check_names


@dataclass(frozen=True, kw_only=True)
class RateLimit:
    """How many requests one client may send."""

    path: str = ""
    """Mount (`secret`, `auth/approle`) the limit holds for; empty: everything."""

    role: str = ""
    """Role of the auth mount `path` whose logins the limit holds for; empty: every request to the path."""

    rate: float
    """Requests per interval and client address."""

    interval_seconds: int = 1
    """Length of the interval."""

    block_interval_seconds: int = 0
    """How long a client that went over the rate is turned away; 0: only until the next interval."""

    def __post_init__(self) -> None:
        """Raise ValueError for a rate that lets nothing through, or a number or path out of range."""
        if not self.rate > 0:
            raise ValueError(f"rate: {self.rate} lets nothing through: expected more than 0 requests per interval")
        if self.role and not self.path.startswith("auth/"):
            raise ValueError(f"role: {self.role!r} with path {self.path!r}: expected the path of an auth mount")
        check_between("interval_seconds", self.interval_seconds, 1)
        check_between("block_interval_seconds", self.block_interval_seconds, 0)
        if self.path.startswith("/") or self.path.endswith("/"):
            raise ValueError(
                f"path: {self.path!r}: expected a mount without slashes around it, for example 'auth/approle'"
            )


@dataclass(frozen=True, kw_only=True)
class RateLimitsArgs:
    """What `RateLimits` needs."""

    limits: Mapping[str, RateLimit]
    """Limits by name in Vault."""

    def __post_init__(self) -> None:
        """Raise ValueError for a bad name, or for two limits on one path, of which Vault keeps the last."""
        check_names("limits", self.limits)
        paths: dict[tuple[str, str], str] = {}
        for key, limit in self.limits.items():
            other = paths.setdefault((limit.path, limit.role), key)
            if other != key:
                raise ValueError(
                    f"limits[{key}].path: {limit.path!r} is also limited by limits[{other}]: expected one limit a path"
                )


class RateLimits(pulumi.ComponentResource):
    """Any number of rate-limit quotas."""

    def __init__(self, name: str, args: RateLimitsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:RateLimits", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        for key, limit in args.limits.items():
            vault.QuotaRateLimit(
                f"{name}-{key}",
                name=key,
                path=f"{limit.path}/" if limit.path else "",  # the server answers with the slash
                role=limit.role or None,
                rate=limit.rate,
                interval=limit.interval_seconds,
                block_interval=limit.block_interval_seconds,
                opts=child,
            )
        self.register_outputs({})
