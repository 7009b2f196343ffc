"""Three servers that are one cluster: when it bears the loss of one, what an application notices of that, and what
commands read of Raft and do to it.

Not held here: pods. Servers on this machine have the same configuration file and the same Raft; a fake of Kubernetes
says that each is a pod, which is ready when the server says so. The last test leaves one taken out.
"""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import hvac
import pytest
import requests

from components.platform.readiness import wait_until_ready
from components.render.acl import AclPolicy, hand_over, look, render, take_out
from components.render.administrator import administrator_policy
from components.vault.autopilot import FORGOTTEN_AFTER, MIN_QUORUM, STABLE_FOR
from ops.clusters import handing_over
from ops.clusters.gate import Gate
from ops.clusters.pods import VaultPods
from ops.clusters.raft import Raft, RaftView
from tests.support.booting import by_load
from tests.support.pods_of_servers import PodsOfServers
from tests.support.servers import eventually
from tests.support.three_servers import COUNT, NAMES, OneOfThree, ThreeServers, three_servers
from vault_estate import VaultClient, VaultClientConfig
from vault_estate.auth import AppRoleAuth
from vault_estate.auth.approle import SecretIdVariable
from vault_estate.errors import VaultEstateError
from vault_estate.manifest import ClientManifest
from vault_estate.tls import Trust

CANARY = "canary-of-three"
FIRST_GOOD_SECONDS = 10.0
"""From the leader's end to the next write and read, as the designs ask."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreeServers]:
    with three_servers(tmp_path_factory.mktemp("three")) as made:
        yield made


@pytest.fixture(scope="module")
def ready(cluster: ThreeServers) -> tuple[Mapping[str, Any], list[str]]:
    """What `VaultReady` gives, and what it told meanwhile."""
    told: list[str] = []
    login = cluster.login
    properties = {
        "address": cluster.servers[0].bao.address,
        "certificate_file": login.certificate_file,
        "private_key_file": login.private_key_file,
        "ca_certificate_file": str(cluster.ca_file),
        "login_path": login.mount,
        "login_role": login.role,
        "timeout_seconds": 240,
        "replicas": COUNT,
    }
    return wait_until_ready(properties, told.append), told


def test_ready_means_that_all_vote(cluster: ThreeServers, ready: tuple[Mapping[str, Any], list[str]]) -> None:
    found, told = ready

    state = cluster.client(cluster.leader()).adapter.get("/v1/sys/storage/raft/autopilot/state")["data"]
    assert len(state["voters"]) == COUNT
    assert state["failure_tolerance"] == 1
    assert found["cluster_id"]
    # Servers that have just joined don't vote: it had to wait for that.
    assert any("to have 3 voters and bear the loss of 1" in line for line in told), told


def test_who_votes_is_the_administrators_and_who_leads_is_an_operators(
    cluster: ThreeServers, ready: tuple[Mapping[str, Any], list[str]]
) -> None:
    assert ready
    leader = cluster.leader()
    # The autopilot's settings, as the component has them.
    wanted = {
        "cleanup_dead_servers": True,
        "dead_server_last_contact_threshold": FORGOTTEN_AFTER,
        "min_quorum": MIN_QUORUM,
        "server_stabilization_time": STABLE_FOR,
    }
    place = "/v1/sys/storage/raft/autopilot/configuration"
    administrator = may(cluster, administrator_policy(name="tried", clustered=True))
    operator = may(cluster, AclPolicy(name="operates", rules=hand_over(), administrative=True))

    administrator.adapter.post(place, json=wanted)
    found = administrator.adapter.get(place)["data"]
    assert {name: found[name] for name in wanted} == wanted
    for refused, method, path in ((administrator, "put", "/v1/sys/step-down"), (operator, "post", place)):
        with pytest.raises(hvac.exceptions.Forbidden):
            refused.adapter.request(method, path, json={})
    assert leader.leads(cluster.ca_file)

    operator.adapter.request("put", "/v1/sys/step-down")
    assert eventually(lambda: any(one.leads(cluster.ca_file) for one in cluster.servers if one is not leader))
    state = cluster.client(cluster.leader()).adapter.get("/v1/sys/storage/raft/autopilot/state")["data"]
    assert len(state["voters"]) == COUNT


def may(cluster: ThreeServers, policy: AclPolicy) -> hvac.Client:
    """Who may do what a policy says, at the leader."""
    leader = cluster.leader()
    root = cluster.client(leader)
    root.sys.create_or_update_policy(policy.name, render(policy))
    token = root.auth.token.create(policies=[policy.name], no_parent=True)["auth"]["client_token"]
    return hvac.Client(url=leader.bao.address, verify=str(cluster.ca_file), token=token)


def test_a_leader_that_is_lost_at_once_stops_no_write_and_no_application(
    cluster: ThreeServers, ready: tuple[Mapping[str, Any], list[str]]
) -> None:
    assert ready
    application = prepared(cluster)
    leader = cluster.leader()
    with application:
        assert application.get_secret("app")["KEY"] == CANARY
        leader.kill()
        begun = time.monotonic()
        # What was read is served all the time, also where the server in use is gone.
        assert application.get_secret("app")["KEY"] == CANARY

        others = [one for one in cluster.servers if one is not leader]
        end = begun + by_load(FIRST_GOOD_SECONDS)
        assert wrote(cluster, others, end)
        assert read_anew(application, end)

    leader.start()
    # It comes back as one of them.
    assert eventually(lambda: (leader.bao.health() or {}).get("standby") is True)


def prepared(cluster: ThreeServers) -> VaultClient:
    """An application's client of all three, whose secret has a value."""
    root = cluster.client(cluster.leader())
    root.sys.enable_secrets_engine("kv", path="secret", options={"version": "2"})
    root.sys.create_or_update_policy("app", 'path "secret/data/*" { capabilities = ["read"] }')
    root.sys.enable_auth_method("approle")
    root.auth.approle.create_or_update_approle("app", token_policies=["app"], token_ttl="1h", token_max_ttl="4h")
    role_id = root.auth.approle.read_role_id("app")["data"]["role_id"]
    secret_id = root.auth.approle.generate_secret_id("app")["data"]["secret_id"]
    assert eventually(lambda: _written(root.adapter, CANARY))  # a new mount refuses for a moment
    manifest = ClientManifest.model_validate_json(json.dumps(_document(cluster, role_id)))
    config = VaultClientConfig(
        auth=AppRoleAuth(role_id=role_id, secret_id=SecretIdVariable("SECRET_ID", {"SECRET_ID": secret_id})),
        trust=Trust(ca_certificate=cluster.ca_file.read_text(encoding="ascii")),
    )
    return VaultClient(config, manifest=manifest)


def _document(cluster: ThreeServers, role_id: str) -> dict[str, Any]:
    return {
        "application": "app",
        "environment": "production",
        "flavor": "openbao",
        "fresh_seconds": 300,
        "addresses": [one.bao.address for one in cluster.servers],
        "login": {
            "kind": "approle",
            "mount": "approle",
            "role": "app",
            "role_id": role_id,
            "secret_id_ttl_seconds": 3_600,
            "secret_id_uses": 0,
            "renews_secret_id": False,
            "token_ttl_seconds": 3_600,
            "token_max_ttl_seconds": 14_400,
            "token_type": "service",
        },
        "mount": "secret",
        "layout": "{mount}/{name}",
        "secrets": {"app": {"mount": "secret", "path": "app", "keys": ["KEY"], "access": "read", "owner": "app"}},
    }


def _written(adapter: Any, value: str) -> bool:
    try:
        adapter.post("/v1/secret/data/app", json={"data": {"KEY": value}})
    except (hvac.exceptions.VaultError, requests.RequestException):
        return False
    return True


def wrote(cluster: ThreeServers, servers: list[OneOfThree], end: float) -> bool:
    """Whether one of the servers takes a write in time."""

    def taken() -> bool:
        return any(_written(cluster.client(one).adapter, "after") for one in servers)

    return eventually(taken, end - time.monotonic())


def read_anew(client: VaultClient, end: float) -> bool:
    """Whether the application reads the new value from Vault itself in time. A server that doesn't lead answers reads
    too, and may be a moment behind."""

    def read() -> bool:
        try:
            return client.refresh("app")["KEY"] == "after"
        except VaultEstateError:
            return False

    return eventually(read, end - time.monotonic())


def gate(cluster: ThreeServers, server: OneOfThree) -> Gate:
    """As an operator's commands look, by way of one of the servers."""
    root = cluster.client(cluster.leader())
    seen = look("sys/storage/raft/configuration", "sys/storage/raft/autopilot/state")
    policy = AclPolicy(name="operates", rules=(*seen, *hand_over(), *take_out()), administrative=True)
    root.sys.create_or_update_policy(policy.name, render(policy))
    token = root.auth.token.create(policies=[policy.name], no_parent=True)["auth"]["client_token"]
    client = hvac.Client(url=server.bao.address, verify=str(cluster.ca_file), token=token)
    return Gate(pods=VaultPods(PodsOfServers(cluster)), raft=Raft(client), say=lambda _: None)


def well(looks: Gate) -> RaftView:
    """Raft, as soon as every server is a healthy voter again."""
    assert eventually(lambda: not looks.look().doubts(), 60)
    found = looks.raft.look()
    assert found is not None
    return found


def test_who_leads_hands_over_when_a_follower_is_asked(
    cluster: ThreeServers, ready: tuple[Mapping[str, Any], list[str]]
) -> None:
    assert ready
    leader = cluster.leader()
    looks = gate(cluster, next(one for one in cluster.servers if one is not leader))
    found = well(looks)
    assert found.leader == leader.bao.name
    assert {name: (one.votes, one.is_healthy) for name, one in found.servers.items()} == dict.fromkeys(
        NAMES, (True, True)
    )
    assert all(one.index > 0 and one.version for one in found.servers.values())

    handing_over.hand_over(looks, set(NAMES) - {leader.bao.name}, looks.say)

    assert well(looks).leader != leader.bao.name
    assert not leader.leads(cluster.ca_file)


def test_a_server_that_was_taken_out_still_says_it_is_healthy_and_is_doubted(
    cluster: ThreeServers, ready: tuple[Mapping[str, Any], list[str]]
) -> None:
    assert ready
    leader = cluster.leader()
    looks = gate(cluster, leader)
    well(looks)
    out = next(one for one in cluster.servers if one is not leader)
    doubt = f"{out.bao.name} isn't among Raft's servers, whatever its pod says"

    looks.raft.remove(out.bao.name)

    assert eventually(lambda: doubt in [one.text for one in looks.look().doubts()])
    assert looks.pods.look().pods[out.bao.name].is_ready
    # Nor does it come back by itself.
    out.kill()
    out.start()
    assert eventually(lambda: looks.pods.look().pods[out.bao.name].is_ready)
    assert doubt in [one.text for one in looks.look().doubts()]
