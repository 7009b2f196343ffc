"""A snapshot before an upgrade: a Job of the CronJob's own, and its end. Doesn't prove what the Job's program does."""

from collections.abc import Mapping
from typing import Any

import pytest

from ops.clusters import snapshot_job
from ops.clusters.gate import Pace
from ops.errors import EstateError

JOBS = "/apis/batch/v1/namespaces/vault-jobs"
TAKES = {"serviceAccountName": "snapshots", "containers": [{"name": "take", "env": [{"name": "A", "value": "b"}]}]}
TEMPLATE = {"spec": {"activeDeadlineSeconds": 600, "template": {"spec": TAKES}}}
OTHER = {"spec": {"template": {"spec": {"serviceAccountName": "another"}}}}


class FakeJobs:
    """A fake of the API of Jobs, in which one ends as a test says. It is a `KubernetesApi`."""

    def __init__(self, *ends: str, templates: tuple[Mapping[str, Any], ...] = (OTHER, TEMPLATE)) -> None:
        self.ends, self.templates = list(ends), templates
        self.made: list[Mapping[str, Any]] = []

    def get(self, path: str) -> Mapping[str, Any] | None:
        if path == f"{JOBS}/cronjobs":
            metadata = {"name": "snapshots-taken", "uid": "u-1"}
            return {"items": [{"metadata": metadata, "spec": {"jobTemplate": one}} for one in self.templates]}
        assert path == f"{JOBS}/jobs/made-1"
        end = self.ends.pop(0) if self.ends else ""
        if end == "gone":
            return None
        return {"status": {"conditions": [{"type": end, "status": "True"}] if end else []}}

    def create(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        assert path == f"{JOBS}/jobs"
        self.made.append(body)
        return {"metadata": {"name": "made-1"}}

    def delete(self, path: str, uid: str) -> None:
        raise AssertionError(path + uid)

    def patch(self, kind: str, namespace: str, name: str, changes: Mapping[str, Any]) -> None:
        raise AssertionError(kind + namespace + name + str(changes))


def take(api: FakeJobs) -> None:
    """By a clock that nothing waits for."""
    now = [0.0]
    snapshot_job.take(api, lambda _: None, Pace(clock=lambda: now[0], pause=lambda by: now.__setitem__(0, now[0] + by)))


def test_it_is_the_cron_jobs_own_and_is_waited_for() -> None:
    api = FakeJobs("", "SuccessCriteriaMet", "Complete")
    take(api)
    told = [{"name": "A", "value": "b"}, {"name": "BY_HAND", "value": "yes"}]
    asked = {**TAKES, "containers": [{"name": "take", "env": told}]}
    assert api.made[0]["spec"] == {"activeDeadlineSeconds": 600, "template": {"spec": asked}}
    assert TAKES["containers"] == [{"name": "take", "env": told[:1]}]
    assert api.made[0]["metadata"]["ownerReferences"][0]["uid"] == "u-1"
    assert api.made[0]["metadata"]["generateName"] == "snapshots-taken-now-"
    assert api.ends == []


@pytest.mark.parametrize("ends", [("", "Failed"), ("gone",), ()], ids=["failed", "gone", "never"])
def test_a_job_that_does_not_complete_took_none(ends: tuple[str, ...]) -> None:
    with pytest.raises(EstateError) as caught:
        take(FakeJobs(*ends))
    assert str(caught.value) == ("Job made-1 of vault-jobs took no snapshot; expected one: kubectl logs tells why")


def test_where_nothing_takes_snapshots_it_is_said() -> None:
    api = FakeJobs(templates=(OTHER,))
    with pytest.raises(EstateError) as caught:
        take(api)
    assert str(caught.value) == "no CronJob of vault-jobs takes snapshots; expected the one that up makes"
    assert api.made == []
