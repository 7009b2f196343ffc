"""Deciding which provider plugins a run uses: the official ones, or those of `fake_providers`.

Owns that decision and its wording. It never lets an `up` of a cloud stack fall back by itself.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from composition.private_files import write_private
from ops.engine.finding import Engine, Say, said
from ops.errors import EstateError

Operation = Literal["up", "preview", "down"]

_LIST_SECONDS = 60.0
_INSTALL_SECONDS = 300.0
_ASK_AGAIN_SECONDS = 86_400.0
"""How long a failed installation is remembered, so that a machine without the network doesn't wait at each command."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which packages are served by fake providers in this run, and why."""

    fakes: tuple[str, ...]
    reason: str
    """Empty when the official plugins are used throughout."""


def wanted(packages: Sequence[str]) -> dict[str, str]:
    """The exact plugin version each installed SDK asks for."""
    return {package: metadata.version(f"pulumi-{package}") for package in packages}


def _folder(environment: Mapping[str, str]) -> Path:
    """Where the engine keeps plugins (`GetPulumiHomeDir` and `PluginDir`, sdk/go/common/workspace/paths.go)."""
    home = environment.get("PULUMI_HOME")
    return (Path(home) if home else Path(environment.get("HOME", "~")).expanduser() / ".pulumi") / "plugins"


def installed(engine: Engine, environment: Mapping[str, str]) -> dict[str, set[str]]:
    """The resource plugins the engine can find, by name, with their versions; none when it doesn't say."""
    found: dict[str, set[str]] = {}
    # Asking takes the engine a start, at each command of whoever has none.
    if not any(_folder(environment).glob("resource-*")):
        return found
    try:
        plugins = json.loads(
            said([str(engine.executable), "plugin", "ls", "--json"], _LIST_SECONDS, environment) or "[]"
        )
    except json.JSONDecodeError:
        return found
    for plugin in plugins:
        if plugin.get("kind") == "resource":
            found.setdefault(plugin["name"], set()).add(plugin.get("version", ""))
    return found


def missing(
    engine: Engine, packages: Sequence[str], environment: Mapping[str, str], refusals: Path, say: Say
) -> list[str]:
    """Of the packages, e.g. `["vault"]`, those whose official plugin is neither there nor can be installed.

    The file `refusals` remembers failed installations for a day; `say` is told of each installation.
    """
    have = installed(engine, environment)
    lacking = {name: version for name, version in wanted(packages).items() if version not in have.get(name, set())}
    remembered = _remembered(refusals)
    still_lacking: list[str] = []
    for name, version in lacking.items():
        key = f"{name} {version}"
        if time.time() - remembered.get(key, 0.0) >= _ASK_AGAIN_SECONDS:
            say(f"installing the official {name} plugin {version}")
            command = [str(engine.executable), "plugin", "install", "resource", name, version]
            if said(command, _INSTALL_SECONDS, environment) is not None:
                continue
            remembered[key] = time.time()
            write_private(refusals, json.dumps(remembered).encode())
        still_lacking.append(name)
    return still_lacking


def _remembered(refusals: Path) -> dict[str, float]:
    """When each installation failed last; nothing when the file is no longer what was written."""
    try:
        content: dict[str, float] = json.loads(refusals.read_text())
    except (OSError, ValueError):
        return {}
    return content


def choose(
    *,
    operation: Operation,
    cloud: bool,
    sandbox: bool,
    packages: Sequence[str],
    lacking: Sequence[str],
    credentials: bool,
    has_sandbox: bool = True,
) -> Choice:
    """Decide who serves the providers of one run.

    `cloud` says whether the stack's platform is one, `sandbox` whether fake providers were asked for, `lacking` which
    of its packages have no official plugin here, `credentials` whether the cloud's are there, `has_sandbox` whether
    there is one to ask for.
    Raises EstateError: a cloud stack would have to be changed through fake providers nobody asked for."""
    if sandbox:
        return Choice(fakes=tuple(packages), reason="asked for with --sandbox")
    problems = [f"the official plugin can't be had here: {', '.join(lacking)}"] if lacking else []
    if cloud and not credentials:
        problems.append("the cloud's credentials are missing")
    reason = "; ".join(problems)
    # Behind a local stack's fake provider is the same real server: there is nothing to mistake for the real thing.
    if not cloud or not problems:
        return Choice(fakes=tuple(lacking), reason=reason)
    if operation == "preview":
        return Choice(fakes=tuple(packages), reason=reason)
    instead = ", or a sandbox: --sandbox" if has_sandbox else ""
    raise EstateError(f"{operation} of a cloud stack: {reason}; expected plugins and credentials{instead}")
