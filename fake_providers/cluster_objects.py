"""Objects in a real cluster, made and changed as the official Kubernetes provider does it (4.34, pkg/await/await.go).

Owns the order: create, or take over the fields that were made at first and apply; wait; tell an object that isn't ready
as one that is there all the same. Refuses to take over what is there already, and another manager's fields.
"""

from collections.abc import Callable, Iterable, Iterator
from threading import Event, Lock
from typing import Any

from fake_providers import cluster_waits
from fake_providers.cluster_api import FIRST_MANAGER, ApiRefusedError, ClusterApi
from fake_providers.cluster_waits import SECONDS, UnreadyError, Waiting
from fake_providers.servicer import TIMEOUT_SECONDS, Found, HalfDoneError, RefusedError, Values

_MANAGER = "__fieldManager"
"""Output under which the official provider keeps whose fields it applies."""
_TRIES, _FIRST_PAUSE_SECONDS = 6, 0.1
_NOT_FOUND, _CONFLICT = 404, 409
_CONFLICT_HELP = (
    "Server-Side Apply field conflict detected; the annotation pulumi.com/patchForce isn't known here: {told}"
)


class ClusterObjects:
    """A connection to the cluster of one provider's settings. Several threads use it."""

    def __init__(self, server: str, opening: Callable[[], ClusterApi]) -> None:
        self.server, self._opening = server, opening
        self._ended, self._lock = Event(), Lock()
        self._opened: ClusterApi | None = None

    @property
    def api(self) -> ClusterApi:
        """Opened when it is first used. Raises RefusedError: it can't be."""
        with self._lock:
            if self._opened is None:
                self._opened = self._opening()
            return self._opened

    def end(self) -> None:
        """End every wait."""
        self._ended.set()

    def create(self, kind: str, identity: str, inputs: Values) -> Found:
        """Make it, and wait. Raises RefusedError; HalfDoneError: it is there, and isn't ready."""
        made = self._made(kind, inputs)
        manager = f"{FIRST_MANAGER}-{made['metadata']['uid'][:8]}"
        return self._awaited(kind, Found(identity, inputs, _outputs(made, manager)), made, is_new=True)

    def update(self, kind: str, found: Found, inputs: Values) -> Found:
        """Apply it, and wait. Raises as `create`."""
        live = self._live(kind, found)
        if live is None:
            raise RefusedError(f"{found.identity} isn't in the cluster any more; expected it, or --refresh")
        manager = str(found.outputs.get(_MANAGER) or f"{FIRST_MANAGER}-{live['metadata']['uid'][:8]}")
        self._take_over(kind, live, manager)
        try:
            changed = self.api.apply(kind, inputs, manager)
        except ApiRefusedError as refused:
            if refused.code == _CONFLICT:
                raise RefusedError(_CONFLICT_HELP.format(told=refused)) from None
            raise
        return self._awaited(kind, Found(found.identity, inputs, _outputs(changed, manager)), changed, is_new=False)

    def read(self, kind: str, found: Found) -> Found | None:
        """What is there; None: it isn't."""
        live = self._live(kind, found)
        if live is None:
            return None
        manager = str(found.outputs.get(_MANAGER) or "")
        return Found(found.identity, found.inputs or live, _outputs(live, manager))

    def delete(self, kind: str, found: Found) -> None:
        """Delete it as its annotation says, and wait until it is gone. Raises RefusedError."""
        live = self._live(kind, found)
        if live is None:
            return
        wanted = cluster_waits.note(found.inputs, "deletionPropagationPolicy").lower()
        propagation = {"orphan": "Orphan", "background": "Background"}.get(wanted, "Foreground")
        namespace, name = _place(found.identity)
        if self.api.delete(kind, namespace, name, propagation):
            cluster_waits.until_deleted(self.api, kind, live, self._waiting())

    def is_ready(self, kind: str, found: Found) -> bool:
        """Whether a Job has succeeded. What can't be asked counts as ready, as for the official provider."""
        try:
            live = self._live(kind, found)
        except RefusedError:
            return True
        return live is None or cluster_waits.is_ready(kind, live)

    def made(self, kinds: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Kind and id of each object that this provider made. Raises RefusedError."""
        for kind in kinds:
            for live in self.api.listed(kind):
                metadata = live["metadata"]
                managers = {str(one.get("manager")) for one in metadata.get("managedFields") or []}
                if any(one == FIRST_MANAGER or one.startswith(f"{FIRST_MANAGER}-") for one in managers):
                    yield kind, "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))

    def drop(self, kind: str, identity: str) -> bool:
        """Take an object away that no state knows; whether it was there."""
        found = Found(identity)
        there = self._live(kind, found) is not None
        self.delete(kind, found)
        return there

    def _made(self, kind: str, inputs: Values) -> Values:
        """What it is in isn't always there at once: a namespace, or the type itself."""
        pause = _FIRST_PAUSE_SECONDS
        for tried in range(_TRIES):
            try:
                return self.api.create(kind, inputs)
            except ApiRefusedError as refused:
                if refused.code != _NOT_FOUND or tried == _TRIES - 1 or self._ended.wait(pause):
                    raise
                pause *= 2
        raise AssertionError  # the last try returns or raises

    def _live(self, kind: str, found: Found) -> Values | None:
        return self.api.find(kind, *_place(found.identity))

    def _awaited(self, kind: str, found: Found, live: Values, *, is_new: bool) -> Found:
        try:
            ready = cluster_waits.until_ready(self.api, kind, live, self._waiting(), is_new=is_new)
        except UnreadyError as unready:
            raise HalfDoneError(found, f"{found.identity} is there and isn't ready: {unready}") from None
        return Found(found.identity, found.inputs, _outputs(ready, str(found.outputs[_MANAGER])))

    def _waiting(self) -> Waiting:
        return Waiting(pause=self._ended.wait, seconds=TIMEOUT_SECONDS.get() or SECONDS)

    def _take_over(self, kind: str, live: Values, manager: str) -> None:
        """What was created belongs to another manager by name: without this, it would conflict with what is applied,
        and a field that isn't named any more would stay."""
        metadata = live["metadata"]
        entries: list[dict[str, Any]] = metadata.get("managedFields") or []
        first = {"manager": FIRST_MANAGER, "operation": "Update"}
        taken = [
            {**one, "manager": manager, "operation": "Apply"}
            if not one.get("subresource") and {name: one.get(name) for name in first} == first
            else one
            for one in entries
        ]
        if taken == entries:
            return
        operations: list[Values] = [
            {"op": "replace", "path": "/metadata/managedFields", "value": taken},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
        ]
        self.api.patch(kind, metadata.get("namespace"), metadata["name"], operations)


def _place(identity: str) -> tuple[str | None, str]:
    namespace, _, name = identity.rpartition("/")
    return namespace or None, name


def _outputs(live: Values, manager: str) -> Values:
    metadata = {name: value for name, value in live["metadata"].items() if name != "managedFields"}
    return {**live, "metadata": metadata, _MANAGER: manager}
