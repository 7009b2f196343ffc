"""What a change of the commits' files changes in a stack: resources, properties, capabilities, exposure, and what else
allows more.

Owns when two values are the same: a list's order counts only where a database is told statements. Refuses to show a
secret: only that it changed.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any, Literal

from ops.review import capabilities, exposure, replaced, user_data
from ops.review.allowances import aws, engines, hetzner, iam, kubernetes, logins
from ops.review.allowances.allowance import Allowance
from ops.review.capabilities import CapabilityChange
from ops.review.declaring import Resource
from ops.review.exposure import ExposureChange

Kind = Literal["added", "removed", "replaced", "changed"]

_PICKLED = "__provider"
"""The code of a dynamic resource, packed: other bytes for each version of Python."""
_STATEMENTS = "Statements"
"""What a database is told, in this order."""


@dataclass(frozen=True, kw_only=True)
class PropertyChange:
    """One property, before and after, as text."""

    name: str
    before: str
    """Empty where it wasn't there."""
    after: str
    lines: Sequence[str] = ()
    """What differs, where the property is a text of several lines, or a list of more than names."""


@dataclass(frozen=True, kw_only=True)
class ResourceChange:
    """One resource that isn't as before."""

    kind: Kind
    type: str
    name: str
    urn: str
    properties: Sequence[PropertyChange] = ()

    @property
    def title(self) -> str:
        """Type and name, as people look for it."""
        return f"{self.type.rpartition(':')[2]} {self.name}"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One stack, before and after."""

    stack: str
    resources: Sequence[ResourceChange] = ()
    capabilities: Sequence[CapabilityChange] = ()
    exposure: Sequence[ExposureChange] = ()
    allowed: Sequence[Allowance] = ()
    """What else is allowed that wasn't."""

    @property
    def widenings(self) -> Sequence[str]:
        """A line for each thing that allows more than before."""
        return (
            *(f"{one.who} may {', '.join(one.gained)} {one.path}" for one in self.capabilities if one.widens),
            *(f"{one.what} is open to {', '.join(one.opened)}" for one in self.exposure if one.widens),
            *map(str, self.allowed),
        )


def compare(stack: str, before: Sequence[Resource], after: Sequence[Resource]) -> Difference:
    """Compare what two commits declare. Raises ValueError: an ACL policy isn't in this project's form."""
    return Difference(
        stack=stack,
        resources=tuple(_resources(before, after)),
        capabilities=tuple(capabilities.compare(before, after)),
        exposure=tuple(exposure.compare(before, after)),
        allowed=tuple(
            one for kind in (logins, engines, iam, aws, hetzner, kubernetes) for one in kind.compare(before, after)
        ),
    )


def _resources(before: Sequence[Resource], after: Sequence[Resource]) -> Iterator[ResourceChange]:
    old = {one.urn: one for one in before}
    for new in sorted(after, key=lambda one: one.urn):
        was = next((old.pop(urn) for urn in _urns(new) if urn in old), None)
        if was is None:
            yield ResourceChange(kind="added", type=new.type, name=new.name, urn=new.urn)
        elif properties := tuple(_properties(was, new)):
            kind: Kind = "replaced" if _is_replaced(new, properties) else "changed"
            yield ResourceChange(kind=kind, type=new.type, name=new.name, urn=new.urn, properties=properties)
    for gone in old.values():
        yield ResourceChange(kind="removed", type=gone.type, name=gone.name, urn=gone.urn)


def _urns(resource: Resource) -> Iterator[str]:
    """What it is called, and what it was called before."""
    yield resource.urn
    place = resource.urn.rpartition("::")[0]
    yield from (alias if alias.startswith("urn:") else f"{place}::{alias}" for alias in resource.aliases)


def _is_replaced(resource: Resource, properties: Sequence[PropertyChange]) -> bool:
    tops = {re.split(r"[.:]", one.name)[0] for one in properties}
    return any(name in resource.replace_on_changes or replaced.replaces(resource.type, name) for name in tops)


def _properties(before: Resource, after: Resource) -> Iterator[PropertyChange]:
    old, new = (_flat(one, after.ignore_changes) for one in (before, after))
    for name in sorted(old.keys() | new.keys()):
        was, became = old.get(name), new.get(name)
        if _comparable(name, was) != _comparable(name, became):
            yield PropertyChange(name=name, before=_text(was), after=_text(became), lines=_lines(was, became))


def _flat(resource: Resource, ignored: Sequence[str]) -> dict[str, Any]:
    """Every property by its way, with the files of user-data apart."""
    flat: dict[str, Any] = {"protect": resource.protect or None}
    for name, value in resource.inputs.items():
        if name == _PICKLED or name in ignored:
            continue
        if isinstance(value, str) and value.startswith(user_data.BEGIN):
            flat |= {f"{name}: {path}": text for path, text in user_data.files(value).items()}
        else:
            flat |= _ways(name, value)
    return {name: value for name, value in flat.items() if value is not None}


def _ways(way: str, value: object) -> Mapping[str, Any]:
    if isinstance(value, Mapping) and not {"secret", "unknown"} & value.keys():
        return {name: one for key, item in value.items() for name, one in _ways(f"{way}.{key}", item).items()}
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        return {f"{way}": sorted(_one_line(item) for item in value)}
    return {way: value}


def _one_line(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(item)}" for key, item in sorted(value.items()) if item not in (None, []))
    return _text(value)


def _comparable(name: str, value: object) -> object:
    if isinstance(value, list) and not name.endswith(_STATEMENTS):
        return sorted(_text(item) for item in value)
    return value


def _text(value: object) -> str:
    match value:
        case {"secret": _}:
            text = "(secret)"
        case {"unknown": _}:
            text = "(known after up)"
        case bool():
            text = str(value).lower()
        case list():
            text = ", ".join(_text(item) for item in value)
        case Mapping():
            text = _one_line(value)
        case _:
            text = "" if value is None else str(value)
    return text


def _lines(before: object, after: object) -> Sequence[str]:
    old, new = ([str(item) for item in value] if isinstance(value, list) else [] for value in (before, after))
    if any("\n" in item or ", " in item for item in (*old, *new)):
        return [*(f"- {one}" for one in old if one not in new), *(f"+ {one}" for one in new if one not in old)]
    if not any(isinstance(value, str) and "\n" in value for value in (before, after)):
        return ()
    changed = unified_diff(_text(before).splitlines(), _text(after).splitlines(), n=1, lineterm="")
    return [line for line in changed if not line.startswith(("---", "+++"))]
