"""Scratch copies of this project, each an estate of its own, and one operation of the engine on such a copy.

Owns what a typical application is, those folders, and the servers started in them, which end with them. Refuses to
touch the checkout's own estate. As `python -m ops.development.bench.scratch` it is the operation that is measured: the
engine's work as `./estate` has it done, without starting servers and without checking anybody's access.
"""

import os
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import yaml

from ops import stack_file
from ops.console import Console
from ops.development.bench.measuring import Measured, run
from ops.engine import finding, session
from ops.engine.operations import Operation
from ops.errors import EstateError
from ops.paths import ROOT, Paths
from ops.platforms.local import Local
from settings import SETTING

STACK = "local"
NO_POLICIES = "--no-policies"
"""Leave the policy pack out, for a comparison with something that has none."""
NO_CHANGES = "--expect-no-changes"
"""Fail when anything was changed: what is measured as "nothing to do" must be that."""
_KEY = f"{stack_file.PROJECT}:{SETTING}"
_CODE = ("components", "composition", "fake_providers", "ops", "policies", "settings")
_FILES = ("Pulumi.yaml", "Pulumi.dev.yaml", "__main__.py")


def settings(applications: int | None = None) -> dict[str, Any]:
    """The local stack's plain settings on free ports, with so many synthetic applications; None: with its own."""
    document = yaml.safe_load((ROOT / f"Pulumi.{STACK}.yaml").read_text(encoding="utf-8"))
    made: dict[str, Any] = document["config"][_KEY]
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    api, cluster, postgres = (one.getsockname()[1] for one in sockets)
    for one in sockets:
        one.close()
    made["platform"] |= {"api_port": api, "cluster_port": cluster, "postgres_port": postgres}
    for connection in made["database"]["connections"].values():
        connection["port"] = postgres
    if applications is not None:
        made["applications"] = {_name(number): _application(made, number) for number in range(1, applications + 1)}
    return made


def _name(number: int) -> str:
    return f"application-{number:05d}"  # so that names sort by number


def _application(made: Mapping[str, Any], number: int) -> dict[str, Any]:
    """A login, two secrets of its own, a look into its neighbour's, and one of each engine's roles."""

    def one_of(engine: str, choices: str) -> list[str]:
        names = list(made[engine][choices])
        return [names[number % len(names)]]

    return {
        "login": {"kind": "approle", "token_ttl": "1h", "token_max_ttl": "4h"},
        "mount": next(iter(made["kv"])),
        "secrets": {secret: {"keys": ["value"]} for secret in ("database", "api-keys/provider")},
        "reads": [{"application": _name(number - 1), "secrets": ["database"]}] if number > 1 else [],
        "database_roles": one_of("database", "roles"),
        "transit_keys": one_of("transit", "keys"),
        "pki_roles": one_of("pki", "roles"),
    }


@contextmanager
def scratch(parent: Path, wanted: Mapping[str, Any], program: str | None = None) -> Iterator[Path]:
    """Make a copy with these settings, and with this text for `__main__.py`; at the end it is stopped and removed."""
    directory = parent / "project"
    for folder in _CODE:  # with compiled bytecode, so that a copy is as warm as the original
        shutil.copytree(ROOT / folder, directory / folder)
    for file in _FILES:
        shutil.copyfile(ROOT / file, directory / file)
    content = {"config": {_KEY: dict(wanted)}}
    (directory / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    if program is not None:
        (directory / "__main__.py").write_text(program, encoding="utf-8")
    try:
        yield directory
    finally:
        try:
            measure(directory, "stop")
        finally:
            shutil.rmtree(directory)


def measure(directory: Path, *arguments: str, module: str = "ops.development.bench.scratch") -> Measured:
    """Run one operation, or another module's command, on a copy and measure it. Raises EstateError: it failed."""
    # Without `-P`, so that the copy's own code is imported.
    return run([sys.executable, "-m", module, *arguments], directory)


def operate(operation: str, *flags: str) -> None:
    """Run one of start, stop, preview, up and refresh on the estate of the current folder. Raises EstateError."""
    paths, console = Paths(), Console(as_json=True)
    platform = Local(paths=paths, file=stack_file.read(paths, STACK))
    if operation == "start":
        with platform.ready("up", console):
            platform.start({}, console)
        # The first look for a plugin asks the network; that is setting up, not the operation.
        session.lacking_plugins(platform, console, finding.find(console.say))
        return
    if operation == "stop":
        platform.servers.stop()
        return
    # As the tool that is compared with, which doesn't write its state after each object either (ADR 13).
    os.environ.setdefault("PULUMI_SKIP_CHECKPOINTS", "true")
    choices = session.Choices(policies=NO_POLICIES not in flags)
    with (
        session.locked(paths),
        session.opened(platform, console, "preview" if operation == "preview" else "up", choices) as opened,
        console.stage(operation) as steps,
    ):
        changes = opened.run.operate(cast("Operation", operation), steps)
    if NO_CHANGES in flags and changes.total:
        listed = "".join(f"\n  {kind} {urn}" for kind, urn in changes.resources)
        raise EstateError(f"{operation}: {changes.sentence()}; expected 0 changes{listed}")


if __name__ == "__main__":
    try:
        operate(*sys.argv[1:])
    except EstateError as error:
        sys.exit(f"bench: {error}")
