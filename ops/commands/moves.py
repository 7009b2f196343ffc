"""What of a built stack can't be somewhere else because a setting says so.

Owns the comparison of settings with the stack's state, before the engine begins. Refuses to move an engine that holds
something: the administrator may not (the policies that guard it would stay behind), and another one in its place would
be empty.
"""

from collections.abc import Mapping
from typing import Any

from ops.errors import EstateError
from ops.stack_file import StackFile
from settings import Settings


def refuse(file: StackFile, deployment: Mapping[str, Any]) -> None:
    """Raises EstateError: an engine of the stack's state is at another path than settings say."""
    there = {
        one["urn"].rsplit("::", 1)[-1]: (one.get("outputs") or {}).get("path")
        for one in deployment.get("resources") or []
        if one["type"] == "vault:index/mount:Mount" and not one.get("delete")
    }
    for resource, (setting, wanted) in _paths(file.settings).items():
        path = there.get(resource)
        if path and path != wanted:
            raise EstateError(
                f"{file.named(setting)} is {wanted!r}; expected {path!r}, where "
                "it is: what it holds stays there. To have it elsewhere, empty, take the section out first"
            )


def _paths(settings: Settings) -> Mapping[str, tuple[str, str]]:
    """By the name of the resource: the setting, and its value."""
    found = {}
    if settings.database:
        found["database-mount"] = ("database.path", settings.database.path)
    if settings.transit:
        found["transit-mount"] = ("transit.path", settings.transit.path)
    if settings.pki:
        found["pki-root-mount"] = ("pki.root_path", settings.pki.root_path)
        found["pki-intermediate-mount"] = ("pki.intermediate_path", settings.pki.intermediate_path)
    return found
