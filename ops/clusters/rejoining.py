"""Having a server join again with empty volumes: one whose data is lost, or that was taken out and never comes back.

Owns the order: out of Raft's configuration, then its claims, then its pod. What is there tells how far an earlier run
came. Refuses where the others aren't healthy voters, whose data is the only one then, and a server that votes.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ops.clusters.api import KubernetesRefusedError
from ops.clusters.gate import POD_SECONDS, POLL_SECONDS, DoubtError, Gate, Look
from ops.clusters.pods import VOLUMES
from ops.errors import EstateError

_FORGOTTEN_SECONDS = 30.0
_JOINING_SECONDS = 60.0
"""A server that joined votes after 13 to 17 s (measured, both flavours)."""
_EXISTS = "AlreadyExists"
_BOUND = "Bound"
_GIBI = "Gi"


@dataclass(frozen=True, kw_only=True)
class Rejoined:
    """What was done."""

    server: str
    left_volumes: Sequence[str]
    """PersistentVolumes with its old data, which stay until somebody deletes them."""


@dataclass(frozen=True, kw_only=True)
class Rejoin:
    """One run."""

    gate: Gate
    say: Callable[[str], None]

    def run(self, server: str) -> Rejoined:
        """Have it join again. Raises EstateError: it isn't one that has to, or the others aren't well."""
        self._refuse_name(self.gate.look(), server)
        look = self.gate.look_well(lambda look: not look.about_others(server))
        self._refuse(look, server)
        if self._is_joining(look, server):
            return Rejoined(server=server, left_volumes=())
        self._forget(server)
        claims = [one for one in (self.gate.pods.claim(volume, server) for volume in VOLUMES) if one]
        self.say(f"wiping {server}")
        for claim in claims:
            self.gate.pods.delete_claim(claim)
        if pod := look.pods.pods.get(server):
            self.gate.pods.delete(pod)
        for claim in claims:
            self._renew(claim, server)
        self.say(f"waiting for {server} to join and to vote")
        self.gate.settle()
        return Rejoined(
            server=server,
            left_volumes=[str(one["spec"]["volumeName"]) for one in claims if one["spec"].get("volumeName")],
        )

    def _refuse_name(self, look: Look, server: str) -> None:
        if server not in look.pods.names:
            raise EstateError(f"SERVER is {server!r}; expected one of {', '.join(look.pods.names)}")
        if look.pods.replicas == 1:
            raise EstateError(f"{server} is the only server; expected several, of which the others have the data")

    def _refuse(self, look: Look, server: str) -> None:
        if wrong := look.about_others(server):
            said = ", ".join(one.text for one in wrong)
            raise DoubtError(f"{said}; expected all but {server} to be healthy voters before it is wiped")
        if look.raft and look.raft.leader == server:
            raise EstateError(f"{server} leads; expected one that has to join again")
        if not any(one.server == server for one in look.doubts()):
            raise EstateError(f"{server} is a healthy voter; expected one that has to join again")

    def _is_joining(self, look: Look, server: str) -> bool:
        """Whether it has joined and votes soon, as after an earlier run."""
        there = look.raft.servers.get(server) if look.raft else None
        pod = look.pods.pods.get(server)
        if not (there and not there.votes and pod and pod.is_ready):
            return False
        try:
            self.gate.settle(_JOINING_SECONDS)
        except DoubtError:
            return False
        return True

    def _forget(self, server: str) -> None:
        """Take it out of Raft's configuration. Raises DoubtError: it stays in it."""
        end = self.gate.pace.clock() + _FORGOTTEN_SECONDS
        raft = self.gate.raft.look()
        if raft and server in raft.servers:
            self.gate.raft.remove(server)
        while (raft := self.gate.raft.look()) is None or server in raft.servers:
            if self.gate.pace.clock() >= end:
                raise DoubtError(f"{server} is still among Raft's servers; expected it to be taken out")
            self.gate.pace.pause(POLL_SECONDS)

    def _renew(self, old: Mapping[str, Any], server: str) -> None:
        """A new claim of the old one's size. Where the StatefulSet made one of its own size first, that one grows, as
        soon as it has a volume: Kubernetes refuses it before."""
        volume, end = str(old["metadata"]["name"]).removesuffix(f"-{server}"), self.gate.pace.clock() + POD_SECONDS
        while self.gate.pace.clock() < end:
            claim = self.gate.pods.claim(volume, server)
            if claim is None:
                try:
                    self.gate.pods.create_claim(old)
                except KubernetesRefusedError as error:
                    if error.why != _EXISTS:
                        raise
                continue
            is_old = claim["metadata"]["uid"] == old["metadata"]["uid"]
            if not is_old and _gibibytes(claim) >= _gibibytes(old):
                return
            if not is_old and claim["status"].get("phase") == _BOUND:
                self.gate.pods.resize_claim(claim, f"{_gibibytes(old)}{_GIBI}")
                return
            self.gate.pace.pause(POLL_SECONDS)
        name = old["metadata"]["name"]
        raise DoubtError(f"claim {name} is still the old one, or has no volume; expected it anew, with its pod")


def _gibibytes(claim: Mapping[str, Any]) -> int:
    size = str(claim["spec"]["resources"]["requests"]["storage"])
    found = re.fullmatch(rf"([0-9]+){_GIBI}", size)
    return int(found[1]) if found else 0
