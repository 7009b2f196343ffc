"""Having another server lead, one of those that are to stay. Owns how long that may take; refuses to go on without."""

from collections.abc import Callable, Collection

from ops.clusters.gate import POLL_SECONDS, DoubtError, Gate

_SECONDS = 60.0
"""For another leader, of which there is one within seconds."""
_TIMES = 3


def hand_over(gate: Gate, wanted: Collection[str], say: Callable[[str], None]) -> None:
    """Until one of these servers leads. Raises DoubtError: none does, however often the leader was asked."""
    leader = _leader(gate)
    for _ in range(_TIMES):
        if leader in wanted:
            return
        say(f"{leader or 'the leader'} hands over")
        gate.raft.step_down()
        before, end = leader, gate.pace.clock() + _SECONDS
        while (leader := _leader(gate)) in ("", before) and gate.pace.clock() < end:
            gate.pace.pause(POLL_SECONDS)
    if leader in wanted:
        return
    names = " or ".join(sorted(wanted))
    who = leader or "nobody"
    raise DoubtError(f"the leader is {who} after it was asked {_TIMES} times to hand over; expected {names}")


def _leader(gate: Gate) -> str:
    """Who leads; empty: nobody, or nobody answers."""
    raft = gate.raft.look()
    return raft.leader if raft else ""
