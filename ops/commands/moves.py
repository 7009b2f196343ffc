"""What of a built stack can't be somewhere else because a setting says so.

Owns the comparison of settings with the stack's state, before the engine begins. Refuses to move an engine that holds
something: the administrator may not (the policies that guard it would stay behind), and another one in its place would
be empty. Refuses another kind of seal: what the volume holds is wrapped by the one it was made with. Refuses smaller
volumes in a cluster, and a flavour of servers whose set would take the place of the one that is there.
"""

import shlex
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Any

from components.render.chart.names import NAMES, RELEASE
from components.render.node.layout import ETC
from ops.errors import EstateError
from ops.review import user_data
from ops.stack_file import StackFile
from settings import Settings


def refuse(file: StackFile, deployment: Mapping[str, Any]) -> None:
    """Raises EstateError: an engine of the stack's state is at another path than settings say, its seal of another
    kind, its volumes larger, or its servers in a cluster of another flavour."""
    _refuse_another_seal(file, deployment)
    _refuse_another_set(file, deployment)
    _refuse_smaller_volumes(file, deployment)
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


def _refuse_another_seal(file: StackFile, deployment: Mapping[str, Any]) -> None:
    """The node's own first boot would stop, with no Vault left that serves."""
    wanted = getattr(file.settings.platform, "seal", None)
    for one in deployment.get("resources") or []:
        # As the program gave it; what the provider says of it may be a hash.
        text = (one.get("inputs") or {}).get("userData")
        if wanted and one["type"] == "hcloud:index/server:Server" and not one.get("delete") and text:
            built = _variables(text).get("SEAL", wanted.kind)
            if built != wanted.kind:
                raise EstateError(
                    f"{file.path.name}: vault-estate:estate.platform.seal.kind is {wanted.kind!r}; expected {built!r}, "
                    "which wrapped what the volume holds. Another kind takes a new stack (docs/operators.md)"
                )


def _refuse_another_set(file: StackFile, deployment: Mapping[str, Any]) -> None:
    """What a set selects its pods by can't change: the engine would replace it, with other pods on the same volumes."""
    for name, specification in _in_cluster("apps/v1:StatefulSet", deployment):
        wanted = file.settings.server.flavor
        chart = specification["selector"]["matchLabels"]["app.kubernetes.io/name"]
        built = next((flavor for flavor, names in NAMES.items() if names.chart == chart), wanted)
        if name == RELEASE and built != wanted:
            raise EstateError(
                f"{file.named('server.flavor')} is {wanted!r}; expected {built!r}, as the servers in the cluster "
                "are. Another one takes a new stack"
            )


def _refuse_smaller_volumes(file: StackFile, deployment: Mapping[str, Any]) -> None:
    """Kubernetes would say so of the first claim, half-way."""
    pods = getattr(file.settings.platform, "pods", None)
    # Sorted: the state has them in the order in which they were made.
    for name, specification in sorted(_in_cluster("core/v1:PersistentVolumeClaim", deployment), key=itemgetter(0)):
        setting = f"{name.partition('-')[0]}_gibibytes"
        wanted = getattr(pods, setting, None)
        there = int(specification["resources"]["requests"]["storage"].removesuffix("Gi"))
        if wanted is not None and wanted < there:
            raise EstateError(
                f"{file.named(f'platform.pods.{setting}')} is {wanted}; expected at least {there}, which claim {name} "
                "has: a volume grows and never shrinks"
            )


def _in_cluster(kind: str, deployment: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and specification of each object of a kind, as the program gave them."""
    for one in deployment.get("resources") or []:
        if one["type"] == f"kubernetes:{kind}" and not one.get("delete"):
            yield one["inputs"]["metadata"]["name"], one["inputs"]["spec"]


def _variables(text: str) -> Mapping[str, str]:
    """What a node's scripts are told; nothing of a node that another version made."""
    found = user_data.files(text).get(f"{ETC}/node.env", "")
    return dict(word.split("=", 1) for word in shlex.split(found))


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
