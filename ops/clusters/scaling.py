"""Having fewer servers: the ones with the highest numbers leave Raft one by one, and then the cluster.

Owns the order: whoever leads hands over before it leaves, a server leaves Raft before its pod goes, and all that stay
are healthy voters before the next one leaves. Its claims go with it: what a server holds that was taken out keeps it
from ever joining again. Refuses more servers, which `up` makes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from components.render.chart.names import RELEASE
from ops.clusters.gate import POLL_SECONDS, DoubtError, Gate, Look
from ops.clusters.handing_over import hand_over
from ops.clusters.pods import VOLUMES
from ops.errors import EstateError

_FEWEST = 3
"""That bear the loss of one."""
_GONE_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """What was done."""

    servers: int
    removed: Sequence[str]
    left_volumes: Sequence[str]
    """PersistentVolumes with their data, which stay until somebody deletes them."""


@dataclass(kw_only=True)
class Shrinking:
    """One run."""

    gate: Gate
    say: Callable[[str], None]
    left: list[str] = field(default_factory=list)

    def run(self, servers: int) -> Scaled:
        """Have so many. Raises EstateError: there aren't more, or those that stay aren't well."""
        look = self.gate.look()
        if servers % 2 == 0 or not _FEWEST <= servers <= look.pods.replicas:
            raise EstateError(
                f"N is {servers}; expected an odd number from {_FEWEST} to {look.pods.replicas}, which there are. "
                "More are made by up"
            )
        staying = look.pods.names[:servers]
        look = self.gate.look_well(lambda look: not self._wrong(look, staying))
        if wrong := self._wrong(look, staying):
            raise DoubtError(f"{', '.join(wrong)}; expected every server that stays to be a healthy voter")
        self._give_up_claims(f"{RELEASE}-{look.pods.replicas}")  # of a run that was ended before it did
        removed = []
        while look.pods.replicas > servers:
            last = look.pods.names[-1]
            if look.raft and look.raft.leader == last:
                hand_over(self.gate, look.pods.names[:-1], self.say)
            look = self._remove(last, look.pods.replicas - 1)
            removed.append(last)
        if not removed:
            self.gate.settle()
        return Scaled(servers=servers, removed=removed, left_volumes=tuple(self.left))

    @staticmethod
    def _wrong(look: Look, staying: Sequence[str]) -> Sequence[str]:
        """Of what stays, everything has to be well. An earlier run may have taken out some of the others."""
        wrong = [one.text for one in look.doubts() if one.server in staying]
        return wrong or ([] if look.raft else ["no server that is active answers"])

    def _remove(self, server: str, rest: int) -> Look:
        self.say(f"removing {server}")
        raft, end = self.gate.raft.look(), self.gate.pace.clock() + _GONE_SECONDS
        if raft and server in raft.servers:
            self.gate.raft.remove(server)
        while (raft := self.gate.raft.look()) is None or server in raft.servers:
            if self.gate.pace.clock() >= end:
                raise DoubtError(f"{server} is still among Raft's servers; expected it to be taken out")
            self.gate.pace.pause(POLL_SECONDS)
        # At once: until its pod ends, clients are sent to a server that serves nothing.
        self.gate.pods.scale(rest)
        self._give_up_claims(server)
        return self.gate.settle()

    def _give_up_claims(self, server: str) -> None:
        for claim in filter(None, (self.gate.pods.claim(volume, server) for volume in VOLUMES)):
            self.left += [str(claim["spec"]["volumeName"])] if claim["spec"].get("volumeName") else []
            self.gate.pods.delete_claim(claim)
