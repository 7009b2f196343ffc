"""Which driver a stack's platform has. The one place where a platform's kind decides."""

from collections.abc import Mapping

from ops.paths import Paths
from ops.platforms.driver import PlatformDriver
from ops.platforms.hetzner import Hetzner
from ops.platforms.local import Local
from ops.platforms.sandbox import Sandbox
from ops.stack_file import StackFile

_DRIVERS: Mapping[str, type[PlatformDriver]] = {"local": Local, "hetzner": Hetzner}
_SANDBOXES: Mapping[str, type[PlatformDriver]] = {"hetzner": Sandbox}
"""Of platforms elsewhere, when `--sandbox` is given. One on this machine is the same with it and without."""


def platform_of(paths: Paths, file: StackFile, *, sandbox: bool = False) -> PlatformDriver:
    """The driver of a stack's platform."""
    kind = file.settings.platform.kind
    driver = _SANDBOXES.get(kind, _DRIVERS[kind]) if sandbox else _DRIVERS[kind]
    return driver(paths=paths, file=file)
