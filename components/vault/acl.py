"""ACL policies in Vault.

Owns one `vault.Policy` per typed policy. Refuses text: what a policy may say is decided and rendered in
`render.acl`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_vault as vault

from ..model import SettingError, hold, names, twins
from ..render.acl import AclPolicy, render
from .children import child


@dataclass(frozen=True, kw_only=True)
class AclPoliciesArgs:
    """What `AclPolicies` needs."""

    policies: Mapping[str, AclPolicy]
    """Typed policies by a key of the caller's own; the key names the Pulumi resource, `AclPolicy.name` the policy in
    Vault."""

    def __post_init__(self) -> None:
        """Raise ValueError for a bad key or for two policies of one name."""
        hold("policies", self.policies, names)
        for key, other, name in twins({key: policy.name for key, policy in self.policies.items()}):
            raise SettingError(f"policies.{key}.name", repr(name), f"another name than policies.{other} has")


class AclPolicies(pulumi.ComponentResource):
    """Any number of ACL policies. Doesn't touch `default` and `root`, which are Vault's own."""

    names: Mapping[str, pulumi.Output[str]]
    """Name of each policy in Vault by the caller's key; known once the policy exists."""

    def __init__(self, name: str, args: AclPoliciesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:AclPolicies", name, {}, opts)
        self.names = {
            key: vault.Policy(f"{name}-{key}", name=policy.name, policy=render(policy), opts=child(self)).name
            for key, policy in args.policies.items()
        }
        self.register_outputs({"names": dict(self.names)})
