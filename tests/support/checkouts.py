"""Copies of the project with a local stack on ports of their own, so that whole commands can be tried side by side.

A copy is a real checkout without history: `python -m ops` in it does what `./estate` does.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hvac
import pytest
import yaml

from ops import installing
from ops.console import Console
from ops.paths import ROOT, Paths
from ops.platforms.local import Local
from ops.stack_file import PROJECT, read
from ops.vault.login import log_in
from settings import SETTING
from tests.support.servers import free_ports

KEY = f"{PROJECT}:{SETTING}"
_CODE = (
    *("Pulumi.yaml", "__main__.py"),
    *("components", "composition", "fake_providers", "ops", "policies", "settings", "vault_estate"),
)
"""What makes the program; tests, documents and the checkout's own state stay behind."""
BASE = "estate.base.yaml"
"""What the committed stacks share."""


def base_settings() -> dict[str, Any]:
    """The local stack's plain settings, as they and their base are committed."""
    return dict(read(Paths(), "local").written)


def copy_code(directory: Path) -> None:
    """Make a copy of the program; compiled bytecode comes along, so that it is as warm as the original."""
    directory.mkdir()
    for name in _CODE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, directory / name)
        else:
            shutil.copyfile(ROOT / name, directory / name)
    shutil.copyfile(ROOT / BASE, directory / BASE)


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """One copy."""

    directory: Path

    @property
    def paths(self) -> Paths:
        """Where it keeps things."""
        return Paths(project=self.directory)

    @property
    def local(self) -> Local:
        """The local stack's platform."""
        return Local(paths=self.paths, file=read(self.paths, "local"))

    @contextmanager
    def administering(self) -> Iterator[hvac.Client]:
        """A client of the local stack's administrator, for as long as the block runs."""
        with log_in(self.local.find_endpoint(Console(as_json=True))) as client:
            yield client

    @property
    def stack_file(self) -> Path:
        """The local stack's file."""
        return self.directory / "Pulumi.local.yaml"

    def settings(self) -> dict[str, Any]:
        """The plain settings in the stack file."""
        content: dict[str, Any] = yaml.safe_load(self.stack_file.read_text())["config"][KEY]
        return content

    def write(self, settings: Mapping[str, Any]) -> None:
        """Replace the settings."""
        self.stack_file.write_text(yaml.safe_dump({"config": {KEY: dict(settings)}}, sort_keys=False))

    def command(self, *arguments: str) -> list[str]:
        """The command line of one command."""
        return [sys.executable, "-m", "ops", *arguments]

    def environment(self) -> dict[str, str]:
        """What a command of the copy sees: its own code, not the project's."""
        return {**os.environ, "PYTHONPATH": str(self.directory)}

    def run(self, *arguments: str, timeout: float = 600, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run one command to its end, with what is piped into it."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.directory,
            env=self.environment(),
            input=given,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start one command in a process group of its own, to be interrupted or killed."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.directory,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def kill(self, process: subprocess.Popen[str]) -> None:
        """Kill a command and everything it started in its group, as a power cut would."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)


@contextmanager
def checkout(folder: Path) -> Iterator[Checkout]:
    """Make a copy below `folder`; at the end whatever runs in it is stopped."""
    directory = folder / "estate"
    copy_code(directory)
    made = Checkout(directory=directory)
    api, cluster, postgres = free_ports(3)
    settings = base_settings()
    settings["platform"] = {"kind": "local", "api_port": api, "cluster_port": cluster, "postgres_port": postgres}
    settings["database"]["connections"]["postgresql"]["port"] = postgres
    made.write(settings)
    servers = made.local.servers
    try:
        yield made
    finally:
        servers.stop()


def add_launcher(made: Checkout, sets: Iterable[str] = installing.FILES) -> dict[str, str]:
    """Let `./estate` itself run in a copy, with this Python's packages and these sets installed; its environment."""
    for file in ("estate", installing.INSTALLER, *installing.FILES.values()):
        shutil.copy(ROOT / file, made.directory / file)
    home = made.directory / ".venv"
    home.mkdir()
    for entry in Path(sys.prefix).iterdir():
        if not entry.name.startswith((".installed", ".lock")):
            (home / entry.name).symlink_to(entry)
    for name in sets:
        (home / f".installed-{name}").write_text(installing.fingerprint(made.directory, name))
    others = ("VAULT_", "BAO_", "PYTHONPATH", "COLUMNS")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    return {**inherited, "ESTATE_PYTHON": sys.executable}


@pytest.fixture(scope="module")
def local_checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A copy for all tests of one module."""
    with checkout(tmp_path_factory.mktemp("checkout")) as made:
        yield made
