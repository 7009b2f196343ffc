"""Which driver a stack's platform has. The one place where a platform's kind decides."""

from collections.abc import Mapping
from dataclasses import replace

from ops.errors import EstateError
from ops.paths import Paths
from ops.platforms.driver import PlatformDriver
from ops.platforms.eks import Eks
from ops.platforms.eks_sandbox import EksSandbox
from ops.platforms.hetzner import Hetzner
from ops.platforms.local import Local
from ops.platforms.sandbox import Sandbox
from ops.stack_file import StackFile

_DRIVERS: Mapping[str, type[PlatformDriver]] = {"local": Local, "hetzner": Hetzner, "eks": Eks}
_SANDBOXES: Mapping[str, type[PlatformDriver]] = {"local": Local, "hetzner": Sandbox, "eks": EksSandbox}
"""When `--sandbox` is given. A platform on this machine is the same with it and without."""


def platform_of(paths: Paths, file: StackFile, *, sandbox: bool = False, hashicorp: bool = False) -> PlatformDriver:
    """The driver of a stack's platform. Raises EstateError where that has no sandbox, or none with HashiCorp's
    server."""
    kind = file.settings.platform.kind
    drivers = _SANDBOXES if sandbox else _DRIVERS
    if kind not in drivers:
        expected = f"one of {', '.join(map(repr, drivers))} with --sandbox"
        raise EstateError(f"{file.named('platform.kind')} is {kind!r}; expected {expected}")
    driver = drivers[kind](paths=paths, file=file)
    if not hashicorp:
        return driver
    if not isinstance(driver, EksSandbox):
        where = f"{file.named('platform.kind')} is {kind!r}" if sandbox else "--sandbox is missing"
        raise EstateError(f"--hashicorp: {where}; expected the sandbox of a stack of kind 'eks'")
    return replace(driver, hashicorp=True)
