"""What every login of an application gives: a token's lives, and its ACL policies.

Owns the rules that AppRole, Kubernetes and JWT share. Refuses a login without a policy, and the policy `root`.
"""

from collections.abc import Mapping, Sequence
from typing import Self

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

    @model_validator(mode="after")
    def _ttl(self) -> Self:
        at_most("token_ttl", self.token_ttl, "token_max_ttl", self.token_max_ttl)
        return self


def check_logins(logins: Mapping[str, TokenLifetime], policies: TokenPolicies) -> None:
    """Check the names of logins and the policies of each; policies that are known only later pass.

    Raises:
        SettingError: a name isn't one, a login has no policy or a policy no login, or a policy is `root`.
    """
    hold("logins", logins, names)
    for name in sorted(logins.keys() | policies.keys()):
        setting, given = f"token_policies.{name}", policies.get(name)
        if name not in logins:
            raise SettingError(setting, "given", f"a login {name!r} beside it")
        if not given:
            raise SettingError(setting, "missing", "at least one ACL policy")
        if isinstance(given, str):
            raise SettingError(setting, repr(given), "a list of ACL policies")
        if "root" in [policy for policy in given if isinstance(policy, str)]:
            raise SettingError(setting, "'root'", "ACL policies of this estate")
