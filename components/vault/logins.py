"""What every login of an application gives: a token's lives, and its ACL policies.

Owns the rules that AppRole, Kubernetes and JWT share. Refuses a login without a policy, and the policy `root`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import pulumi
from pydantic import model_validator

from ..model import PositiveSeconds, Section, SettingError, at_most, hold, names

TokenPolicies = Mapping[str, Sequence[pulumi.Input[str]]]
"""ACL policies of the tokens that each login gives, by the login's name."""


class TokenLifetime(Section):
    """How long the tokens of a login live."""

    token_ttl: PositiveSeconds = 3_600
    """How long a token lasts unless it is renewed."""
    token_max_ttl: PositiveSeconds = 14_400
    """How long a token lasts at most."""
    token_type: Literal["service", "batch"] = "service"  # noqa: S105 - a kind of token
    """A `service` token can be renewed and revoked. A `batch` token can't: it ends after `token_ttl`, and what it
    leased with it, but costs the server no write, which counts where an application logs in very often."""

    @property
    def declared_token_type(self) -> str | None:
        """In the server's words; None: its own default, which is a service token."""
        return self.token_type if self.token_type != "service" else None  # noqa: S105 - a kind of token

    @model_validator(mode="after")
    def _ttl(self) -> Self:
        at_most("token_ttl", self.token_ttl, "token_max_ttl", self.token_max_ttl)
        return self


@dataclass(frozen=True, kw_only=True)
class LoginsArgs:
    """What every auth method with roles needs."""

    logins: Mapping[str, TokenLifetime]
    """Roles by name in Vault."""
    token_policies: TokenPolicies
    """ACL policies by role; at least one each, never `root`."""

    def __post_init__(self) -> None:
        """Raise SettingError for a bad role name, a login without policies, policies of no login, and `root`; policies
        that are known only later pass."""
        hold("logins", self.logins, names)
        for name in sorted(self.logins.keys() | self.token_policies.keys()):
            setting, given = f"token_policies.{name}", self.token_policies.get(name)
            if name not in self.logins:
                raise SettingError(setting, "given", f"a login {name!r} beside it")
            if not given:
                raise SettingError(setting, "missing", "at least one ACL policy")
            if isinstance(given, str):
                raise SettingError(setting, repr(given), "a list of ACL policies")
            if "root" in [policy for policy in given if isinstance(policy, str)]:
                raise SettingError(setting, "'root'", "ACL policies of this estate")
