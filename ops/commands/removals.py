"""Which applications an `up` would take everything from, told before it does. Refuses none: it is what settings say."""

from collections.abc import Mapping
from typing import Any

from ops.console import Console
from ops.stack_file import StackFile

_POLICY = "::application-policies-"
"""Between a URN's beginning and the name of the application whose ACL policy it is."""


def tell(file: StackFile, deployment: Mapping[str, Any], console: Console) -> None:
    """Say, in one line, which applications are built and aren't in the settings any more."""
    there = [str(one["urn"]).partition(_POLICY)[2] for one in deployment.get("resources") or []]
    gone = sorted({name for name in there if name} - file.settings.applications.keys())
    if gone:
        noun = "application isn't" if len(gone) == 1 else "applications aren't"
        console.say(
            f"{len(gone)} {noun} in {file.path.name} any more, and logins and access go with that, secrets stay: "
            f"{', '.join(gone)}"
        )
