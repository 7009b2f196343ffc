"""`./estate up prod --sandbox --hashicorp` as a user runs it: HashiCorp's server on five nodes, with a key in KMS.

Tests of one module on one world, in the order of a stack's life. What AWS is asked is judged by the policies that the
stack declares. Not proven: what AWS itself does with the same requests, the release that `server.version` names, and
what the sandbox says isn't real.
"""

import base64
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from components.render.chart.certificates import listener
from components.render.chart.names import NAMESPACE, host
from components.render.chart.network_policies import CLIENT_LABEL
from fake_providers import nodes
from fake_providers.eks_machines import folder_of
from fake_providers.iam.gate import AGENT, BREAK_GLASS, METADATA
from fake_providers.machines import MachineError
from fake_providers.nodes import network
from fake_providers.nodes.images import AUTHORITIES_FILE
from fake_providers.shared_file import shared
from ops.building.compiled import HASHICORP_SERVER
from ops.sandbox.cluster_services import ClusterFacts, ClusterServices
from ops.vault.api import call
from tests.support.access_checks import amiss
from tests.support.booting import by_load
from tests.support.cluster_checkouts import POD, ClusterCheckout, cluster_checkout
from tests.support.leftovers import left
from tests.support.pods import Pods
from tests.support.servers import eventually

STACK, COUNT = "prod", 5
REGION = "eu-central-1"
WRITE_SECONDS = 120.0
"""Far more than it takes: 6 to 10 s were seen."""
RESTART_SECONDS = 330.0
"""The kubelet waits longer each time before it starts a container again, up to five minutes."""
HEAL_SECONDS = RESTART_SECONDS + 60.0
"""It has to join as well."""
CERTIFICATE_SECONDS = 90
"""The kubelet takes up to a minute to bring a Secret to a pod, and who signals the server looks each ten seconds."""
ASKS = """\
import base64, boto3, json, sys
from botocore.exceptions import ClientError
key, sealed = sys.argv[1:]
kms, said = boto3.client("kms"), {}
asked = {
    "describe_key": {"KeyId": key},
    "encrypt": {"KeyId": key, "Plaintext": b"x"},
    "decrypt": {"CiphertextBlob": base64.b64decode(sealed)} if sealed else None,
}
for name, arguments in asked.items():
    try:
        answer = getattr(kms, name)(**arguments) if arguments else {}
        said[name] = base64.b64encode(answer["CiphertextBlob"]).decode() if name == "encrypt" else "done"
    except ClientError as error:
        said[name] = error.response["Error"]["Code"]
print(json.dumps(said))
"""
"""What whoever has the pod's credentials may do with a key."""
SERVED = """\
import hashlib, ssl, sys, time
end = time.time() + float(sys.argv[1])
def served(name):
    return ssl.get_server_certificate((name, 8200)).replace("\\n", "")
while (found := {served(name) for name in sys.argv[3:]}) != {sys.argv[2]}:
    assert time.time() < end, found
    time.sleep(1)
"""
"""Waits until each server serves the certificate."""


@pytest.fixture(scope="module")
def prod(programs: nodes.ClusterPrograms, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterCheckout]:
    """A copy whose world ends with the module. Without HashiCorp's server it fails."""
    HASHICORP_SERVER.find(print)
    with cluster_checkout(tmp_path_factory.mktemp(STACK), STACK, "vault") as made:
        yield made


@pytest.fixture(scope="module")
def built(prod: ClusterCheckout) -> Mapping[str, Any]:
    """What the first `up` said."""
    return prod.answered("up", STACK, "--hashicorp")


def test_an_empty_account_becomes_five_servers_that_every_application_uses(
    built: Mapping[str, Any], prod: ClusterCheckout
) -> None:
    assert (built["passed"], built["changes"].keys()) == (True, {"create"})
    assert amiss(built["access_checks"]) == {}
    assert {"greenlang-api", "bike-data-flow", "pake-system", "aos"} <= built["access_checks"].keys()
    replaced = {one["setting"] for one in built["replaced"]}
    assert replaced.isdisjoint({"server.flavor", "platform.seal", "audit"})
    assert {"server.version", "platform.pods.image", "audit.collector.address"} <= replaced
    vault = prod.answered("status", STACK)["vault"]
    assert (vault["seal"], vault["version"], vault["trouble"]) == ("awskms", HASHICORP_SERVER.version, None)
    with prod.administrator() as client:
        voters = call(client, "get", "sys/storage/raft/configuration")["data"]["config"]["servers"]
        devices = call(client, "get", "sys/audit")["data"]
    assert sorted(one["node_id"] for one in voters if one["voter"]) == [f"vault-{number}" for number in range(COUNT)]
    assert sorted(devices) == ["collector/", "file/"]
    assert "audit lines of " in (prod.place.servers.directory / "audit.log").read_text()
    assert f"allowed: {seal_role(prod)} kms:Decrypt {seal_key(prod)}\n" in told_by_aws(prod)


def test_the_seals_key_is_for_the_servers_pods_of_this_cluster_alone(
    built: Mapping[str, Any], prod: ClusterCheckout
) -> None:
    cluster, key = prod.cluster, seal_key(prod)
    own = {
        "eks-cluster-arn": cluster_arn(prod),
        "kubernetes-namespace": NAMESPACE,
        "kubernetes-service-account": "vault",
    }
    denied = dict.fromkeys(("describe_key", "encrypt", "decrypt"), "AccessDeniedException")
    cluster.associate("elsewhere", "vault", seal_role(prod))
    try:
        with Pods.inside(cluster, "elsewhere") as pods:

            def asks(name: str, sealed: str = "", environment: Mapping[str, str] = {}, **more: Any) -> dict[str, str]:
                given = {"environment": {**where(prod), **environment}, "image": facts(prod).tools_image, **more}
                found: dict[str, str] = json.loads(pods.run(name, ["python3", "-c", ASKS, key, sealed], **given))
                return found

            granted = taken_on(prod, AGENT, seal_role(prod), own)
            sealed = asks("servers", environment=granted)["encrypt"]
            allowed = asks("again", sealed, granted)
            assert (allowed["describe_key"], allowed["decrypt"]) == ("done", "done")
            assert asks("nodes", sealed, taken_on(prod, METADATA, node_role(prod), {})) == denied
            other = {**own, "eks-cluster-arn": f"{own['eks-cluster-arn']}-other"}
            assert asks("cluster", sealed, taken_on(prod, AGENT, seal_role(prod), other)) == denied
            pods.apply(
                {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "vault", "namespace": "elsewhere"}}
            )
            assert asks("namespace", sealed, serviceAccountName="vault") == denied
    finally:
        cluster.associate("elsewhere", "vault", None)


def test_a_lost_leader_is_replaced(built: Mapping[str, Any], prod: ClusterCheckout) -> None:
    (leader,) = prod.active()
    uid = prod.uid_of(leader)

    prod.end_at_once(leader)

    assert eventually(lambda: prod.writes("after"), WRITE_SECONDS)
    assert eventually(lambda: prod.uid_of(leader) not in {None, uid} and prod.ready() == COUNT, WRITE_SECONDS)


def test_without_its_key_a_server_ends_and_the_others_go_on(built: Mapping[str, Any], prod: ClusterCheckout) -> None:
    standby = next(name for name in ("vault-0", "vault-1") if name not in prod.active())
    with key_denied(prod):
        prod.end_at_once(standby)
        assert eventually(lambda: "AccessDeniedException" in last_words(prod, standby), WRITE_SECONDS)
        assert eventually(lambda: exit_code(prod, standby) == 1, WRITE_SECONDS)
        assert eventually(lambda: prod.ready() == COUNT - 1 and prod.writes("denied"), WRITE_SECONDS)
        # One who may do it takes the key itself away; no pod could.
        keeper(prod).disable_key(KeyId=seal_key(prod).rpartition("/")[2])
    try:
        assert eventually(lambda: "DisabledException" in last_words(prod, standby), RESTART_SECONDS)
        assert eventually(lambda: prod.ready() == COUNT - 1 and prod.writes("disabled"), WRITE_SECONDS)
    finally:
        keeper(prod).enable_key(KeyId=seal_key(prod).rpartition("/")[2])

    assert eventually(lambda: prod.ready() == COUNT, HEAL_SECONDS)


def test_a_renewed_certificate_is_served_by_all_and_nobody_starts_anew(
    built: Mapping[str, Any], prod: ClusterCheckout
) -> None:
    before, servers = certificate(prod), lives(prod)
    renewed = json.dumps([{"op": "add", "path": "/status/conditions/-", "value": ISSUING}])
    patch = ["patch", "certificate", listener(COUNT).name, "--namespace", NAMESPACE, "--subresource", "status"]
    prod.cluster.kubectl(*patch, "--type", "json", "--patch", renewed)
    assert eventually(lambda: certificate(prod) != before, WRITE_SECONDS)
    begun = time.monotonic()

    hosts = [f"{host(number)}.{NAMESPACE}.svc" for number in range(COUNT)]
    with Pods.inside(prod.cluster, "clients") as pods:
        label = [f"{name}={value}" for name, value in CLIENT_LABEL.items()]
        prod.cluster.kubectl("label", "namespace", "clients", *label)
        seconds = str(by_load(CERTIFICATE_SECONDS) - (time.monotonic() - begun))
        command = ["python3", "-c", SERVED, seconds, certificate(prod), *hosts]
        pods.run("served", command, image=facts(prod).tools_image)

    assert lives(prod) == servers
    assert prod.writes("renewed")


def test_a_snapshot_is_taken_and_a_drill_says_what_it_could_not_open(
    built: Mapping[str, Any], prod: ClusterCheckout
) -> None:
    prod.answered("snapshot", STACK)

    drilled = prod.answered("drill", STACK)

    # Its seal's key is for the servers' pods alone.
    assert (drilled["whole"], drilled["opened"], drilled["seal"]) == (True, False, "awskms")


def test_a_second_up_changes_nothing(built: Mapping[str, Any], prod: ClusterCheckout) -> None:
    again = prod.answered("up", STACK)

    assert (again["changed"], again["passed"]) == (0, True)
    assert again["exports"] == built["exports"]


def test_down_leaves_nothing(built: Mapping[str, Any], prod: ClusterCheckout) -> None:
    folder = folder_of(prod.place.machines)
    mine = network.find(folder)
    assert mine is not None
    assert left(folder, mine) != []

    prod.answered("down", STACK)

    assert left(folder, mine) == []
    assert not prod.place.directory.exists()


ISSUING = {
    "type": "Issuing",
    "status": "True",
    "reason": "ManuallyTriggered",
    "message": "asked for",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}
"""As `cmctl renew` writes it."""


def facts(prod: ClusterCheckout) -> ClusterFacts:
    return ClusterServices(paths=prod.paths, stack=STACK).facts()


def declared(prod: ClusterCheckout, kind: str) -> Iterator[tuple[str, Any]]:
    """Objects of AWS of one type, by their keys."""
    for key, one in json.loads(prod.place.file.read_text()).items():
        if key.startswith(f"aws:{kind} "):
            yield key, one


def seal_object(prod: ClusterCheckout) -> tuple[str, Any]:
    (found,) = (
        (key, one)
        for key, one in declared(prod, "kms/key:Key")
        if one["inputs"]["description"].startswith("Auto-unseal")
    )
    return found


def seal_key(prod: ClusterCheckout) -> str:
    return str(seal_object(prod)[1]["outputs"]["arn"])


def seal_role(prod: ClusterCheckout) -> str:
    """Of the servers' pods."""
    ((_, one),) = (
        found
        for found in declared(prod, "eks/podIdentityAssociation:PodIdentityAssociation")
        if found[1]["inputs"]["namespace"] == NAMESPACE
    )
    return str(one["inputs"]["roleArn"])


def node_role(prod: ClusterCheckout) -> str:
    ((_, one), *_) = declared(prod, "eks/nodeGroup:NodeGroup")
    return str(one["inputs"]["nodeRoleArn"])


def cluster_arn(prod: ClusterCheckout) -> str:
    ((_, one),) = declared(prod, "eks/cluster:Cluster")
    return str(one["outputs"]["arn"])


def told_by_aws(prod: ClusterCheckout) -> str:
    return (prod.place.servers.directory / "aws.log").read_text()


def keeper(prod: ClusterCheckout) -> Any:
    """KMS, as the role of emergencies."""
    return prod.aws("kms", BREAK_GLASS)


def taken_on(prod: ClusterCheckout, by: str, role: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Variables of whoever was given a role by a service of AWS."""
    more = {"Tags": [{"Key": name, "Value": value} for name, value in tags.items()]} if tags else {}
    given = prod.aws("sts", by).assume_role(RoleArn=role, RoleSessionName="one", **more)["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    }


def where(prod: ClusterCheckout) -> dict[str, str]:
    """Variables of a pod that finds the sandbox's AWS."""
    return {
        "AWS_ENDPOINT_URL": facts(prod).aws,
        "AWS_CA_BUNDLE": f"/{AUTHORITIES_FILE}",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextmanager
def key_denied(prod: ClusterCheckout) -> Iterator[None]:
    """The seal's key lets no pod use it, as if somebody had put another policy on it."""
    key, one = seal_object(prod)
    policy = json.loads(one["inputs"]["policy"])
    narrow = {**policy, "Statement": [each for each in policy["Statement"] if each["Sid"] != "Seal"]}
    assert len(narrow["Statement"]) == len(policy["Statement"]) - 1

    def put(document: Mapping[str, Any]) -> None:
        with shared(prod.place.file) as objects:
            objects[key]["inputs"]["policy"] = json.dumps(document)

    put(narrow)
    try:
        yield
    finally:
        put(policy)


def statuses(prod: ClusterCheckout, pod: str) -> Mapping[str, Any]:
    """Of the server's own container."""
    found = prod.api.find(POD, NAMESPACE, pod) or {}
    every = found.get("status", {}).get("containerStatuses") or []
    return next((one for one in every if one["name"] == "vault"), {})


def exit_code(prod: ClusterCheckout, pod: str) -> int | None:
    """Of the server, if it has ended."""
    one = statuses(prod, pod)
    ended = one.get("state", {}).get("terminated") or one.get("lastState", {}).get("terminated") or {}
    return ended.get("exitCode")


def last_words(prod: ClusterCheckout, pod: str) -> str:
    """What the server said last; empty while it hasn't begun."""
    try:
        return prod.cluster.kubectl("logs", pod, "--namespace", NAMESPACE, "--container", "vault")
    except MachineError:
        return ""


def lives(prod: ClusterCheckout) -> dict[str, tuple[str, int]]:
    """Each server's pod, and how often its process was started."""
    return {
        name: (prod.uid_of(name) or "", int(statuses(prod, name)["restartCount"]))
        for name in (f"vault-{number}" for number in range(COUNT))
    }


def certificate(prod: ClusterCheckout) -> str:
    """What the servers are to serve: the first of the Secret's, without line breaks, as `SERVED` has it."""
    secret = prod.api.find("core/v1:Secret", NAMESPACE, "vault-tls") or {}
    text = base64.b64decode(secret["data"]["tls.crt"]).decode()
    first, end, _ = text.partition("-----END CERTIFICATE-----")
    return (first + end).replace("\n", "")
