"""Replacing the pods of servers one by one, so that each gets what its template says by now.

Owns the order: one that doesn't serve first, then who follows, the oldest first, and who leads at the end, after it
handed over. The pods' own revisions are the only record, so a run that was ended anywhere is gone on with. Refuses to
end a pod while another isn't a healthy voter or a volume is nearly full, and to take a version over one that it can't
follow.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ops.clusters.api import TOO_MANY, KubernetesRefusedError
from ops.clusters.gate import MOMENT_SECONDS, POLL_SECONDS, Doubt, DoubtError, Gate, Look
from ops.clusters.handing_over import hand_over
from ops.clusters.pods import PodView
from ops.errors import EstateError

_STRATEGY = "OnDelete"
FULLEST: Mapping[str, int] = {"data": 80, "audit": 95}
"""Per cent that a server's volumes may be full. A server that starts writes to both, and one that can't doesn't serve.
Old audit logs alone fill up to 90 % of what isn't root's, by design (components/render/chart/values.py)."""
_TAG = re.compile(r":v?([0-9]+)\.([0-9]+)\.[0-9]+")
_VERSION = re.compile(r"v?([0-9]+)\.([0-9]+)\.[0-9]+")


@dataclass(frozen=True, kw_only=True)
class Upgraded:
    """What was done."""

    revision: str
    """That all pods have now."""
    replaced: Sequence[str] = ()
    """By this run, in its order."""
    versions: Sequence[str] = ()
    """That the servers say they have, each once."""


@dataclass(kw_only=True)
class Upgrade:
    """One run."""

    gate: Gate
    say: Callable[[str], None]
    snapshot: Callable[[], None]
    """Takes and verifies a snapshot, before the first pod is ended. Raises EstateError."""
    again: str
    """The command that goes on."""
    fullest: Mapping[str, int] = field(default_factory=lambda: FULLEST)
    """Per cent, by volume."""
    replaced: list[str] = field(default_factory=list)

    def run(self) -> Upgraded:
        """Replace every pod that is behind. Raises EstateError: something was doubted; which pods are at which
        revision is said, and nothing more was touched."""
        first = self.gate.look()
        self._refuse(first)
        look = self._settled(_has_a_broken_one)
        if self._next(look):
            self.snapshot()
        while pod := self._next(look):
            if look.pods.revision != first.pods.revision:
                raise self._stopped(f"the set's revision is {look.pods.revision} by now", look)
            look = self._replace(pod, look)
        versions = {one.version for one in look.raft.servers.values() if one.version} if look.raft else set()
        if len(versions) > 1:
            raise self._stopped(f"servers have different versions ({', '.join(sorted(versions))})", look)
        return Upgraded(revision=look.pods.revision, replaced=tuple(self.replaced), versions=sorted(versions))

    def _refuse(self, look: Look) -> None:
        """What no waiting would mend."""
        if look.pods.strategy != _STRATEGY:
            raise EstateError(
                f"the StatefulSet's updateStrategy is {look.pods.strategy}; expected {_STRATEGY}, as up sets it"
            )
        limit = self.gate.pods.may_lose()
        if limit != 1:
            found = "missing" if limit is None else str(limit)
            raise EstateError(f"maxUnavailable of the disruption budget is {found}; expected 1, as up sets it")
        wanted = _TAG.search(look.pods.image)
        for server in look.raft.servers.values() if look.raft and wanted else ():
            has = _VERSION.match(server.version)
            if wanted and has and not _follows(has, wanted):
                raise EstateError(
                    f"the new image is {look.pods.image.partition('@')[0]}; expected the same minor version as "
                    f"{server.name} has ({server.version}), or the next one: Vault goes back to none, and skips none"
                )

        self._refuse_full(look)

    def _refuse_full(self, look: Look) -> None:
        try:
            volumes = self.gate.pods.fullness(look.pods)
        except KubernetesRefusedError as error:
            self.say(f"how full volumes are isn't known: {str(error).partition('; expected')[0]}")
            return
        if full := [one for one in volumes if one.percent > self.fullest[one.volume]]:
            found = ", ".join(f"claim {one.volume}-{one.server} is {one.percent} % full" for one in full)
            named = sorted({one.volume for one in full})
            limits = " and ".join(f"{self.fullest[volume]} % of {volume}" for volume in named)
            settings = " and ".join(f"platform.pods.{volume}_gibibytes" for volume in named)
            raise EstateError(f"{found}; expected at most {limits}: a larger {settings}, and up")

    def _settled(self, accepts: Callable[[Look], bool] = lambda _: False) -> Look:
        try:
            return self.gate.settle(accepts=accepts)
        except DoubtError as error:
            raise self._stopped(str(error).partition("; expected")[0]) from None

    def _next(self, look: Look) -> PodView | None:
        """Who is to be replaced now; None: nobody is behind."""
        behind = [one for one in look.pods.behind if not _leads(look, one.name)]
        sick = [one for one in behind if not one.is_ready]
        return next(iter(sick or sorted(behind, key=lambda one: one.created) or look.pods.behind), None)

    def _replace(self, pod: PodView, look: Look) -> Look:
        if _leads(look, pod.name):
            self._hand_over(pod.name, look)
        self.say(f"replacing {pod.name}")
        self._end(pod)
        look = self._settled()
        made = look.pods.pods[pod.name]
        if made.uid == pod.uid or made.revision != look.pods.revision:
            raise self._stopped(f"{pod.name} is at revision {made.revision} again", look)
        self.replaced.append(pod.name)
        self.say(f"{pod.name} votes again")
        return look

    def _end(self, pod: PodView) -> None:
        """Raises EstateError: another server isn't well by now, or the disruption budget lets none go."""

        def wrong(look: Look) -> Sequence[Doubt]:
            """One that serves goes when all do; one that doesn't, when all others do."""
            return look.doubts() if pod.is_ready else look.about_others(pod.name)

        end = self.gate.pace.clock() + MOMENT_SECONDS
        while True:
            look = self.gate.look_well(lambda look: not wrong(look), end - self.gate.pace.clock())
            if found := wrong(look):
                raise self._stopped(", ".join(one.text for one in found), look)
            try:
                self.gate.pods.evict(pod) if pod.is_ready else self.gate.pods.delete(pod)
            except KubernetesRefusedError as error:
                if error.why != TOO_MANY or self.gate.pace.clock() >= end:
                    raise self._stopped(str(error).partition("; expected")[0], look) from None
                self.gate.pace.pause(POLL_SECONDS)
            else:
                return

    def _hand_over(self, leader: str, look: Look) -> None:
        """To one of the others, which are at the new revision by now. Raises EstateError."""
        try:
            hand_over(self.gate, set(look.pods.names) - {leader}, self.say)
        except DoubtError as error:
            raise self._stopped(str(error).partition("; expected")[0]) from None
        self._settled()

    def _stopped(self, why: str, look: Look | None = None) -> EstateError:
        """The one line that says how far it came."""
        try:
            pods = look.pods if look else self.gate.pods.look()
            where = f"Pods {pods.told()}"
        except EstateError:
            where = "The cluster doesn't tell its pods' revisions"
        return DoubtError(f"{why}; expected every server to be a healthy voter. {where}. {self.again} goes on")


def _leads(look: Look, server: str) -> bool:
    return look.raft is not None and look.raft.leader == server


def _has_a_broken_one(look: Look) -> bool:
    """Whether one alone isn't well, doesn't serve and is behind: it is what is to be mended here, and goes first."""
    names = {one.server for one in look.doubts() if one.server}
    broken = [one for one in look.pods.behind if not one.is_ready and not one.is_ending and not _leads(look, one.name)]
    return len(names) == 1 and names == {one.name for one in broken} and not look.about_others(broken[0].name)


def _follows(has: re.Match[str], wanted: re.Match[str]) -> bool:
    old, new = (tuple(map(int, one.groups())) for one in (has, wanted))
    return new[0] > old[0] or (new[0] == old[0] and 0 <= new[1] - old[1] <= 1)
