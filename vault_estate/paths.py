"""Where a secret lives, out of the layout that an estate gives its applications.

Owns the one rule, which the estate's settings and the library go by. Refuses nothing: whoever reads a layout or a path
holds it to `PATH`.
"""

import re

PATH = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?:/[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)*"
"""Pattern of a whole path: names joined by '/', none of which could climb out, or be a wildcard in an ACL policy."""


def is_path(text: str) -> bool:
    """Whether a text is the path of a mount, or a path inside one."""
    return re.fullmatch(PATH, text) is not None


def secret_path(layout: str, *, mount: str, application: str, environment: str, name: str) -> str:
    """Where a secret of an application lives inside its KV mount, without `data/`.

    `layout` is one such as ``{mount}/{application}/{environment}/{name}``; it begins with the mount.
    """
    whole = layout.format(mount=mount, application=application, environment=environment, name=name)
    return whole.removeprefix(f"{mount}/")
