"""What the official Kubernetes provider waits for after it made, changed or deleted an object (4.34, pkg/await).

Owns the conditions by kind and annotation. Refuses conditions it doesn't know, which the official provider would wait
for: a wait that is left out would be taken for one that passed.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fake_providers.cluster_api import ApiRefusedError, ClusterApi
from fake_providers.servicer import RefusedError, Values

SECONDS = 600.0
"""How long it waits where nobody says otherwise (await.go, `timeout`)."""
PAUSE_SECONDS = 0.5
_NOTES = "pulumi.com/"
_LEFT_ALONE = {"apps/v1:DaemonSet", "apps/v1:Deployment", "apps/v1:StatefulSet", "batch/v1:Job", "core/v1:Namespace"}
"""Whose deletion isn't waited for either, where waiting is skipped (overrides.go, `allowsSkipAwaitWithDelete`)."""
_FAILED = ("BackoffLimitExceeded", "DeadlineExceeded")


class UnreadyError(RefusedError):
    """An object is there, and isn't ready."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """One wait: how often it looks, and when it gives up."""

    pause: Callable[[float], bool]
    """Lets some seconds pass; True: nobody waits any more."""
    seconds: float = SECONDS

    def until(self, check: Callable[[], bool], why: Callable[[], str]) -> None:
        """Look until it is so. Raises UnreadyError: the time is over, or the engine was interrupted."""
        for _ in range(max(1, round(self.seconds / PAUSE_SECONDS))):
            if check():
                return
            if self.pause(PAUSE_SECONDS):
                raise UnreadyError(f"the wait was interrupted: {why()}")
        raise UnreadyError(f"not ready after {self.seconds:.0f} s: {why()}")


def note(wanted: Values, name: str) -> str:
    """An annotation of the provider's own; empty: there is none."""
    notes = (wanted.get("metadata") or {}).get("annotations") or {}
    return str(notes.get(f"{_NOTES}{name}") or "")


def is_skipped(wanted: Values) -> bool:
    """Whether nothing is waited for."""
    return note(wanted, "skipAwait").lower() == "true"


def until_ready(api: ClusterApi, kind: str, live: Values, waiting: Waiting, *, is_new: bool) -> Values:
    """Wait as the official provider does; the object as it is then. Raises UnreadyError."""
    if is_skipped(live):
        return live
    namespace, name = live["metadata"].get("namespace"), str(live["metadata"]["name"])
    check = _check(api, kind, live, is_new=is_new)
    if check is None:
        return live
    seen = [live]

    def look() -> bool:
        found = api.find(kind, namespace, name)
        if found is None:
            raise UnreadyError(f"{name} was deleted meanwhile")
        seen[0] = found
        return check(found)

    waiting.until(look, lambda: _told(seen[0]))
    return seen[0]


def is_ready(kind: str, live: Values) -> bool:
    """Whether a Job has succeeded; everything else counts as ready."""
    return kind != "batch/v1:Job" or _condition(live, "Complete") == "True"


def has(live: Values | None, condition: str) -> bool:
    """Whether an object is there, and says that a condition holds."""
    return live is not None and _condition(live, condition) == "True"


def until_deleted(api: ClusterApi, kind: str, found: Values, waiting: Waiting) -> None:
    """Wait until an object that is being deleted is gone, or another one has its name. Raises UnreadyError."""
    if is_skipped(found) and kind in _LEFT_ALONE:
        return
    namespace, name, uid = (found["metadata"].get(one) for one in ("namespace", "name", "uid"))
    seen = [found]

    def gone() -> bool:
        live = api.find(kind, namespace, str(name))
        seen[0] = live or seen[0]
        return live is None or live["metadata"]["uid"] != uid

    def why() -> str:
        finalizers = ", ".join(seen[0]["metadata"].get("finalizers") or []) or "no finalizer"
        return f"{name} is still there ({finalizers})"

    waiting.until(gone, why)


def _check(api: ClusterApi, kind: str, live: Values, *, is_new: bool) -> Callable[[Values], bool] | None:
    wanted = note(live, "waitFor")
    if wanted:
        conditions = list(_conditions(wanted))
        return lambda found: all(_condition(found, name) == status for name, status in conditions)
    checks: dict[str, Callable[[Values], bool]] = {
        "apps/v1:Deployment": _deployed,
        "apps/v1:StatefulSet": _deployed,
        "batch/v1:Job": lambda found: _succeeded(api, found),
        "core/v1:PersistentVolumeClaim": lambda found: _claimed(api, found, is_new=is_new),
        "core/v1:Service": lambda found: _reaches(api, found),
    }
    return checks.get(kind)


def _conditions(wanted: str) -> Iterator[tuple[str, str]]:
    """`condition=Ready`, or a list of such in JSON; a value may follow, as `kubectl wait` has it."""
    listed = json.loads(wanted) if wanted.startswith("[") else [wanted]
    for one in listed:
        word, _, said = str(one).partition("=")
        if word != "condition":
            raise RefusedError(f"pulumi.com/waitFor is {one!r}; expected condition=…, nothing else is known here")
        name, _, status = said.partition("=")
        yield name, status or "True"


def _of(live: Values, *path: str) -> Any:
    found: Any = live
    for name in path:
        found = (found or {}).get(name)
    return found


def _condition(live: Values, name: str) -> str | None:
    for one in _of(live, "status", "conditions") or []:
        if str(one["type"]).lower() == name.lower():
            return str(one["status"])
    return None


def _told(live: Values) -> str:
    """What its conditions say, of those that say something."""
    messages = [str(one["message"]) for one in _of(live, "status", "conditions") or [] if one.get("message")]
    return "; ".join(messages) or "its status says nothing"


def _deployed(live: Values) -> bool:
    """All its pods are of the present revision, and ready."""
    wanted = _of(live, "spec", "replicas")
    status = live.get("status") or {}
    seen = status.get("observedGeneration", 0) >= live["metadata"]["generation"]
    return bool(seen and status.get("updatedReplicas", 0) == wanted == status.get("readyReplicas", 0))


def _succeeded(api: ClusterApi, live: Values) -> bool:
    for one in _of(live, "status", "conditions") or []:
        if one["type"] == "Failed" and one["status"] == "True" and one.get("reason") in _FAILED:
            raise UnreadyError(f"[{one['reason']}] {one.get('message', '')}{_pods_word(api, live)}")
    return is_ready("batch/v1:Job", live)


def _pods_word(api: ClusterApi, live: Values) -> str:
    """The last line of the Job's last pod that ended."""
    namespace, uid = live["metadata"]["namespace"], live["metadata"]["uid"]
    pods = sorted(
        api.listed("core/v1:Pod", namespace, f"batch.kubernetes.io/controller-uid={uid}"),
        key=lambda pod: str(pod["metadata"]["creationTimestamp"]),
    )
    for pod in reversed(pods):
        try:
            line = api.last_line(namespace, pod["metadata"]["name"])
        except ApiRefusedError:
            continue  # it has no log, or lost it
        if line:
            return f"; {pod['metadata']['name']}: {line}"
    return ""


def _claimed(api: ClusterApi, live: Values, *, is_new: bool) -> bool:
    """Bound; or waiting for its first pod, where its class has it wait. Of the latter a new claim that is bound is
    waited for in vain, as by the official provider (awaiters.go, `untilCoreV1PersistentVolumeClaimReady`)."""
    phase = _of(live, "status", "phase")
    if not is_new and phase == "Bound":
        return True
    named = _of(live, "spec", "storageClassName")
    found = api.find("storage.k8s.io/v1:StorageClass", None, str(named)) if named else None
    waits = (found or {}).get("volumeBindingMode") == "WaitForFirstConsumer"
    return bool(phase == ("Pending" if waits else "Bound"))


def _reaches(api: ClusterApi, live: Values) -> bool:
    """A pod is behind it, unless it has none: no selector, or no address of its own."""
    spec = live["spec"]
    if not spec.get("selector") or spec.get("clusterIP") == "None" or spec.get("type") == "ExternalName":
        return True
    name = live["metadata"]["name"]
    slices = api.listed(
        "discovery.k8s.io/v1:EndpointSlice", live["metadata"]["namespace"], f"kubernetes.io/service-name={name}"
    )
    return any(_of(end, "conditions", "ready") for one in slices for end in one.get("endpoints") or [])
