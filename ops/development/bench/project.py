"""Scratch copies of this project, each an estate of its own: settings, state, server and ports.

Owns those folders and the servers started in them, and ends and removes both. Refuses to touch the checkout's estate.
"""

import shutil
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ops.development.bench.measuring import Sample, run
from ops.development.bench.operation import STACK
from ops.errors import EstateError
from ops.paths import ROOT
from ops.stack_file import PROJECT
from settings import SETTING

CODE = (
    "Pulumi.yaml",
    "__main__.py",
    "components",
    "composition",
    "fake_providers",
    "ops",
    "policies",
    "settings",
)
"""What makes the program; tests, documents and the checkout's own state stay behind."""


@dataclass(frozen=True, kw_only=True)
class Scratch:
    """One scratch copy."""

    directory: Path

    def operation(self, *arguments: str) -> Sample:
        """Run one operation of the engine as a whole process and measure it.

        Raises:
            EstateError: it failed; carries its last lines.
        """
        return run(self.command("ops.development.bench.operation", *arguments), directory=self.directory)

    def command(self, module: str, *arguments: str) -> list[str]:
        """The command line that runs a module of the copy; without `-P`, so that the copy's own code is imported."""
        return [sys.executable, "-m", module, *arguments]


def base_settings() -> dict[str, Any]:
    """The local stack's own plain settings, which every size is derived from.

    Raises:
        EstateError: the stack file holds none.
    """
    file = ROOT / f"Pulumi.{STACK}.yaml"
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    found = document.get("config", {}).get(f"{PROJECT}:{SETTING}") if isinstance(document, dict) else None
    if not isinstance(found, dict):
        msg = f"{file.name} holds no {PROJECT}:{SETTING}; expected the local estate's settings"
        raise EstateError(msg)
    return found


def free_ports() -> tuple[int, int, int]:
    """Three ports that nobody listens on now, given by the system."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    try:
        first, second, third = (int(one.getsockname()[1]) for one in sockets)
    finally:
        for one in sockets:
            one.close()
    return first, second, third


@contextmanager
def scratch(parent: Path, settings: Mapping[str, Any], *, program: str | None = None) -> Iterator[Scratch]:
    """Make a copy with these settings; at the end stop what runs in it and remove it.

    Args:
        parent: folder to make it in; its path must be short enough for a Unix socket below it.
        settings: plain settings, as the stack file holds them.
        program: text to put in place of `__main__.py`; None: the estate.
    """
    directory = parent / "project"
    copy_code(ROOT, directory, CODE)
    content = {"config": {f"{PROJECT}:{SETTING}": dict(settings)}}
    (directory / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    if program is not None:
        (directory / "__main__.py").write_text(program, encoding="utf-8")
    made = Scratch(directory=directory)
    try:
        yield made
    finally:
        try:
            made.operation("stop")
        finally:
            shutil.rmtree(directory)


def copy_code(source: Path, target: Path, names: Sequence[str]) -> None:
    """Copy files and folders; compiled bytecode comes along, so that a copy is as warm as the original."""
    target.mkdir()
    for name in names:
        origin = source / name
        if origin.is_dir():
            shutil.copytree(origin, target / name)
        else:
            shutil.copyfile(origin, target / name)
