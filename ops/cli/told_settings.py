"""`./estate settings`: what holds for a stack, and who says so. Words in, lines or JSON out."""

from collections.abc import Iterator, Mapping
from typing import Any

from ops import stack_file
from ops.cli.options import Json, Stack
from ops.console import Console
from ops.paths import Paths
from settings.layers import PROFILE, Said, Way


def settings(stack: Stack = "local", as_json: Json = False) -> None:
    """Show what a stack's file, its base, its platform and its profile say, and what that takes the place of. The rest
    has its default."""
    console = Console(as_json=as_json)
    file = stack_file.read(Paths(), stack)
    rows = list(_said(file.layers.said, file.layers.whole))
    profile = file.settings.profile
    named = {"profile": profile, "platform": file.layers.whole["platform"]["kind"], "base": "", "stack": file.path.name}
    for name, said in rows:
        instead = (
            f", instead of {stack_file.flowing(said.instead.value)} ({said.instead.source})" if said.instead else ""
        )
        console.result(f"{said.source:<8} {name}: {stack_file.flowing(said.value)}{instead}")

    def document(said: Said) -> dict[str, Any]:
        return {"value": said.value, "from": said.source, "by": named[said.source] or said.file}

    console.document(
        {
            "stack": stack,
            "environment": file.settings.environment,
            "profile": profile,
            "settings": [
                {"setting": name, **document(said), "instead_of": document(said.instead) if said.instead else None}
                for name, said in rows
            ],
        }
    )


def _said(said: Mapping[Way, Said], whole: object, way: Way = ()) -> Iterator[tuple[str, Said]]:
    """Everything that is said, the profile first, else in the order of the files."""
    if way in said:
        yield ".".join(map(str, way)), said[way]
    elif isinstance(whole, Mapping):
        for name in sorted(whole, key=lambda name: (*way, name) != (PROFILE,)):
            yield from _said(said, whole[name], (*way, name))
