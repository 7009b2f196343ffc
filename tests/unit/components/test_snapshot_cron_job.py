"""Snapshots in a cluster: when they are taken, as whom, by which program, and what that does where the leader moves.

Not proven: that a cluster takes it, that Vault believes the pod's token, and that EKS gives the pod its role.
"""

import json
import ssl
import time
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from components.kubernetes.snapshot_cron_job import SnapshotCronJob
from components.payloads import snapshot
from components.render.snapshots import Folder
from policies.rules import kubernetes_pods
from tests.support.cluster_samples import SNAPSHOTS, TOOLS, servers
from tests.support.declare import Declared, declare
from tests.support.policy_rules import findings, resource


@cache
def built() -> Declared:
    """The usual one, which no test changes."""
    return declare(servers)


def parameters() -> dict[str, Any]:
    """What the program is told."""
    text = built().named("snapshots-taken-programs").inputs["data"]["parameters.json"]
    told: dict[str, Any] = json.loads(text)
    return told


def test_one_is_taken_at_a_time_when_settings_say_so() -> None:
    made = built().named("snapshots-taken-runs").inputs
    spec, run = made["spec"], made["spec"]["jobTemplate"]["spec"]

    assert made["metadata"] == {"name": "snapshots", "namespace": "vault-jobs"}
    assert (spec["schedule"], spec["timeZone"]) == ("15 0,4,8,12,16,20 * * *", "Etc/UTC")
    assert (spec["concurrencyPolicy"], run["backoffLimit"]) == ("Forbid", 0)
    assert run["activeDeadlineSeconds"] == run["template"]["spec"]["activeDeadlineSeconds"] == 1_800


def test_its_account_is_all_that_it_has() -> None:
    pod = built().named("snapshots-taken-runs").inputs["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    volumes = {one["name"]: one for one in pod["volumes"]}

    assert pod["serviceAccountName"] == "snapshots"
    assert pod["automountServiceAccountToken"] is False
    assert volumes["identity"]["projected"]["sources"] == [
        {"serviceAccountToken": {"audience": "vault", "expirationSeconds": 600, "path": "token"}}
    ]
    assert volumes["scratch"] == {"name": "scratch", "emptyDir": {"sizeLimit": "40Gi"}}
    assert not [one for one in pod["volumes"] if "secret" in one]
    assert pod["containers"][0]["image"] == TOOLS
    # Servers tell where the active one is by names of their own namespace.
    assert pod["dnsConfig"] == {"searches": ["vault.svc.cluster.local"]}


def test_the_program_is_told_the_active_server_and_no_secret() -> None:
    told = parameters()

    assert told["address"] == "https://vault-active.vault.svc:8200"
    assert told["pod_login"] == {"mount": "kubernetes", "token_file": "/identity/token"}
    assert (told["ca_file"], told["role"], told["metrics"]) == ("/authority/ca.crt", "snapshots", None)
    assert told["recipients"] == [f"age1{'q' * 58}"]
    assert "escrow" not in told


def test_it_logs_in_by_the_pods_token_at_whichever_server_is_active(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "-".join(("canary", "of", "a", "pod"))
    (tmp_path / "token").write_text(token)
    asked: list[tuple[str, str, str, Any]] = []
    answers: dict[str, dict[str, Any]] = {
        "sys/leader": {
            "ha_enabled": True,
            "is_self": False,
            "leader_address": "https://vault-2.vault-internal:8200",
        },
        "auth/kubernetes/login": {"auth": {"client_token": "short", "accessor": "one"}},
    }

    def call(server: snapshot.ActiveNode, method: str, path: str, body: Any = None) -> dict[str, Any]:
        asked.append((server.address, method, path, body))
        if server.address == "https://vault-2.vault-internal:8200" and path == "sys/leader":
            return {"ha_enabled": True, "is_self": True}
        return answers[path]

    monkeypatch.setattr(snapshot.ActiveNode, "call", call)
    monkeypatch.setattr(ssl, "create_default_context", lambda cafile: cafile)
    taken: list[str] = []

    def save(server: snapshot.ActiveNode, store: Any, told: Any, work: Path) -> tuple[str, dict[str, Any]]:
        assert work.is_dir()
        taken.append(server.login(told["role"]))
        return f"raft/{store}/1.age", {"bytes": 1}

    monkeypatch.setattr(snapshot, "save", save)
    monkeypatch.setattr(snapshot, "ObjectStore", lambda **bucket: bucket["name"])
    monkeypatch.setattr(snapshot, "prune", lambda store, prefix, keep: [store, prefix, keep])
    told = parameters()
    snapshot.run({**told, "pod_login": {**told["pod_login"], "token_file": str(tmp_path / "token")}})

    assert taken == ["one"]
    assert asked == [
        ("https://vault-active.vault.svc:8200", "GET", "sys/leader", None),
        ("https://vault-2.vault-internal:8200", "GET", "sys/leader", None),
        (
            "https://vault-2.vault-internal:8200",
            "POST",
            "auth/kubernetes/login",
            {"role": "snapshots", "jwt": token},
        ),
    ]


def test_aws_own_storage_is_left_to_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    own, other = "https://s3.eu-central-1.amazonaws.com", "https://fsn1.your-objectstorage.com"

    def found(endpoint: str) -> str:
        return str(snapshot.ObjectStore("snapshots", endpoint, "eu-central-1").client.meta.endpoint_url)

    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert (found(own), found(other)) == (own, other)
    # What stands in for AWS is found by that; the place of another service is its own.
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://198.51.100.7")
    assert (found(own), found(other)) == ("https://198.51.100.7", other)


def test_it_waits_until_the_servers_agree_on_who_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = "https://vault-1.vault-internal:8200", "https://vault-2.vault-internal:8200"
    service = parameters()["address"]
    # The service is at nobody, then at one that names one that led before, then at one that knows nobody.
    said: list[tuple[str, Any]] = [
        (service, ConnectionRefusedError()),
        (service, {"ha_enabled": True, "leader_address": one}),
        (one, {"ha_enabled": True, "leader_address": two}),
        (service, {"ha_enabled": True, "leader_address": ""}),
        (service, {"ha_enabled": True, "is_self": True}),
    ]

    def call(server: snapshot.ActiveNode, method: str, path: str, body: Any = None) -> dict[str, Any]:
        address, answer = said.pop(0)
        assert (server.address, method, path, body) == (address, "GET", "sys/leader", None)
        if isinstance(answer, OSError):
            raise answer
        return dict(answer)

    monkeypatch.setattr(snapshot.ActiveNode, "call", call)
    monkeypatch.setattr(ssl, "create_default_context", lambda cafile: cafile)
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: clock.append(clock.pop() + seconds))
    server = snapshot.PodsServer(service, "ca.crt", "kubernetes", "token")

    assert server.find_active() is True
    assert (said, server.address, clock) == ([], service, [3.0])
    said[:] = [(service, {"ha_enabled": True, "leader_address": ""})] * 100
    with pytest.raises(snapshot.SnapshotError, match="knows no active node; expected one"):
        server.find_active()
    assert clock[0] == 3 + snapshot.LEADER_SECONDS + 1


@pytest.mark.parametrize(
    ("snapshots", "words"),
    [
        (
            {"schedule": "*-*-* *:00:30"},
            r"snapshots\.schedule is '\*-\*-\* \*:00:30'; expected an event that cron can say",
        ),
        (
            {"store": Folder(path="snapshots")},
            r"snapshots\.store\.kind is 'folder'; expected 'bucket', off the cluster",
        ),
    ],
    ids=["seconds", "folder"],
)
def test_what_a_cluster_cant_do_is_refused(snapshots: dict[str, Any], words: str) -> None:
    other = SNAPSHOTS.snapshots.model_copy(update=snapshots)
    with pytest.raises(ValueError, match=words):
        declare(lambda: SnapshotCronJob("snapshots", replace(SNAPSHOTS, snapshots=other)))


def test_the_policy_pack_judges_the_pods_of_a_cron_job() -> None:
    kind = "kubernetes:batch/v1:CronJob"
    rules = {rule.name: rule for rule in kubernetes_pods.RULES if kind in rule.types}
    inputs = built().named("snapshots-taken-runs").inputs
    bare = deepcopy(inputs)
    pod = bare["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    del pod["securityContext"], pod["containers"][0]["securityContext"]
    pod["containers"][0]["image"] = "python:3"

    assert {name for name, rule in rules.items() if findings(rule, resource(rule, inputs, token=kind))} == set()
    assert {name for name, rule in rules.items() if findings(rule, resource(rule, bare, token=kind))} >= {
        "containers-drop-capabilities",
        "containers-raise-no-privileges",
        "pods-filter-system-calls",
        "pods-run-as-nobody",
    }
