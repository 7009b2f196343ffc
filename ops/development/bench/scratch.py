"""Scratch copies of this project, each an estate of its own, and what whole processes on them take.

Owns what a typical application is, those folders, and the servers started in them, which end with them. Refuses to
touch the checkout's own estate. As `python -m ops.development.bench.scratch` it is the operation that is measured: the
engine's work as `./estate` has it done, without starting servers and without checking anybody's access.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, cast

import psutil
import yaml

from ops import stack_file
from ops.commands import session
from ops.console import Console
from ops.engine import finding
from ops.engine.operations import Operation
from ops.errors import EstateError
from ops.paths import ROOT, Paths
from ops.platforms.local import Local
from ops.processes.ports import free_ports
from settings import SETTING

OPERATIONS = ("preview", "up", "no-op up", "refresh")
"""What is measured at each size, in the order of an estate's life."""
STACK = "local"
NO_POLICIES = "--no-policies"
"""Leave the policy pack out, for a comparison with something that has none."""
_KEY = f"{stack_file.PROJECT}:{SETTING}"
_CODE = ("components", "composition", "fake_providers", "ops", "policies", "settings", "vault_estate")
_SAMPLING_SECONDS = 0.05
"""How often memory is read; a shorter peak may be missed."""


class Measured(NamedTuple):
    """One run of a command with its children, or the medians of several; `spread_seconds` is slowest minus fastest."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    runs: int = 1
    spread_seconds: float = 0.0


def run(command: Sequence[str], directory: Path, environment: Mapping[str, str] | None = None) -> Measured:
    """Run a command once. Raises EstateError with its last lines if it ended with another code than 0."""
    # A file, not a pipe: a server that the command leaves running would keep a pipe open for ever.
    with tempfile.TemporaryFile() as output, ThreadPoolExecutor(1) as pool:
        before, started = os.times(), time.perf_counter()
        with subprocess.Popen(
            command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        ) as process:
            peak = pool.submit(_peak, process)
            process.wait()
        seconds, after = time.perf_counter() - started, os.times()
        if process.returncode:
            output.seek(0)
            last = "\n".join(output.read().decode(errors="replace").splitlines()[-12:])
            raise EstateError(f"{' '.join(command)} ended with {process.returncode}; its last lines:\n{last}")
    cpu_seconds = after.children_user - before.children_user + after.children_system - before.children_system
    # Not `ru_maxrss`: it begins with what *this* process held when it started the command, which may be more.
    return Measured(seconds, cpu_seconds, peak.result())


def _peak(process: subprocess.Popen[bytes]) -> int:
    sizes = [0]
    while process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):  # of them, one ended while it was looked at
            root = psutil.Process(process.pid)
            sizes.append(sum(one.memory_info().rss for one in (root, *root.children(recursive=True))))
        time.sleep(_SAMPLING_SECONDS)
    return max(sizes)


def settings(applications: int) -> dict[str, Any]:
    """The local stack's plain settings on free ports, with so many synthetic applications and no people."""
    made: dict[str, Any] = dict(stack_file.read(Paths(), STACK).written)
    api, cluster, postgres = free_ports(3)
    made["platform"] |= {"api_port": api, "cluster_port": cluster, "postgres_port": postgres}
    for connection in made["database"]["connections"].values():
        connection["port"] = postgres
    made.pop("people", None)  # who owns the stack's own applications
    made["applications"] = {
        name: _application(made, neighbour) for neighbour, name in pairwise([None, *names(applications)])
    }
    return made


def names(count: int) -> list[str]:
    """So many names of applications, which sort by their number."""
    return [f"application-{number:05d}" for number in range(1, count + 1)]


def _application(made: Mapping[str, Any], neighbour: str | None) -> dict[str, Any]:
    return {
        "login": {"kind": "approle", "token_ttl": "1h", "token_max_ttl": "4h"},
        "mount": next(iter(made["kv"])),
        "secrets": {secret: {"keys": ["value"]} for secret in ("database", "api-keys/provider")},
        "reads": [{"application": neighbour, "secrets": ["database"]}] if neighbour else [],
        "database_roles": [next(iter(made["database"]["roles"]))],
        "transit_keys": [next(iter(made["transit"]["keys"]))],
        "pki_roles": [next(iter(made["pki"]["roles"]))],
    }


@contextlib.contextmanager
def scratch(parent: Path, wanted: Mapping[str, Any], program: str | None = None) -> Iterator[Local]:
    """A copy with these settings, and with this text for `__main__.py`: started, and at the end stopped and removed."""
    directory, console = parent / "project", Console(as_json=True)
    for folder in _CODE:  # with compiled bytecode, so that a copy is as warm as the original
        shutil.copytree(ROOT / folder, directory / folder)
    shutil.copyfile(ROOT / "Pulumi.yaml", directory / "Pulumi.yaml")
    content = {"config": {_KEY: dict(wanted)}}
    (directory / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    (directory / "__main__.py").write_text(program or (ROOT / "__main__.py").read_text(encoding="utf-8"))
    local = platform(Paths(project=directory))
    try:
        with local.ready("up", console):
            local.start({}, console)
        # The first look for a plugin asks the network; that is setting up, not an operation.
        session.lacking_plugins(local, console, finding.find(console.say))
        yield local
    finally:
        local.servers.stop()
        shutil.rmtree(directory)


def platform(paths: Paths) -> Local:
    """The local platform of a checkout."""
    return Local(paths=paths, file=stack_file.read(paths, STACK))


def measure(local: Local, *arguments: str) -> Measured:
    """Run one operation on a copy and measure it. Raises EstateError: it failed."""
    # Without `-P`, so that the copy's own code is imported.
    return run([sys.executable, "-m", "ops.development.bench.scratch", *arguments], local.paths.project)


def operate(*arguments: str) -> None:
    """Do one of `OPERATIONS`, named last, on the estate of the current folder. Raises EstateError."""
    *flags, operation = arguments
    paths, console = Paths(), Console(as_json=True)
    # As the tool that is compared with, which doesn't write its state after each object either (ADR 13).
    os.environ.setdefault("PULUMI_SKIP_CHECKPOINTS", "true")
    choices = session.Choices(policies=NO_POLICIES not in flags)
    kind = cast("Operation", operation.removeprefix("no-op "))
    with (
        session.locked(paths),
        session.opened(platform(paths), console, "preview" if kind == "preview" else "up", choices) as opened,
        console.stage(operation) as steps,
    ):
        changes = opened.run.operate(kind, steps)
    # What is measured as "nothing to do" must be that.
    if operation in ("no-op up", "refresh") and changes.total:
        listed = "".join(f"\n  {kind} {urn}" for kind, urn in changes.resources)
        raise EstateError(f"{operation}: {changes.sentence()}; expected 0 changes{listed}")


if __name__ == "__main__":
    try:
        operate(*sys.argv[1:])
    except EstateError as error:
        sys.exit(f"bench: {error}")
