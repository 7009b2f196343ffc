"""Upgrades of servers that are pods: which pod goes when, what stops it, and how a run that was ended is gone on with.

Doesn't prove: that Kubernetes, a server or Raft do what their fake does (tests/live and tests/clusters look at these).
"""

import pytest

from components.render.chart.values import AUDIT_FILE_BYTES, AUDIT_SHARE_PERCENT
from ops.clusters.gate import MOMENT_SECONDS, POD_SECONDS, STABLE_SECONDS
from ops.clusters.upgrading import FULLEST, Upgrade, Upgraded
from ops.errors import EstateError
from tests.support.fake_servers import FakeServers


def upgrade(servers: FakeServers, said: list[str] | None = None) -> Upgraded:
    """One run on a stack called trial."""
    say = (said if said is not None else []).append
    run = Upgrade(
        gate=servers.gate(say),
        say=say,
        snapshot=lambda: servers.asked("snapshot"),
        again="./estate upgrade trial",
    )
    return run.run()


def refused(servers: FakeServers) -> str:
    """What a run that stops says."""
    with pytest.raises(EstateError) as caught:
        upgrade(servers)
    return str(caught.value)


@pytest.mark.parametrize("replicas", [3, 5])
def test_followers_go_first_and_the_leader_last_one_at_a_time(replicas: int) -> None:
    servers = FakeServers(replicas=replicas, leader="vault-1")
    servers.change()

    done = upgrade(servers)

    followers = [name for name in servers.names if name != "vault-1"]
    assert servers.done == ["snapshot", *(f"evict {name}" for name in followers), "step down vault-1", "evict vault-1"]
    assert done == Upgraded(revision="new", replaced=(*followers, "vault-1"), versions=["2.7.2"])
    assert {pod.revision for pod in servers.pods.values()} == {"new"}
    assert servers.fewest == replicas - 1


def test_where_no_pod_is_behind_nothing_is_touched() -> None:
    servers = FakeServers()
    assert upgrade(servers) == Upgraded(revision="old", replaced=(), versions=["2.7.2"])
    assert servers.done == []


def test_the_next_pod_waits_until_nothing_is_doubted_for_a_while() -> None:
    servers = FakeServers()
    servers.change()
    times: list[float] = []
    servers.on = {f"evict vault-{number}": lambda: times.append(servers.now) for number in (1, 2)}
    upgrade(servers)
    # 8 s until it ends, 20 s until it serves.
    assert times[1] - times[0] >= 28 + STABLE_SECONDS


def test_a_broken_image_stops_after_one_pod_and_says_where_each_is() -> None:
    servers = FakeServers(broken={"new"})
    servers.change()

    assert refused(servers) == (
        "vault-1 isn't ready (ImagePullBackOff), vault-1 isn't healthy in Raft, the servers bear the loss of 0, not of "
        f"1 after {POD_SECONDS:.0f} s; expected every server to be a healthy voter. Pods at the new revision new: "
        "vault-1; at an older revision old: vault-0, vault-2. ./estate upgrade trial goes on"
    )
    assert servers.done == ["snapshot", "evict vault-1"]


def test_a_broken_pod_goes_first_once_the_template_is_mended() -> None:
    servers = FakeServers(broken={"new"})
    servers.change()
    refused(servers)
    servers.done.clear()
    servers.change("newer")

    done = upgrade(servers)

    assert servers.done == ["snapshot", "delete vault-1", "evict vault-2", "step down vault-0", "evict vault-0"]
    assert done.replaced == ("vault-1", "vault-2", "vault-0")
    assert servers.fewest == 2


@pytest.mark.parametrize("at", ["evict vault-1", "evict vault-2", "step down vault-0", "evict vault-0"])
def test_a_run_that_was_ended_is_gone_on_with(at: str) -> None:
    servers = FakeServers()
    servers.change()

    def end() -> None:
        raise KeyboardInterrupt

    servers.on = {at: end}
    with pytest.raises(KeyboardInterrupt):
        upgrade(servers)
    upgrade(servers)

    assert {pod.revision for pod in servers.pods.values()} == {"new"}
    assert servers.fewest == 2
    assert {name for name in servers.names if servers.serves(name) and servers.votes(name)} == set(servers.names)


def test_a_pod_that_ends_by_itself_meanwhile_is_waited_for() -> None:
    servers = FakeServers()
    servers.change()
    pod = servers.pods["vault-2"]
    pod.ends = servers.now + 1
    said: list[str] = []

    upgrade(servers, said)

    # It came back at the new revision, so it is not replaced again.
    assert servers.done == ["snapshot", "evict vault-1", "step down vault-0", "evict vault-0"]
    assert any("vault-2 is ending" in line for line in said)


def test_another_drain_at_the_same_moment_wins() -> None:
    servers = FakeServers()
    servers.change()

    def drained() -> None:
        servers.pods["vault-2"].ends = servers.now + 1_000

    servers.on = {"evict vault-1": drained}
    said = refused(servers)

    # The budget refused the eviction, and the next look saw why.
    assert said.startswith("vault-2 is ending, vault-2 isn't healthy in Raft")
    assert servers.pods["vault-1"].ends is None


@pytest.mark.parametrize("broken", [set[str](), {"bad"}], ids=["all-serve", "one-does-not"])
def test_a_moment_without_an_answer_stops_nothing(broken: set[str]) -> None:
    servers = FakeServers(broken=broken)
    servers.pods["vault-1"].revision = next(iter(broken), "old")
    servers.change()

    def silence() -> None:
        servers.silent_until = servers.now + MOMENT_SECONDS - 5

    servers.on = {"snapshot": silence}
    upgrade(servers)

    assert {pod.revision for pod in servers.pods.values()} == {"new"}
    assert servers.fewest == 2


def test_silence_that_stays_stops_it() -> None:
    servers = FakeServers()
    servers.change()
    servers.on = {"snapshot": lambda: setattr(servers, "silent_until", 1e9)}
    assert refused(servers).startswith("no server that is active answers; expected every server")
    assert servers.done == ["snapshot"]


def test_two_servers_that_are_not_well_stop_it_before_it_begins() -> None:
    servers = FakeServers(replicas=5)
    servers.change()
    for name in ("vault-3", "vault-4"):
        servers.pods[name].ends = 1e9
    assert "vault-3 is ending" in refused(servers)
    assert servers.done == []


def test_a_leader_that_does_not_serve_is_not_taken_for_the_broken_one() -> None:
    servers = FakeServers(broken={"bad"})
    servers.pods["vault-0"].revision = "bad"
    servers.change()
    upgrade(servers)
    # By the time anything was touched, another one led.
    assert servers.done[:2] == ["snapshot", "delete vault-0"]


def test_a_leader_that_keeps_the_lead_stops_it() -> None:
    servers = FakeServers(hands_over=False)
    servers.change()
    said = refused(servers)
    assert said.startswith("the leader is vault-0 after it was asked 3 times to hand over; expected")
    assert "Pods at the new revision new: vault-1, vault-2; at an older revision old: vault-0." in said
    assert "evict vault-0" not in servers.done


def test_another_change_meanwhile_stops_it() -> None:
    servers = FakeServers()
    servers.change()
    servers.on = {"evict vault-2": lambda: servers.change("newest")}
    said = refused(servers)
    assert said.startswith("the set's revision is newest by now; expected")
    assert "Pods at the new revision newest: vault-2; at an older revision old: vault-0; at an older" in said


@pytest.mark.parametrize(
    ("image", "names"),
    [
        ("2.6.1", "vault-0 has (2.7.2)"),
        ("2.9.0", "vault-0 has (2.7.2)"),
        ("1.21.0", "vault-0 has (2.7.2)"),
    ],
)
def test_a_version_that_cannot_follow_is_refused(image: str, names: str) -> None:
    servers = FakeServers()
    servers.change(image=f"example.com/openbao:{image}@sha256:1")
    said = refused(servers)
    assert said == (
        f"the new image is example.com/openbao:{image}; expected the same minor version as {names}, or the next one: "
        "Vault goes back to none, and skips none"
    )
    assert servers.done == []


@pytest.mark.parametrize("image", ["2.7.9", "2.8.0", "3.0.0"])
def test_a_version_that_follows_is_taken(image: str) -> None:
    servers = FakeServers()
    servers.change(image=f"example.com/openbao:{image}@sha256:1")
    assert upgrade(servers).versions == [image]


def test_without_the_budget_nothing_begins() -> None:
    for budget, word in ((None, "missing"), (2, "2")):
        servers = FakeServers(budget=budget)
        servers.change()
        assert refused(servers) == f"maxUnavailable of the disruption budget is {word}; expected 1, as up sets it"
        assert servers.done == []


def test_a_set_that_replaces_its_pods_itself_is_refused() -> None:
    servers = FakeServers(strategy="RollingUpdate")
    assert refused(servers) == ("the StatefulSet's updateStrategy is RollingUpdate; expected OnDelete, as up sets it")


def test_a_server_that_was_taken_out_stops_it_though_its_pod_is_ready() -> None:
    servers = FakeServers()
    servers.change()
    del servers.members["vault-2"]
    servers.taken_out.add("vault-2")
    assert "vault-2 isn't among Raft's servers, whatever its pod says" in refused(servers)
    assert servers.done == []


def test_a_volume_that_is_nearly_full_stops_it_before_it_begins() -> None:
    servers = FakeServers(full={"data-vault-0": 81, "audit-vault-1": 96, "data-vault-2": 80})
    servers.change()
    begun = servers.now
    assert refused(servers) == (
        "claim audit-vault-1 is 96 % full, claim data-vault-0 is 81 % full; expected at most 95 % of audit and 80 % of "
        "data: a larger platform.pods.audit_gibibytes and platform.pods.data_gibibytes, and up"
    )
    assert (servers.done, servers.now) == ([], begun)


def test_volumes_that_are_as_full_as_they_may_be_stop_nothing() -> None:
    servers = FakeServers(full={f"{volume}-vault-0": percent for volume, percent in FULLEST.items()})
    servers.change()
    assert len(upgrade(servers).replaced) == 3


def test_old_audit_logs_alone_never_stop_it() -> None:
    """As many as are kept, beside the one that is written, on the file system of a volume."""
    kept = AUDIT_SHARE_PERCENT / 0.95 + 100 * AUDIT_FILE_BYTES / (10 * 2**30)
    assert kept < FULLEST["audit"]


def test_where_nodes_do_not_tell_how_full_volumes_are_it_says_so_and_goes_on() -> None:
    servers = FakeServers(tells=False)
    servers.change()
    said: list[str] = []
    assert len(upgrade(servers, said).replaced) == 3
    assert said[0] == "how full volumes are isn't known: the cluster refuses get: nodes is forbidden"


def test_a_server_that_does_not_vote_stops_it_and_is_named() -> None:
    servers = FakeServers()
    servers.change()
    servers.members["vault-2"] = 1e9
    assert refused(servers).startswith("vault-2 doesn't vote")
    assert servers.done == []
