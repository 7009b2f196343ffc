"""Whether all servers are healthy voters whose pods are ready: what has to hold before the next one is touched.

Owns what is doubted, and waiting until nothing is. Refuses to go by a single look: a server that has just come back is
told healthy by what was known before it went.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ops.clusters.pods import PodView, SetView, VaultPods
from ops.clusters.raft import CLOSE, Raft, RaftView
from ops.errors import EstateError

POLL_SECONDS = 2.0
STABLE_SECONDS = 10.0
"""How long nothing may be doubted before the next pod: as long as autopilot watches a new server before it votes
(`server_stabilization_time`)."""
MOMENT_SECONDS = 60.0
"""How long one look after the other may be doubted before that counts: a server that is busy answers late, and a
disruption budget may count a pod as missing that is ready again."""
POD_SECONDS = 600.0
"""For one pod to end, to get its volumes on a node and to serve as a voter again. A volume of AWS' that is detached and
attached takes minutes at times."""


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """One thing that isn't as it has to be."""

    text: str
    server: str = ""
    """Whom it is about; empty: all of them together."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """Everything at one moment."""

    pods: SetView
    raft: RaftView | None

    def doubts(self) -> Sequence[Doubt]:
        """All of them; none: every server is a healthy voter, and its pod is ready."""
        return [*_of_pods(self.pods), *(_of_raft(self.pods, self.raft))]

    def about_others(self, server: str) -> Sequence[Doubt]:
        """Of the other servers, whatever is wrong with this one."""
        found = [one for one in self.doubts() if one.server and one.server != server]
        return found if self.raft else [*found, *_NOBODY]


_NOBODY = (Doubt(text="no server that is active answers"),)


def _of_pods(pods: SetView) -> Iterator[Doubt]:
    if not pods.is_observed:
        yield Doubt(text="the StatefulSet's last change isn't taken up yet")
    for name in pods.names:
        yield from _of_pod(name, pods.pods.get(name))
    for name in pods.pods.keys() - set(pods.names):
        yield Doubt(text=f"{name} is still there", server=name)


def _of_pod(name: str, pod: PodView | None) -> Iterator[Doubt]:
    if pod is None:
        yield Doubt(text=f"{name} has no pod", server=name)
    elif pod.is_ending:
        yield Doubt(text=f"{name} is ending", server=name)
    elif not pod.is_ready:
        yield Doubt(text=f"{name} isn't ready{f' ({pod.trouble})' if pod.trouble else ''}", server=name)


def _of_raft(pods: SetView, raft: RaftView | None) -> Iterator[Doubt]:
    if raft is None or not raft.leader:
        yield from _NOBODY
        return
    for name in pods.names:
        yield from _of_server(name, raft)
    for name in sorted(raft.servers.keys() - set(pods.names)):
        yield Doubt(text=f"{name} is among Raft's servers, and no pod of this set", server=name)
    wanted = (pods.replicas - 1) // 2
    if not raft.is_healthy or raft.failure_tolerance != wanted:
        yield Doubt(text=f"the servers bear the loss of {raft.failure_tolerance}, not of {wanted}")


def _of_server(name: str, raft: RaftView) -> Iterator[Doubt]:
    server = raft.servers.get(name)
    if server is None:
        yield Doubt(text=f"{name} isn't among Raft's servers, whatever its pod says", server=name)
    elif not server.votes:
        yield Doubt(text=f"{name} doesn't vote", server=name)
    elif not server.is_healthy:
        yield Doubt(text=f"{name} isn't healthy in Raft", server=name)
    elif (lag := raft.lag(name)) > CLOSE:
        yield Doubt(text=f"{name} is {lag} entries behind", server=name)


@dataclass(frozen=True, kw_only=True)
class Pace:
    """The clock that waiting goes by."""

    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], object] = time.sleep


class DoubtError(EstateError):
    """Something isn't as it has to be, and nothing more is done."""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Looks at pods and at Raft."""

    pods: VaultPods
    raft: Raft
    say: Callable[[str], None]
    pace: Pace = Pace()
    patience: float = POD_SECONDS
    """How many seconds are waited for everything to be well."""

    def look(self) -> Look:
        """Both now. Raises EstateError: the cluster's API refuses; Forbidden: this login may not see Raft."""
        return Look(pods=self.pods.look(), raft=self.raft.look())

    def look_well(self, is_well: Callable[[Look], bool], seconds: float = MOMENT_SECONDS) -> Look:
        """The first look that is well; the last one, where none was for as long. Raises EstateError as `look` does, if
        it does so to the end."""
        end = self.pace.clock() + seconds
        while True:
            try:
                look = self.look()
            except EstateError:
                if self.pace.clock() >= end:
                    raise
            else:
                if is_well(look) or self.pace.clock() >= end:
                    return look
            self.pace.pause(POLL_SECONDS)

    def settle(self, seconds: float | None = None, accepts: Callable[[Look], bool] = lambda _: False) -> Look:
        """Wait until nothing is doubted for `STABLE_SECONDS`, or what whoever asks `accepts`; the last look.
        Raises DoubtError: something is, to the end."""
        seconds = self.patience if seconds is None else seconds
        end, since, said = self.pace.clock() + seconds, None, ""
        while True:
            look, found = self._doubted(accepts)
            now = self.pace.clock()
            since = (now if since is None else since) if not found else None
            if look and since is not None and now - since >= STABLE_SECONDS:
                return look
            if found and now >= end:
                raise DoubtError(f"{found} after {seconds:.0f} s; expected every server to be a healthy voter")
            if found and found != said:
                self.say(f"waiting: {found}")
                said = found
            self.pace.pause(POLL_SECONDS)

    def _doubted(self, accepts: Callable[[Look], bool]) -> tuple[Look | None, str]:
        """A look, and what is doubted in one line. An API that is away for a moment is a doubt like others."""
        try:
            look = self.look()
        except EstateError as error:
            return None, str(error).partition("; expected")[0]
        return look, "" if accepts(look) else ", ".join(one.text for one in look.doubts())
