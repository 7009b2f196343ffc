"""`./estate up staging --sandbox` as a user runs it: three servers on three nodes, with all applications of the stack.

Tests of one module on one world, in the order of a stack's life. Not proven: what AWS does with the same requests, and
what the sandbox itself says isn't real. HashiCorp's server isn't the one that runs here.
"""

import base64
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import hvac
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hvac.exceptions import Forbidden

from components.render.chart.names import JOBS_NAMESPACE, NAMESPACE
from components.vault.kubernetes import KubernetesLogin
from fake_providers import nodes
from fake_providers.cluster_api import ApiRefusedError
from fake_providers.eks_machines import folder_of
from fake_providers.iam.gate import BREAK_GLASS
from fake_providers.kubernetes import ADMINISTRATOR
from fake_providers.machines import MachineError
from fake_providers.nodes import network
from fake_providers.nodes.identities import Identities
from ops.clusters import snapshot_job
from ops.clusters.gate import Pace
from ops.console import Console
from ops.sandbox.cluster_services import ClusterServices
from ops.sandbox.pod_logins import PodLogins
from ops.vault.api import call
from ops.vault.checks.outcome import CheckError
from tests.support import secret_scan
from tests.support.access_checks import amiss
from tests.support.cluster_checkouts import POD, UP_SECONDS, ClusterCheckout, cluster_checkout
from tests.support.killed_runs import has, under_way
from tests.support.leftovers import left
from tests.support.servers import eventually

STACK = "staging"
ROLE = ("kubernetes", "greenlang-api")
"""Mount and role of one of its applications."""
OPERATORS = ("ada", "grace", "alan", "edsger", "barbara")
PASSWORD = "-".join(("canary", "own", "password"))
WRITE_SECONDS = 120.0
"""Far more than it takes: 6 to 10 s were seen."""
LOOK_SECONDS = 0.1
INTERRUPTED = 130
MOST_TURNS = 10
"""One that lacks the last entry is led by one of the others once more."""


@pytest.fixture(scope="module")
def staging(programs: nodes.ClusterPrograms, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterCheckout]:
    """A copy whose world ends with the module."""
    with cluster_checkout(tmp_path_factory.mktemp(STACK), STACK) as made:
        yield made


@dataclass(frozen=True, kw_only=True)
class Killed:
    """How an `up` is ended before it is done."""

    number: signal.Signals
    reached: Callable[[ClusterCheckout], bool]
    """Whether it has come as far as that."""


def the_cluster_is_being_made(staging: ClusterCheckout) -> bool:
    return "aws:eks/cluster:Cluster" in under_way(staging.recorded())


def servers_come_up(staging: ClusterCheckout) -> bool:
    return has(staging.recorded(), "kubernetes:apps/v1:StatefulSet") and staging.ready() != 3


def the_first_boot_runs(staging: ClusterCheckout) -> bool:
    """It has initialised the servers, and goes on to write key shares and to let the administrator in."""
    if not (staging.place.machines / ADMINISTRATOR).is_file():
        return False
    called = ["logs", "--namespace", JOBS_NAMESPACE, "--selector", "app.kubernetes.io/name=bootstrap"]
    try:
        return "initialised" in staging.cluster.kubectl(*called)
    except MachineError:  # it isn't there yet
        return False


def contents_are_written(staging: ClusterCheckout) -> bool:
    return has(staging.recorded(), "vault:index/mount:Mount")


KILLED: Mapping[str, Killed] = {
    "the cluster is made": Killed(number=signal.SIGKILL, reached=the_cluster_is_being_made),
    "servers come up": Killed(number=signal.SIGINT, reached=servers_come_up),
    "first boot": Killed(number=signal.SIGKILL, reached=the_first_boot_runs),
    "contents are written": Killed(number=signal.SIGINT, reached=contents_are_written),
}


@pytest.fixture(scope="module")
def killed(staging: ClusterCheckout) -> Mapping[str, str]:
    """What each `up` said that was ended while something was under way, by what that was."""
    said = {}
    for moment, killed in KILLED.items():
        running = staging.begin("up", STACK, "--sandbox")
        since = time.monotonic()
        while running.poll() is None and not killed.reached(staging):
            assert time.monotonic() - since < UP_SECONDS
            time.sleep(LOOK_SECONDS)
        if killed.number == signal.SIGKILL:
            os.killpg(running.pid, signal.SIGKILL)
        else:
            running.send_signal(killed.number)
        said[moment], _ = running.communicate(timeout=UP_SECONDS)
        assert running.returncode == (-signal.SIGKILL if killed.number == signal.SIGKILL else INTERRUPTED), said[moment]
    return said


@pytest.fixture(scope="module")
def built(staging: ClusterCheckout, killed: Mapping[str, str]) -> Mapping[str, Any]:
    """What the first `up` said that wasn't ended."""
    assert killed.keys() == KILLED.keys()
    return staging.answered("up", STACK)


def test_an_empty_account_becomes_a_vault_that_every_application_uses(built: Mapping[str, Any]) -> None:
    assert built["passed"] is True
    # What the ended ones had made is there, and nothing of it was made anew or changed.
    assert built["changes"].keys() == {"create", "same"}
    checks = built["access_checks"]
    assert amiss(checks) == {}
    assert {"greenlang-api", "greenlang-agents", "greenlang-jobs"} <= checks.keys()


def test_a_leader_that_is_lost_at_once_is_replaced(built: Mapping[str, Any], staging: ClusterCheckout) -> None:
    (leader,) = staging.active()
    uid = staging.uid_of(leader)

    staging.end_at_once(leader)

    assert eventually(lambda: staging.writes("after"), WRITE_SECONDS)
    assert eventually(lambda: staging.uid_of(leader) not in {None, uid}, WRITE_SECONDS)


def test_a_second_up_changes_nothing(built: Mapping[str, Any], staging: ClusterCheckout) -> None:
    again = staging.answered("up", STACK)

    assert (again["changed"], again["passed"]) == (0, True)
    assert again["exports"] == built["exports"]
    assert staging.answered("status", STACK)["nodes"] == dict.fromkeys(nodes_of(staging), True)
    looked = json.loads(staging.run("drift", STACK, "--sandbox", "--json", timeout=UP_SECONDS).stdout)
    assert (looked["drifted"], looked["resources"]) == (0, [])
    # What tests have written.
    assert all(one["path"].startswith("sys/policies/acl/probe-") for one in looked["unknown"])


def test_volumes_grow_under_pods_that_stay(built: Mapping[str, Any], staging: ClusterCheckout) -> None:
    before = staging.uids()
    staging.set_pods(data_gibibytes=30, cpu_millicores=110)

    grown = staging.answered("up", STACK)

    # Three claims, what the snapshots' CronJob has room for, and the set, whose pods `upgrade` replaces.
    assert (grown["changes"]["update"], grown["changed"], grown["passed"]) == (5, 5, True)
    wanted = {f"{kind}-vault-{n}": size for kind, size in (("data", "30Gi"), ("audit", "20Gi")) for n in range(3)}
    assert eventually(lambda: sizes(staging) == wanted, WRITE_SECONDS)
    assert staging.uids() == before

    staging.set_pods(data_gibibytes=29)
    for command in ("preview", "up"):
        refused = staging.run(command, STACK, "--sandbox")
        assert refused.returncode == 2
        assert refused.stderr.splitlines()[-1] == (
            "estate: Pulumi.staging.yaml: vault-estate:estate.platform.pods.data_gibibytes is 29; "
            "expected at least 30, which claim data-vault-0 has: a volume grows and never shrinks"
        )
    staging.set_pods(data_gibibytes=30)


@pytest.fixture(scope="module")
def operator(built: Mapping[str, Any], staging: ClusterCheckout) -> str:
    """Somebody of a group of kind `operators`, who is logged in."""
    name = "grace"
    token = staging.answered("invite", STACK, name)["wrapping_token"]
    staging.answered("login", STACK, name, "--first", given=f"{token}\n{PASSWORD}\n{PASSWORD}\n")
    return name


def test_an_operator_replaces_the_pods_that_are_behind(operator: str, staging: ClusterCheckout) -> None:
    before, (led,) = staging.uids(), staging.active()

    done = staging.answered("upgrade", STACK)

    assert sorted(done["replaced"]) == sorted(before)
    assert done["replaced"][-1] == led
    after = staging.uids()
    assert after.keys() == before.keys()
    assert set(after.values()).isdisjoint(before.values())
    assert staging.answered("upgrade", STACK)["replaced"] == []


def test_an_operator_has_a_server_join_again(operator: str, staging: ClusterCheckout) -> None:
    lost = min(staging.uids().keys() - staging.active())
    refused = staging.run("rejoin", STACK, lost, "--sandbox")
    assert (refused.returncode, refused.stderr.splitlines()[-1]) == (
        2,
        f"estate: {lost} is a healthy voter; expected one that has to join again",
    )
    with staging.platform() as platform:
        endpoint = platform.find_endpoint(Console(as_json=True))
        client = hvac.Client(url=endpoint.address, verify=str(endpoint.ca_file))
        client.auth.userpass.login(operator, PASSWORD)
        call(client, "post", "sys/storage/raft/remove-peer", {"server_id": lost})
        client.logout()

    done = staging.answered("rejoin", STACK, lost)

    assert done["server"] == lost
    assert len(done["left_volumes"]) == 2
    assert eventually(lambda: staging.ready() == 3, WRITE_SECONDS)


def test_every_server_can_lead(built: Mapping[str, Any], staging: ClusterCheckout) -> None:
    for name in sorted(staging.uids()):
        for _ in range(MOST_TURNS):
            assert eventually(lambda: len(staging.active()) == 1 and staging.writes("led"), WRITE_SECONDS)
            if staging.active() == [name]:
                break
            assert eventually(lambda: staging.ready() == 3, WRITE_SECONDS)
            # Whoever stays asks for votes until another one is back, and has two of three then.
            for other in staging.uids().keys() - {name}:
                staging.end_at_once(other)
        assert staging.active() == [name]


def test_a_pod_of_another_account_is_not_let_in(built: Mapping[str, Any], staging: ClusterCheckout) -> None:
    with staging.platform() as platform:
        pods = platform.pods_of_applications()
        assert isinstance(pods, PodLogins)
        pods.log_in_from_pod(KubernetesLogin(service_account="greenlang-api", namespace="greenlang"), *ROLE)
        pods = replace(pods, patience_seconds=0)
        with pytest.raises(CheckError, match="HTTP Error 403"):
            pods.log_in_from_pod(KubernetesLogin(service_account="other", namespace="greenlang"), *ROLE)
        wrong = KubernetesLogin(service_account="greenlang-api", namespace="greenlang", audience="elsewhere")
        with pytest.raises(CheckError, match="HTTP Error 403"):
            pods.log_in_from_pod(wrong, *ROLE)


def test_a_token_that_is_over_or_whose_pod_is_gone_is_not_let_in(
    built: Mapping[str, Any], staging: ClusterCheckout
) -> None:
    login = KubernetesLogin(service_account="greenlang-api", namespace="greenlang")
    with staging.platform() as platform, staging.administrator() as client:
        pods = platform.pods_of_applications()
        assert isinstance(pods, PodLogins)
        given = pods.token(login)
        now = int(time.time())
        bound = {"pod": {"name": "gone", "uid": "5f1c0a4e-0000-4000-8000-000000000000"}}
        path = f"auth/{ROLE[0]}/login"
        # Made by the cluster's own key, as those that it gives: only what they say is different.
        for token in (given, signed(staging, given, exp=now + 60)):
            assert call(client, "post", path, {"role": ROLE[1], "jwt": token})["auth"]["client_token"]
        # The server sees that for itself; whether a pod is there, the cluster tells it.
        for token, why in (
            (signed(staging, given, iat=now - 7_200, nbf=now - 7_200, exp=now - 3_600), "token is expired"),
            (signed(staging, given, bound=bound), "permission denied"),
        ):
            with pytest.raises(Forbidden, match=why):
                call(client, "post", path, {"role": ROLE[1], "jwt": token})


def test_servers_of_another_authority_are_refused_and_the_known_one_stays(
    built: Mapping[str, Any], staging: ClusterCheckout
) -> None:
    with staging.platform() as platform:
        known = platform.authority_file
        text = known.read_bytes()
        # As after somebody has put other servers in the place of these.
        other = staging.place.authority_file.read_bytes()
        known.write_bytes(other)
        try:
            assert not staging.writes("elsewhere")
            asked = staging.run("status", STACK, "--sandbox", "--json")
            assert known.read_bytes() == other
        finally:
            known.write_bytes(text)
    assert asked.returncode == 2
    assert "certificate" in asked.stdout + asked.stderr
    assert staging.writes("again")


def test_the_servers_namespace_refuses_what_a_chart_makes_by_default(
    built: Mapping[str, Any], staging: ClusterCheckout
) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "default", "namespace": NAMESPACE},
        "spec": {"containers": [{"name": "vault", "image": "vault", "securityContext": {"runAsNonRoot": True}}]},
    }
    with pytest.raises(ApiRefusedError, match='violates PodSecurity "restricted:latest"'):
        staging.api.create(POD, pod)


def test_no_secret_is_in_the_cluster_beside_secrets_nor_in_the_state(
    built: Mapping[str, Any], killed: Mapping[str, str], staging: ClusterCheckout
) -> None:
    services = ClusterServices(paths=staging.paths, stack=STACK)
    cluster = staging.cluster
    secrets = secret_scan.of_sandbox(services, cluster, staging.aws("secretsmanager", BREAK_GLASS))
    said = {f"what up said, ended while {moment}": text for moment, text in killed.items()}
    places = {**secret_scan.places(services, cluster), "what up said": json.dumps(built), **said}

    wanted = {"the seal's token", "vault-tls tls.key", "vault-authority tls.key", "staging/administrator.key"}
    wanted |= {f"the key share of {name}" for name in OPERATORS}
    assert wanted | {f"staging/operators/{name}/private.asc" for name in OPERATORS} <= secrets.keys()
    assert {"logs of vault/vault-0", "what up said", "the cluster's objects and events"} <= places.keys()
    assert any(place.startswith("logs of vault-jobs/bootstrap") for place in places)
    assert any(place.startswith("state ") and "stacks" in place for place in places)
    kept = {"Secrets": cluster.kubectl("get", "secrets", "--all-namespaces", "--output", "json")}
    assert all(secret_scan.holding(secrets[name], kept) for name in ("the seal's token", "vault-tls tls.key"))
    found = [(what, place) for what, secret in secrets.items() for place in secret_scan.holding(secret, places)]
    assert found == []


@pytest.fixture(scope="module")
def snapshot(built: Mapping[str, Any], staging: ClusterCheckout) -> str:
    """The key of one that was taken as soon as its leader was lost."""
    (leader,) = staging.active()
    staging.end_at_once(leader)
    return str(staging.answered("snapshot", STACK)["key"])


def test_a_snapshot_of_whoever_leads_now_is_kept_as_declared(snapshot: str, staging: ClusterCheckout) -> None:
    with staging.storage() as (client, bucket):
        found = client.head_object(Bucket=bucket, Key=snapshot)
        rules = client.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]["Rule"]
        assert client.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert found["ServerSideEncryption"] == "aws:kms"
    assert found["SSEKMSKeyId"].startswith("arn:aws:kms:eu-central-1:111122223333:key/")
    assert (rules["DefaultRetention"]["Mode"], rules["DefaultRetention"]["Days"]) == ("GOVERNANCE", 14)
    assert found["ObjectLockMode"] == "GOVERNANCE"


def test_the_clusters_own_job_takes_one_by_its_role(snapshot: str, staging: ClusterCheckout) -> None:
    assert eventually(lambda: staging.ready() == 3, WRITE_SECONDS)
    with staging.platform() as platform:
        snapshot_job.take(platform.cluster(), print, Pace())
    with staging.storage() as (client, bucket):
        kept = client.list_objects_v2(Bucket=bucket, Prefix=f"{snapshot.rpartition('/')[0]}/")["Contents"]
    newest = max(one["Key"] for one in kept if one["Key"].endswith(".age"))
    assert newest > snapshot
    told = (staging.place.servers.directory / "aws.log").read_text()
    role = "arn:aws:iam::111122223333:role/vault-staging-snapshots"
    assert f"allowed: {role} s3:PutObject arn:aws:s3:::{bucket}/{newest}\n" in told
    assert f"denied: {role} " not in told


def test_a_drill_says_what_it_could_not_open(snapshot: str, staging: ClusterCheckout) -> None:
    drilled = staging.answered("drill", STACK)

    assert (drilled["whole"], drilled["opened"], drilled["seal"]) == (True, False, "transit")


def test_a_restore_brings_back_what_was_there_and_nothing_newer(snapshot: str, staging: ClusterCheckout) -> None:
    assert eventually(lambda: staging.ready() == 3 and staging.writes("kept"), WRITE_SECONDS)
    taken = staging.answered("snapshot", STACK)
    assert eventually(lambda: staging.writes("gone"), WRITE_SECONDS)
    # A second one within the hour must not take away the one that somebody is about to need.
    assert eventually(lambda: staging.writes("worse"), WRITE_SECONDS)
    staging.answered("snapshot", STACK)

    done = staging.answered("restore", STACK, "--from", taken["key"])

    assert (done["canary"], done["sealed"], done["forced"], done["restart"]) == (True, False, [], [])
    assert done["servers"] == ["vault-0", "vault-1", "vault-2"]
    assert eventually(lambda: staging.ready() == 3, WRITE_SECONDS)
    assert found(staging) == {"kept"}
    (leader,) = staging.active()
    staging.end_at_once(leader)
    assert eventually(lambda: staging.writes("kept"), WRITE_SECONDS)
    assert staging.active() != [leader]
    assert found(staging) == {"kept"}


def found(staging: ClusterCheckout) -> set[str]:
    """Which of the writes around a snapshot are there."""
    with staging.administrator() as client:
        policies = call(client, "list", "sys/policies/acl")["data"]["keys"]
    return {"kept", "gone", "worse"} & {str(one).removeprefix("probe-") for one in policies}


def test_down_leaves_nothing(built: Mapping[str, Any], staging: ClusterCheckout) -> None:
    folder = folder_of(staging.place.machines)
    mine = network.find(folder)
    assert mine is not None
    assert left(folder, mine) != []

    with staging.platform() as platform:
        store = platform.file.settings.snapshots
        assert store is not None
        buckets = sorted([store.bucket.name, platform.platform.access_logs(store.bucket)])
    told = staging.answered("down", STACK)

    assert sorted((one["kind"], one["id"]) for one in told["kept"] if one["days"] is None) == sorted(
        [
            *(("aws:s3/bucket:Bucket", name) for name in buckets),
            ("key shares", "vault/staging/key-shares/…"),
            *(("volume", f"of claim {NAMESPACE}/{kind}-vault-{n}") for kind in ("data", "audit") for n in range(3)),
        ]
    )
    assert left(folder, mine) == []
    assert not staging.place.directory.exists()
    assert not (staging.paths.own / STACK / "authority.crt").exists()


def signed(staging: ClusterCheckout, token: str, *, bound: Mapping[str, Any] | None = None, **claims: int) -> str:
    """A service account's token with other claims, or of another object, by the key of the cluster."""
    head, body, _ = token.split(".")
    told = {**json.loads(base64.urlsafe_b64decode(body + "==")), **claims}
    told["kubernetes.io"] = {**told["kubernetes.io"], **(bound or {})}
    file = Identities(folder_of(staging.place.machines) / "tls").accounts_key
    key = load_pem_private_key(file.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    text = f"{head}.{_encoded(json.dumps(told).encode())}"
    numbers = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{text}.{_encoded(b''.join(number.to_bytes(32, 'big') for number in numbers))}"


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def sizes(staging: ClusterCheckout) -> Mapping[str, str]:
    """What each server's claim has by now."""
    claims = staging.api.listed("core/v1:PersistentVolumeClaim", NAMESPACE)
    return {one["metadata"]["name"]: one["status"]["capacity"]["storage"] for one in claims}


def nodes_of(staging: ClusterCheckout) -> Iterator[str]:
    for one in staging.api.listed("core/v1:Node"):
        yield str(one["metadata"]["name"])
