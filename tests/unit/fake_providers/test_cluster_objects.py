"""What the fake Kubernetes provider asks of a cluster, and what it waits for, against a fake API.

Not proven: that a real API server takes any of it; tests/clusters does that.
"""

from collections.abc import Callable
from typing import Any

import pytest

from fake_providers.cluster_objects import ClusterObjects
from fake_providers.kubernetes import KubernetesProvider
from fake_providers.servicer import TIMEOUT_SECONDS, Change, Found, HalfDoneError, RefusedError, Values
from tests.support.fake_cluster import FakeClusterApi

NAMESPACE, MAP, JOB = "core/v1:Namespace", "core/v1:ConfigMap", "batch/v1:Job"
CLAIM, CLASS, SET = "core/v1:PersistentVolumeClaim", "storage.k8s.io/v1:StorageClass", "apps/v1:StatefulSet"
CERTIFICATE, SERVICE, SLICE = (
    "cert-manager.io/v1:Certificate",
    "core/v1:Service",
    "discovery.k8s.io/v1:EndpointSlice",
)


@pytest.fixture
def api() -> FakeClusterApi:
    """A cluster with one namespace."""
    made = FakeClusterApi()
    made.create(NAMESPACE, {"metadata": {"name": "jobs"}})
    return made


@pytest.fixture
def cluster(api: FakeClusterApi, monkeypatch: pytest.MonkeyPatch) -> ClusterObjects:
    """A connection whose pauses take no time."""
    made = ClusterObjects("https://192.0.2.1", lambda: api)
    monkeypatch.setattr(made._ended, "wait", lambda _seconds: made._ended.is_set())
    return made


def named(name: str = "a", *, notes: dict[str, str] | None = None, **more: Any) -> Values:
    metadata: Values = {"name": name, "namespace": "jobs", **({"annotations": notes} if notes else {})}
    return {"metadata": metadata, **more}


def make(cluster: ClusterObjects, kind: str, wanted: Values) -> Found:
    return cluster.create(kind, f"jobs/{wanted['metadata']['name']}", wanted)


def status(**told: Any) -> Callable[[Values], None]:
    """What a controller says of an object."""

    def said(live: Values) -> None:
        live["status"] = told

    return said


def condition(kind: str, reason: str = "", message: str = "", value: str = "True") -> Values:
    return {"type": kind, "status": value, "reason": reason, "message": message}


def test_what_is_there_already_is_not_taken_over(cluster: ClusterObjects, api: FakeClusterApi) -> None:
    api.create(MAP, named(data={"a": "of somebody else"}))

    with pytest.raises(RefusedError, match='"a" already exists'):
        make(cluster, MAP, named(data={"a": "mine"}))

    assert api.objects[MAP, "jobs", "a"]["data"] == {"a": "of somebody else"}


def test_a_namespace_that_never_comes_is_asked_for_again_and_then_told(cluster: ClusterObjects) -> None:
    with pytest.raises(RefusedError, match='namespaces "away" not found'):
        cluster.create(MAP, "away/a", {"metadata": {"name": "a", "namespace": "away"}})


def test_a_namespace_that_comes_late_is_waited_for(
    cluster: ClusterObjects, api: FakeClusterApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        if len(pauses) == 2:
            api.create(NAMESPACE, {"metadata": {"name": "late"}})
        return False

    monkeypatch.setattr(cluster._ended, "wait", wait)
    cluster.create(MAP, "late/a", {"metadata": {"name": "a", "namespace": "late"}})

    assert pauses == [0.1, 0.2]


def test_a_change_gives_up_what_isnt_named_any_more_and_leaves_what_others_wrote(
    cluster: ClusterObjects, api: FakeClusterApi
) -> None:
    made = make(cluster, MAP, named(data={"a": "1", "b": "2"}))
    live = api.objects[MAP, "jobs", "a"]
    live["data"]["c"] = "3"
    live["metadata"]["managedFields"].append({"manager": "job", "operation": "Update", "fields": [("data", "c")]})

    changed = cluster.update(MAP, made, named(data={"a": "0"}))

    assert changed.outputs["data"] == {"a": "0", "c": "3"}
    assert changed.outputs["__fieldManager"].startswith("pulumi-kubernetes-")
    assert "managedFields" not in changed.outputs["metadata"]
    again = cluster.update(MAP, changed, named(data={"a": "9"}))
    assert again.outputs["data"] == {"a": "9", "c": "3"}


def test_another_managers_field_is_a_conflict(cluster: ClusterObjects, api: FakeClusterApi) -> None:
    made = make(cluster, MAP, named(data={"a": "1"}))
    live = api.objects[MAP, "jobs", "a"]
    live["data"]["c"] = "3"
    live["metadata"]["managedFields"].append({"manager": "job", "operation": "Update", "fields": [("data", "c")]})

    with pytest.raises(RefusedError, match=r'field conflict.*conflict with "job": data\.c'):
        cluster.update(MAP, made, named(data={"a": "1", "c": "4"}))


def test_a_job_is_waited_for_until_it_succeeded(cluster: ClusterObjects, api: FakeClusterApi) -> None:
    api.later(JOB, "jobs", "a", status(active=1), status(conditions=[condition("Complete")]))

    made = make(cluster, JOB, named(spec={}))

    assert made.outputs["status"] == {"conditions": [condition("Complete")]}


def test_a_job_that_failed_is_there_and_says_its_pods_last_line(cluster: ClusterObjects, api: FakeClusterApi) -> None:
    api.later(JOB, "jobs", "a", status(conditions=[condition("Failed", "BackoffLimitExceeded", "the limit")]))
    labels = {"batch.kubernetes.io/controller-uid": "00000003-0000"}
    api.create("core/v1:Pod", {"metadata": {"name": "a-x", "namespace": "jobs", "labels": labels}})
    api.lines["a-x"] = "key shares: AWS refuses"

    with pytest.raises(
        HalfDoneError, match=r"\[BackoffLimitExceeded\] the limit; a-x: key shares: AWS refuses"
    ) as told:
        make(cluster, JOB, named(spec={}))

    assert told.value.found.identity == "jobs/a"
    assert (JOB, "jobs", "a") in api.objects


def test_a_job_that_takes_too_long_is_told_after_the_programs_own_time(cluster: ClusterObjects) -> None:
    token = TIMEOUT_SECONDS.set(3.0)
    try:
        with pytest.raises(HalfDoneError, match="not ready after 3 s"):
            make(cluster, JOB, named(spec={}))
    finally:
        TIMEOUT_SECONDS.reset(token)


def test_an_interrupted_wait_leaves_the_object(cluster: ClusterObjects, api: FakeClusterApi) -> None:
    cluster.end()

    with pytest.raises(HalfDoneError, match="the wait was interrupted"):
        make(cluster, JOB, named(spec={}))

    assert (JOB, "jobs", "a") in api.objects


@pytest.mark.parametrize(("mode", "phase"), [("WaitForFirstConsumer", "Pending"), ("Immediate", "Bound")])
def test_a_new_claim_waits_as_its_class_does(
    cluster: ClusterObjects, api: FakeClusterApi, mode: str, phase: str
) -> None:
    api.create(CLASS, {"metadata": {"name": "gp3"}, "volumeBindingMode": mode})
    api.later(CLAIM, "jobs", "a", status(phase=phase))

    made = make(cluster, CLAIM, named(spec={"storageClassName": "gp3"}))

    assert made.outputs["status"] == {"phase": phase}


def test_a_new_claim_that_is_bound_early_is_waited_for_in_vain_but_for_its_annotation(
    cluster: ClusterObjects, api: FakeClusterApi
) -> None:
    api.create(CLASS, {"metadata": {"name": "gp3"}, "volumeBindingMode": "WaitForFirstConsumer"})
    api.later(CLAIM, "jobs", "a", status(phase="Bound"))

    with pytest.raises(HalfDoneError, match="not ready after 600 s"):
        make(cluster, CLAIM, named(spec={"storageClassName": "gp3"}))

    notes = {"pulumi.com/skipAwait": "true"}
    assert make(cluster, CLAIM, named("b", notes=notes, spec={"storageClassName": "gp3"})).identity == "jobs/b"


def test_a_resource_is_waited_for_by_its_annotation(cluster: ClusterObjects, api: FakeClusterApi) -> None:
    ready = status(conditions=[condition("Ready")])
    api.later(CERTIFICATE, "jobs", "a", status(conditions=[condition("Ready", value="False")]), ready)

    made = make(cluster, CERTIFICATE, named(notes={"pulumi.com/waitFor": "condition=Ready"}))

    assert made.outputs["status"]["conditions"][0]["status"] == "True"
    with pytest.raises(RefusedError, match="expected condition=…, nothing else is known here"):
        make(cluster, CERTIFICATE, named("b", notes={"pulumi.com/waitFor": "jsonpath={.status.phase}=Running"}))


def test_a_service_waits_for_an_end_that_is_ready_and_a_headless_one_for_none(
    cluster: ClusterObjects, api: FakeClusterApi
) -> None:
    def pod(_service: Values) -> None:
        labels = {"kubernetes.io/service-name": "a"}
        end = {"conditions": {"ready": True}}
        api.create(SLICE, {"metadata": {"name": "a-1", "namespace": "jobs", "labels": labels}, "endpoints": [end]})

    make(cluster, SERVICE, named("headless", spec={"clusterIP": "None", "selector": {"app": "a"}}))
    with pytest.raises(HalfDoneError):
        make(cluster, SERVICE, named("none", spec={"selector": {"app": "a"}}))
    api.later(SERVICE, "jobs", "a", pod)
    assert make(cluster, SERVICE, named(spec={"selector": {"app": "a"}})).identity == "jobs/a"


def test_a_set_is_ready_with_all_its_pods(cluster: ClusterObjects, api: FakeClusterApi) -> None:
    behind = status(observedGeneration=1, updatedReplicas=3, readyReplicas=2)
    whole = status(observedGeneration=1, updatedReplicas=3, readyReplicas=3)
    api.later(SET, "jobs", "a", behind, whole)

    assert make(cluster, SET, named(spec={"replicas": 3})).outputs["status"]["readyReplicas"] == 3


def test_deletion_is_as_the_annotation_says_and_waited_for(cluster: ClusterObjects, api: FakeClusterApi) -> None:
    one = make(cluster, MAP, named())
    two = make(cluster, MAP, named("b", notes={"pulumi.com/deletionPropagationPolicy": "orphan"}))
    api.objects[MAP, "jobs", "b"]["metadata"]["finalizers"] = ["orphan"]
    api.later(MAP, "jobs", "b", lambda _: None, lambda live: live["metadata"].pop("finalizers"))

    cluster.delete(MAP, one)
    cluster.delete(MAP, two)
    cluster.delete(MAP, two)

    assert [how for _, how in api.deletions] == ["Foreground", "Orphan"]
    assert cluster.read(MAP, two) is None


def test_what_doesnt_go_is_told_with_what_holds_it(cluster: ClusterObjects, api: FakeClusterApi) -> None:
    made = make(cluster, MAP, named())
    api.objects[MAP, "jobs", "a"]["metadata"]["finalizers"] = ["example.com/kept"]

    with pytest.raises(RefusedError, match=r"a is still there \(example\.com/kept\)"):
        cluster.delete(MAP, made)


def test_a_job_that_didnt_succeed_is_replaced_where_it_says_so(cluster: ClusterObjects, api: FakeClusterApi) -> None:
    provider, notes = KubernetesProvider(None), {"pulumi.com/replaceUnready": "true"}
    wanted = named(notes=notes, spec={})
    api.later(JOB, "jobs", "a", status(conditions=[condition("Complete")]))
    made = make(cluster, JOB, wanted)

    assert provider.diff_there(cluster, f"kubernetes:{JOB}", made, wanted) == Change()
    api.objects[JOB, "jobs", "a"]["status"] = {"conditions": [condition("Failed", "DeadlineExceeded")]}
    change = provider.diff_there(cluster, f"kubernetes:{JOB}", made, wanted)
    assert (change.replaces, change.delete_first) == (("metadata",), True)
    assert provider.diff_there(None, f"kubernetes:{JOB}", made, wanted) == Change()


def test_what_no_state_knows_is_taken_away_and_claims_and_others_work_stay(
    cluster: ClusterObjects, api: FakeClusterApi
) -> None:
    kept, lost = make(cluster, MAP, named()), make(cluster, MAP, named("lost"))
    api.create(CLAIM, named("data"))
    other = api.create(MAP, named("other"))["metadata"]["name"]
    api.objects[MAP, "jobs", other]["metadata"]["managedFields"][0]["manager"] = "kubectl"
    known = {("kubernetes:core/v1:Namespace", "jobs"), (f"kubernetes:{MAP}", kept.identity)}

    assert KubernetesProvider(None).drop_unknown(cluster, known) == [f"kubernetes:{MAP}"]

    assert cluster.read(MAP, lost) is None
    assert {name for _, _, name in api.objects} == {"jobs", "a", "other", "data"}
