"""Raft as its servers see it: who votes, who leads, how far each one is.

Owns what is read of it and the two things that are done to it. Refuses to take silence for an answer: while no server
answers, nothing is known.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import hvac
import requests
from hvac.exceptions import Forbidden, VaultError

from ops.vault.api import call

CLOSE = 100
"""How many entries a server may be behind the leader while it is taken for up to date; autopilot's own limit of what is
healthy is 1,000 (`max_trailing_logs`)."""


@dataclass(frozen=True, kw_only=True)
class RaftServer:
    """One server, by what Raft's configuration and autopilot say."""

    name: str
    """Its id, which is its pod's name."""
    votes: bool
    is_healthy: bool
    index: int
    """Of the last entry that it has."""
    version: str
    """Empty: autopilot doesn't tell."""


@dataclass(frozen=True, kw_only=True)
class RaftView:
    """All servers of the configuration."""

    servers: Mapping[str, RaftServer]
    leader: str
    """Empty: nobody leads."""
    is_healthy: bool
    failure_tolerance: int
    """How many more may be lost, as autopilot counts."""

    @classmethod
    def read(cls, configuration: Mapping[str, Any], state: Mapping[str, Any]) -> "RaftView":
        """Of both answers. Autopilot's is some seconds old, the configuration's isn't."""
        about = state.get("servers") or {}
        servers = {}
        for one in configuration["config"]["servers"]:
            name = str(one["node_id"])
            health = about.get(name) or {}
            servers[name] = RaftServer(
                name=name,
                votes=bool(one["voter"]),
                is_healthy=bool(health.get("healthy")),
                index=int(health.get("last_index") or 0),
                version=str(health.get("version") or ""),
            )
        return cls(
            servers=servers,
            leader=next((str(one["node_id"]) for one in configuration["config"]["servers"] if one["leader"]), ""),
            is_healthy=bool(state.get("healthy")),
            failure_tolerance=int(state.get("failure_tolerance") or 0),
        )

    def lag(self, name: str) -> int:
        """How many entries a server is behind the leader."""
        ahead = self.servers[self.leader].index if self.leader else 0
        return max(0, ahead - self.servers[name].index)


class Raft:
    """The servers behind one client's address."""

    def __init__(self, client: hvac.Client) -> None:
        self.client = client

    def look(self) -> RaftView | None:
        """As it is now; None: no server answers, or none leads. Raises Forbidden: it isn't this login's to see."""
        try:
            configuration = call(self.client, "get", "sys/storage/raft/configuration")
            state = call(self.client, "get", "sys/storage/raft/autopilot/state")
        except Forbidden:
            raise
        except (VaultError, requests.RequestException):
            return None
        return RaftView.read(configuration["data"], state.get("data") or {})

    def step_down(self) -> None:
        """Have whoever leads hand over. A connection that ends with its lead is no error. Raises VaultError."""
        with suppress(requests.RequestException):
            call(self.client, "put", "sys/step-down")

    def remove(self, server: str) -> None:
        """Take a server out of the configuration; it has to be wiped to join again. Raises VaultError,
        requests.RequestException."""
        call(self.client, "post", "sys/storage/raft/remove-peer", {"server_id": server})
