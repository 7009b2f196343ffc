"""A snapshot taken now by what takes them anyway: a Job from the CronJob of the cluster.

Owns the Job's making and waiting for its end. Its program verifies what it took and looks at what it stored; refuses to
take the word of a Job that didn't complete.
"""

import copy
from collections.abc import Callable

from components.render.chart.jobs import SNAPSHOTS
from components.render.chart.names import JOBS_NAMESPACE
from ops.clusters.api import Document, KubernetesApi
from ops.clusters.gate import POLL_SECONDS, Pace
from ops.errors import EstateError

_BATCH = f"/apis/batch/v1/namespaces/{JOBS_NAMESPACE}"
_BY_HAND = "BY_HAND"
"""Variable by which the program is told."""
_SECONDS = 1_800.0
"""The Job has a deadline of its own, which is shorter."""


def take(api: KubernetesApi, say: Callable[[str], None], pace: Pace) -> None:
    """Take one and wait until it is stored. Raises EstateError: there is nothing that takes them, or it failed."""
    listed = (api.get(f"{_BATCH}/cronjobs") or {}).get("items") or []
    found = next((one for one in listed if _account(one) == SNAPSHOTS), None)
    if found is None:
        raise EstateError(f"no CronJob of {JOBS_NAMESPACE} takes snapshots; expected the one that up makes")
    say("taking a snapshot")
    made = api.create(f"{_BATCH}/jobs", _job(found))
    name, end = str(made["metadata"]["name"]), pace.clock() + _SECONDS
    while pace.clock() < end:
        job = api.get(f"{_BATCH}/jobs/{name}")
        ended = [
            one["type"] for one in ((job or {}).get("status") or {}).get("conditions") or [] if one["status"] == "True"
        ]
        if "Complete" in ended:
            return
        if job is None or "Failed" in ended:
            break
        pace.pause(POLL_SECONDS)
    raise EstateError(f"Job {name} of {JOBS_NAMESPACE} took no snapshot; expected one: kubectl logs tells why")


def _account(cron_job: Document) -> str:
    template = cron_job["spec"]["jobTemplate"]["spec"]["template"]
    return str(template["spec"].get("serviceAccountName") or "")


def _job(cron_job: Document) -> Document:
    """As `kubectl create job --from` makes it, and told that a person asked for it, so that retention spares it."""
    template, metadata = cron_job["spec"]["jobTemplate"], cron_job["metadata"]
    specification = copy.deepcopy(template["spec"])
    for container in specification["template"]["spec"].get("containers") or []:
        container["env"] = [*(container.get("env") or []), {"name": _BY_HAND, "value": "yes"}]
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": metadata["name"], "uid": metadata["uid"]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "generateName": f"{metadata['name'][:40]}-now-",
            "labels": (template.get("metadata") or {}).get("labels") or {},
            "annotations": {"cronjob.kubernetes.io/instantiate": "manual"},
            "ownerReferences": [owner],
        },
        "spec": specification,
    }
