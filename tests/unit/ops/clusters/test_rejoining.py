"""A server that joins again with empty volumes: what is done in which order, what is refused, and what a kill leaves.

Doesn't prove: that Kubernetes, a server or Raft do what their fake does.
"""

import pytest

from ops.clusters.gate import MOMENT_SECONDS
from ops.clusters.rejoining import Rejoin, Rejoined
from ops.errors import EstateError
from tests.support.fake_servers import CLAIMED_SIZE, FakeServers


def rejoin(servers: FakeServers, server: str = "vault-2") -> Rejoined:
    """One run."""
    return Rejoin(gate=servers.gate(lambda _: None), say=lambda _: None).run(server)


def refused(servers: FakeServers, server: str = "vault-2") -> str:
    """What a run that is refused says."""
    with pytest.raises(EstateError) as caught:
        rejoin(servers, server)
    assert servers.done == []
    return str(caught.value)


def taken_out(replicas: int = 3) -> FakeServers:
    """The last one was taken out of Raft, and its pod says that it is ready."""
    servers = FakeServers(replicas=replicas)
    del servers.members[servers.names[-1]]
    servers.taken_out.add(servers.names[-1])
    return servers


def test_a_server_that_was_taken_out_joins_again_and_keeps_its_claims_sizes() -> None:
    servers = taken_out()
    old = {name: claim["metadata"]["uid"] for name, claim in servers.claims.items()}

    done = rejoin(servers)

    assert servers.done[:3] == ["delete data-vault-2", "delete audit-vault-2", "delete vault-2"]
    assert servers.votes("vault-2")
    for name, claim in servers.claims.items():
        assert (claim["metadata"]["uid"] == old[name]) == ("vault-2" not in name)
        assert claim["spec"]["resources"]["requests"]["storage"] == CLAIMED_SIZE
    assert done == Rejoined(server="vault-2", left_volumes=done.left_volumes)
    assert len(done.left_volumes) == 2
    assert servers.fewest == 2


def test_a_server_that_does_not_serve_leaves_raft_first() -> None:
    servers = FakeServers(broken={"lost"})
    servers.pods["vault-2"].revision = "lost"

    rejoin(servers)

    assert servers.done[0] == "remove vault-2"
    assert servers.votes("vault-2")


@pytest.mark.parametrize("at", ["remove vault-2", "delete data-vault-2", "delete audit-vault-2", "delete vault-2"])
def test_a_run_that_was_ended_is_gone_on_with(at: str) -> None:
    servers = FakeServers(broken={"lost"})
    servers.pods["vault-2"].revision = "lost"

    def end() -> None:
        raise KeyboardInterrupt

    servers.on = {at: end}
    with pytest.raises(KeyboardInterrupt):
        rejoin(servers)
    rejoin(servers)

    assert servers.votes("vault-2")
    assert servers.fewest == 2


def test_a_server_that_has_joined_and_votes_soon_is_not_wiped_again() -> None:
    servers = FakeServers()
    servers.members["vault-2"] = servers.now + 15

    assert rejoin(servers) == Rejoined(server="vault-2", left_volumes=())
    assert servers.done == []


def test_while_another_server_is_not_well_nothing_is_wiped() -> None:
    servers = taken_out(5)
    servers.pods["vault-1"].ends = 1e9
    assert refused(servers, "vault-4") == (
        "vault-1 is ending, vault-1 isn't healthy in Raft; expected all but vault-4 to be healthy voters before it is "
        "wiped"
    )


def test_a_moment_without_an_answer_refuses_nothing() -> None:
    servers = taken_out(5)
    servers.silent_until = servers.now + MOMENT_SECONDS - 5
    assert rejoin(servers, "vault-4").server == "vault-4"


def test_without_a_majority_nothing_is_wiped() -> None:
    servers = FakeServers(leader="")
    assert refused(servers) == (
        "no server that is active answers; expected all but vault-2 to be healthy voters before it is wiped"
    )


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ("vault-1", "vault-1 is a healthy voter; expected one that has to join again"),
        ("vault-0", "vault-0 leads; expected one that has to join again"),
        ("vault-3", "SERVER is 'vault-3'; expected one of vault-0, vault-1, vault-2"),
        ("data-vault-1", "SERVER is 'data-vault-1'; expected one of vault-0, vault-1, vault-2"),
    ],
)
def test_a_server_that_has_no_need_of_it_is_refused(server: str, said: str) -> None:
    assert refused(FakeServers(), server) == said
