"""The real engine with the fake Kubernetes provider and a cluster, whose API is a fake: an object that isn't ready
stays in the state, and the next run replaces it.

Not proven: that a real API server takes any of it; tests/clusters does that.
"""

import base64
import json
from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes
import pytest
from pulumi import automation

import fake_providers.kubernetes as provider
from fake_providers.attach import attach
from fake_providers.servicer import Values
from tests.support.fake_cluster import FakeClusterApi
from tests.support.programs import changes, trial_stack

SERVER = "https://192.0.2.1"
CANARY = "-".join(("canary", "of", "the", "cluster"))
JOB = "batch/v1:Job"


def kubeconfig(server: str, user: Values) -> str:
    authority = base64.b64encode(b"none").decode()
    cluster = {"server": server, "certificate-authority-data": authority}
    return json.dumps({"clusters": [{"name": "a", "cluster": cluster}], "users": [{"name": "a", "user": user}]})


def program(server: str = SERVER) -> None:
    reached = kubernetes.Provider("cluster", kubeconfig=kubeconfig(server, {}))
    options = pulumi.ResourceOptions(provider=reached)
    kubernetes.core.v1.ConfigMap(
        "map",
        metadata={"name": "a", "namespace": "jobs"},
        data={"token": pulumi.Output.secret(CANARY)},
        opts=options,
    )
    kubernetes.batch.v1.Job(
        "job",
        metadata={"name": "a", "namespace": "jobs", "annotations": {"pulumi.com/replaceUnready": "true"}},
        spec={"template": {"spec": {"restart_policy": "Never", "containers": [{"name": "a", "image": "a"}]}}},
        opts=pulumi.ResourceOptions(provider=reached, custom_timeouts=pulumi.CustomTimeouts(create="1s")),
    )


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> FakeClusterApi:
    """The cluster behind each connection."""
    made = FakeClusterApi()
    made.create("core/v1:Namespace", {"metadata": {"name": "jobs"}})
    monkeypatch.setattr(provider, "ClusterApi", lambda _access: made)
    return made


def test_a_job_that_failed_is_in_the_state_and_replaced_by_the_next_run(tmp_path: Path, api: FakeClusterApi) -> None:
    def ended(kind: str, reason: str) -> None:
        told = {"type": kind, "status": "True", "reason": reason, "message": "over"}
        api.born[JOB] = lambda live: live.update(status={"conditions": [told]})

    administrator = tmp_path / "machines" / provider.ADMINISTRATOR
    administrator.parent.mkdir(parents=True)
    administrator.write_text(kubeconfig(SERVER, {"token": "none"}))
    with (
        attach(["kubernetes"], world=tmp_path / "world.json", machines=tmp_path / "machines") as attached,
        trial_stack(tmp_path / "run", attached, program) as run,
    ):
        ended("Failed", "BackoffLimitExceeded")
        with pytest.raises(automation.CommandError, match=r"jobs/a is there and isn't ready: \[BackoffLimitExceeded\]"):
            run.up()
        first = api.objects[JOB, "jobs", "a"]["metadata"]["uid"]
        state = run.export_stack().deployment or {}
        kept = [one for one in state["resources"] if one["type"] == f"kubernetes:{JOB}"]
        assert [one["id"] for one in kept] == ["jobs/a"]
        assert "BackoffLimitExceeded" in kept[0]["initErrors"][0]

        ended("Complete", "Done")
        assert run.up().summary.result == "succeeded"

        assert api.objects[JOB, "jobs", "a"]["metadata"]["uid"] != first
        assert changes(run.up()) == {}
        states = list((tmp_path / "run").rglob("one.json*"))
        assert states
        assert not [file for file in states if CANARY in file.read_text()]
        assert changes(run.destroy()) == {"delete": 4}
    assert {kind for kind, _, _ in api.objects} == {"core/v1:Namespace"}


def test_another_cluster_than_the_sandboxs_is_refused(tmp_path: Path) -> None:
    with (
        attach(["kubernetes"], world=tmp_path / "world.json", machines=tmp_path / "machines") as attached,
        trial_stack(tmp_path / "run", attached, lambda: program("https://192.0.2.9")) as run,
        pytest.raises(automation.CommandError, match=r"kubeconfig is for https://192\.0\.2\.9; expected the cluster"),
    ):
        run.up()
