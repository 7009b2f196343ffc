"""Autopilot of several servers that share their data by Raft: when a new one votes, and when a lost one is forgotten.

Owns the one configuration that they have together. Refuses fewer servers than have a majority without one of them: a
server that was forgotten has lost its vote, and has to be wiped to join again.
"""

from dataclasses import dataclass

import pulumi
import pulumi_vault as vault

from ..model import SettingError
from .children import child

MIN_QUORUM = 3
"""Voters that are never fewer: what HashiCorp asks at least (Vault, integrated storage autopilot: min_quorum)."""
FORGOTTEN_AFTER = "24h0m0s"
"""Vault's default, as a server writes it back. A pod comes back under its name with its volume, so what is shorter than
a day would turn the loss of a zone for some hours into servers that have to be wiped."""
STABLE_FOR = "10s"
"""Vault's default: how long a new server has to be healthy before it votes."""


@dataclass(frozen=True, kw_only=True)
class RaftAutopilotArgs:
    """How many servers there are."""

    servers: int
    """All that share their data. Raises SettingError: fewer than three."""

    def __post_init__(self) -> None:
        if self.servers < MIN_QUORUM:
            raise SettingError("servers", str(self.servers), f"at least {MIN_QUORUM}, which bear the loss of one")


class RaftAutopilot(pulumi.ComponentResource):
    """Servers that are gone for a day are taken out of the cluster, as long as three voters and a majority stay."""

    def __init__(self, name: str, args: RaftAutopilotArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:RaftAutopilot", name, {}, opts)
        vault.RaftAutopilot(
            f"{name}-configuration",
            cleanup_dead_servers=True,
            min_quorum=max(MIN_QUORUM, args.servers // 2 + 1),
            dead_server_last_contact_threshold=FORGOTTEN_AFTER,
            server_stabilization_time=STABLE_FOR,
            opts=child(self),
        )
        self.register_outputs({})
