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
import sys
import tarfile
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from filelock import FileLock, Timeout

from ops import paths
from ops.engine import building
from ops.engine.building import UnavailableError, build, said
from ops.errors import EstateError

VERSION = "3.259.0"
"""Oldest engine that is accepted, and the one that is fetched or built."""

_RELEASE = f"https://github.com/pulumi/pulumi/releases/download/v{VERSION}"
_DOWNLOAD_SECONDS = 10.0
"""Silence after which a download is given up: a machine without the network must get on with building."""
_LOCK_SECONDS = 1_800.0
"""How long a second first run waits for the first one's build, several times what a build takes."""

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


def find(say: Say, *, search_path: str | None = None) -> Engine:
    """Take the first engine that works: PATH (the process's own when None), cache, official release, built from source.

    Raises:
        EstateError: none could be had; says why for each.
    """
    passed_over: list[str] = []
    found = on_path(search_path, passed_over)
    if found:
        return found
    home = paths.cache() / "engine" / VERSION
    with _alone(home):
        ways = {"official release": _download, "built from its Go module": _build}
        # What is there already comes before another try at what did not work the last time.
        for source in sorted(ways, key=lambda way: not _kept(home, way).is_file()):
            executable = _kept(home, source)
            try:
                if not executable.is_file():
                    _make_whole(executable, ways[source], say)
            except UnavailableError as error:
                passed_over.append(f"{source}: {error}")
                continue
            return Engine(executable=executable, version=VERSION, source=source, passed_over=tuple(passed_over))
    msg = "no Pulumi engine: " + "; ".join(passed_over) + f". Install Pulumi {VERSION} or later, or Go 1.25 or later"
    raise EstateError(msg)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Make the folder the engine is kept in, and keep other first runs out of it."""
    lock = FileLock(home / "lock")
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=_LOCK_SECONDS)
    except Timeout:
        msg = f"another run has been getting the Pulumi engine for {_LOCK_SECONDS / 60:.0f} minutes, see {home}"
        raise EstateError(msg) from None
    except OSError as error:
        msg = f"the user's cache {home} can't be written to: {error.strerror}; XDG_CACHE_HOME may name another folder"
        raise EstateError(msg) from None
    try:
        yield
    finally:
        lock.release()


def _kept(home: Path, source: str) -> Path:
    return home / source.split(maxsplit=1)[0] / "pulumi"


def on_path(search_path: str | None, passed_over: list[str]) -> Engine | None:
    """The engine on PATH if it is new enough; otherwise None, with the reason added to `passed_over`."""
    executable = shutil.which("pulumi", path=search_path)
    if executable is None:
        passed_over.append("PATH: no pulumi there")
        return None
    match = re.match(r"v?(\d+\.\d+\.\d+)", said([executable, "version"], building.VERSION_SECONDS) or "")
    if match is None:
        passed_over.append(f"PATH: {executable} does not tell its version")
        return None
    if _numbers(match[1]) < _numbers(VERSION):
        passed_over.append(f"PATH: {executable} is {match[1]}, older than {VERSION}")
        return None
    return Engine(executable=Path(executable), version=match[1], source="PATH")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _make_whole(executable: Path, make: Callable[[Path, Say], None], say: Say) -> None:
    """Put the executable in place in one step, so that a killed run leaves none that is half there."""
    executable.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=executable.parent) as scratch:
        make(Path(scratch), say)
        (Path(scratch) / "pulumi").replace(executable)


def archive_name() -> str:
    """Name of the official archive for this machine.

    Raises:
        UnavailableError: there is none.
    """
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

    Raises:
        UnavailableError: the sum is missing or another one.
    """
    published = {line.split()[1]: line.split()[0] for line in sums.splitlines() if len(line.split()) == 2}
    actual = hashlib.sha256(archive).hexdigest()
    if published.get(name) != actual:
        raise UnavailableError(f"{name} has SHA-256 {actual}, published is {published.get(name, 'none')}")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extract(tar.getmember("pulumi/pulumi").replace(name="pulumi"), scratch, filter="data")


def _build(scratch: Path, say: Say) -> None:
    build(Path(__file__).with_name("engine_module"), scratch / "pulumi", VERSION, say)


def search_path_with(engine: Engine, shims: Path) -> str:
    """PATH for the engine: the estate's shims first, then the engine itself, then what was there."""
    return os.pathsep.join([str(shims), str(engine.executable.parent), os.environ.get("PATH", "")])
