"""A cluster's API in memory: a fake, in which no controller does anything by itself.

As strict as Kubernetes in what tests lean on: a name is there once, a namespace is there before what is in it, another
manager's field is a conflict, what has a finalizer stays. Tests say with `later` what a controller would have done.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from fake_providers.cluster_api import FIRST_MANAGER, ApiRefusedError, ClusterApi
from fake_providers.servicer import Values

Key = tuple[str, str | None, str]
Field = tuple[str, ...]
_NAMESPACE = "core/v1:Namespace"
_NOBODYS: tuple[Field, ...] = (("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace"))


class FakeClusterApi(ClusterApi):
    """Objects by kind, namespace and name."""

    def __init__(self) -> None:
        self.objects: dict[Key, Values] = {}
        self.lines: dict[str, str] = {}
        """What each pod said last."""
        self.deletions: list[tuple[Key, str]] = []
        """What was deleted, and how."""
        self.born: dict[str, Callable[[Values], None]] = {}
        """What happens to each new object of a kind at once."""
        self._later: dict[Key, list[Callable[[Values], None]]] = {}
        self._count = 0

    def later(self, kind: str, namespace: str | None, name: str, *steps: Callable[[Values], None]) -> None:
        """What happens to an object before each of the next looks at it."""
        self._later.setdefault((kind, namespace, name), []).extend(steps)

    def create(self, kind: str, wanted: Values) -> Values:
        """409 where it is, 404 where its namespace isn't."""
        key = _key(kind, wanted)
        if key in self.objects:
            raise ApiRefusedError(409, f'"{key[2]}" already exists')
        if key[1] and (_NAMESPACE, None, key[1]) not in self.objects:
            raise ApiRefusedError(404, f'namespaces "{key[1]}" not found')
        self._count += 1
        made = deepcopy(wanted)
        made["metadata"] |= {
            "uid": f"{self._count:08d}-0000",
            "generation": 1,
            "resourceVersion": str(self._count),
            "creationTimestamp": f"2026-01-01T00:00:{self._count:02d}Z",
            "managedFields": [{"manager": FIRST_MANAGER, "operation": "Update", "fields": sorted(_fields(wanted))}],
        }
        self.objects[key] = made
        answered = deepcopy(made)
        if kind in self.born:
            self.born[kind](made)
        return answered

    def apply(self, kind: str, wanted: Values, manager: str) -> Values:
        """409 where another manager has a field of another value; what the manager had and doesn't name goes. An object
        that isn't there is made."""
        if _key(kind, wanted) not in self.objects:
            self.create(kind, wanted)
        live = self.objects[_key(kind, wanted)]
        entries = live["metadata"]["managedFields"]
        fields = _fields(wanted)
        mine = {"manager": manager, "operation": "Apply"}
        for one in entries:
            if {name: one[name] for name in mine} == mine:
                for gone in set(one["fields"]) - fields.keys():
                    _put(live, gone, None)
            elif clash := [name for name in one["fields"] if name in fields and _at(live, name) != fields[name]]:
                where = ".".join(clash[0])
                raise ApiRefusedError(409, f'Apply failed with 1 conflict: conflict with "{one["manager"]}": {where}')
        others = [one for one in entries if {name: one[name] for name in mine} != mine]
        for name, value in fields.items():
            _put(live, name, value)
        live["metadata"]["managedFields"] = [*others, {**mine, "fields": sorted(fields)}]
        return deepcopy(live)

    def patch(self, kind: str, namespace: str | None, name: str, operations: list[Values]) -> Values:
        """Replaces metadata; 409 where the object is another one by now."""
        live = self.objects[kind, namespace, name]
        for one in operations:
            word = one["path"].rpartition("/")[2]
            if word == "resourceVersion" and live["metadata"][word] != one["value"]:
                raise ApiRefusedError(409, "the object has been modified")
            live["metadata"][word] = one["value"]
        return deepcopy(live)

    def find(self, kind: str, namespace: str | None, name: str) -> Values | None:
        """As it is after what happens before this look."""
        key = (kind, namespace, name)
        if (steps := self._later.get(key)) and key in self.objects:
            steps.pop(0)(self.objects[key])
        found = self.objects.get(key)
        if found and found["metadata"].get("deletionTimestamp") and not found["metadata"].get("finalizers"):
            del self.objects[key]
            return None
        return deepcopy(found)

    def listed(self, kind: str, namespace: str | None = None, selector: str = "") -> Iterator[Values]:
        """Those that have the selector's label."""
        name, _, value = selector.partition("=")
        for (of, place, _), one in list(self.objects.items()):
            labels = one["metadata"].get("labels") or {}
            if of == kind and namespace in (None, place) and (not selector or labels.get(name) == value):
                yield deepcopy(one)

    def delete(self, kind: str, namespace: str | None, name: str, propagation: str) -> bool:
        """At once, unless it has a finalizer."""
        key = (kind, namespace, name)
        if key not in self.objects:
            return False
        self.deletions.append((key, propagation))
        if self.objects[key]["metadata"].get("finalizers"):
            self.objects[key]["metadata"]["deletionTimestamp"] = "2026-01-01T00:01:00Z"
        else:
            del self.objects[key]
        return True

    def account_token(self, namespace: str, account: str, audience: str, seconds: int) -> str:
        """404 where the account isn't. What it is told, instead of a token."""
        if ("core/v1:ServiceAccount", namespace, account) not in self.objects:
            raise ApiRefusedError(404, f'serviceaccounts "{account}" not found')
        return f"{namespace}/{account} for {audience}, {seconds} s"

    def last_line(self, namespace: str, pod: str) -> str:
        """As a test says."""
        del namespace
        return self.lines.get(pod, "")


def _key(kind: str, wanted: Values) -> Key:
    return kind, wanted["metadata"].get("namespace"), str(wanted["metadata"]["name"])


def _fields(values: Values, prefix: Field = ()) -> dict[Field, Any]:
    """Every leaf by its path, but for name and namespace, which nobody owns."""
    found: dict[Field, Any] = {}
    for name, value in values.items():
        path = (*prefix, name)
        if path in _NOBODYS:
            continue
        found |= _fields(value, path) if isinstance(value, dict) else {path: value}
    return found


def _at(values: Values, path: Field) -> Any:
    here: Any = values
    for name in path:
        here = (here or {}).get(name)
    return here


def _put(values: Values, path: Field, value: Any) -> None:
    *parents, last = path
    for name in parents:
        values = values.setdefault(name, {})
    if value is None:
        values.pop(last, None)
    else:
        values[last] = value
