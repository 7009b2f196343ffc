"""Fewer servers: who leaves first, who leads meanwhile, what is refused, and what a kill leaves.

Doesn't prove: that Kubernetes, a server or Raft do what their fake does.
"""

import pytest

from ops.clusters.gate import MOMENT_SECONDS
from ops.clusters.scaling import Scaled, Shrinking
from ops.errors import EstateError
from tests.support.fake_servers import FakeServers


def shrink(servers: FakeServers, count: int = 3) -> Scaled:
    """One run."""
    return Shrinking(gate=servers.gate(lambda _: None), say=lambda _: None).run(count)


def gone(servers: FakeServers) -> None:
    """Three are left, all well."""
    assert sorted(servers.members) == sorted(servers.pods) == ["vault-0", "vault-1", "vault-2"]
    assert sorted(servers.claims) == [f"{volume}-vault-{one}" for volume in ("audit", "data") for one in range(3)]
    assert all(servers.serves(name) and servers.votes(name) for name in servers.names)
    assert servers.fewest >= 3


def test_the_highest_numbers_leave_raft_before_their_pods_go() -> None:
    servers = FakeServers(replicas=5)

    done = shrink(servers)

    assert servers.done == [
        "remove vault-4",
        "scale 4",
        "delete data-vault-4",
        "delete audit-vault-4",
        "remove vault-3",
        "scale 3",
        "delete data-vault-3",
        "delete audit-vault-3",
    ]
    assert (done.servers, done.removed, len(done.left_volumes)) == (3, ["vault-4", "vault-3"], 4)
    gone(servers)


@pytest.mark.parametrize(
    ("leader", "order"),
    [
        ("vault-3", ["remove vault-4", "step down vault-3", "remove vault-3"]),
        ("vault-4", ["step down vault-4", "remove vault-4", "step down vault-3", "remove vault-3"]),
    ],
    ids=["the-second", "the-first"],
)
def test_whoever_leads_hands_over_before_it_leaves(leader: str, order: list[str]) -> None:
    servers = FakeServers(replicas=5, leader=leader)
    shrink(servers)
    assert [one for one in servers.done if one.startswith(("remove", "step"))] == order
    gone(servers)


@pytest.mark.parametrize(
    "at", ["remove vault-4", "scale 4", "delete data-vault-4", "remove vault-3", "scale 3", "delete audit-vault-3"]
)
def test_a_run_that_was_ended_is_gone_on_with(at: str) -> None:
    servers = FakeServers(replicas=5)

    def end() -> None:
        raise KeyboardInterrupt

    servers.on = {at: end}
    with pytest.raises(KeyboardInterrupt):
        shrink(servers)
    shrink(servers)
    servers.wait(60)
    gone(servers)


@pytest.mark.parametrize("count", [-1, 0, 1, 2, 4, 7])
def test_what_is_no_smaller_majority_is_refused(count: int) -> None:
    servers = FakeServers(replicas=5)
    with pytest.raises(EstateError) as caught:
        shrink(servers, count)
    assert str(caught.value) == (
        f"N is {count}; expected an odd number from 3 to 5, which there are. More are made by up"
    )
    assert servers.done == []


def test_a_moment_without_an_answer_refuses_nothing() -> None:
    servers = FakeServers(replicas=5)
    servers.silent_until = servers.now + MOMENT_SECONDS - 5
    shrink(servers)
    gone(servers)


def test_while_one_that_stays_is_not_well_none_leaves() -> None:
    servers = FakeServers(replicas=5)
    servers.pods["vault-1"].ends = 1e9
    with pytest.raises(EstateError) as caught:
        shrink(servers)
    assert str(caught.value) == (
        "vault-1 is ending, vault-1 isn't healthy in Raft; expected every server that stays to be a healthy voter"
    )
    assert servers.done == []
