"""A stack's settings with what names other services replaced by a sandbox's.

Owns the list of what is replaced, which is told before anything is done. Refuses to replace anything
else: every other setting is the file's own.
"""

import platform as host
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import settings
from components.render.release import Architecture
from ops.errors import EstateError
from ops.local.postgres import ROOT_ROLE
from ops.sandbox.services import SandboxFacts
from ops.sandbox.serving import POSTGRES_PORT
from ops.stack_file import Replacement, StackFile, flowing, parsed
from settings.hetzner import HetznerPlatform

_ARCHITECTURES: Mapping[str, Architecture] = {"x86_64": "amd64", "aarch64": "arm64"}
_MISSING = "not given"

Path = tuple[str, ...]


def architecture(file: StackFile, platform: HetznerPlatform) -> Architecture:
    """What the node runs. Raises EstateError if this machine runs something else."""
    own = _ARCHITECTURES.get(host.machine())
    if platform.architecture != own:
        raise EstateError(
            f"{file.named('platform.server_type')} is {platform.server_type!r}, which runs {platform.architecture}; "
            f"expected one for this machine ({own or host.machine()}) with --sandbox"
        )
    return platform.architecture


def refuse_flavour(file: StackFile) -> None:
    """Raises EstateError for a server that comes in no package."""
    if file.settings.server.flavor != "openbao":
        raise EstateError(
            f"{file.named('server.flavor')} is {file.settings.server.flavor!r}; expected 'openbao' with --sandbox, "
            "the server that this machine has"
        )


def apply(file: StackFile, platform: HetznerPlatform, facts: SandboxFacts) -> StackFile:
    """The stack's file as the sandbox has it, with what was replaced.
    Raises EstateError if the settings can't be had in a sandbox."""
    return laid_over(file, _values(file.settings, platform, facts))


def laid_over(file: StackFile, values: Iterable[tuple[Path, Any]]) -> StackFile:
    """A stack's file with other values, each by its path; None takes a setting out. It tells what was replaced.
    Raises EstateError if the settings don't go together."""
    content = deepcopy(dict(file.written))
    replaced: list[Replacement] = []
    for path, value in values:
        before = _get(content, path)
        if before is None and path in file.layers.said:
            before = file.layers.said[path].value  # a default of its platform or profile
        if before != value:
            _put(content, path, value)
            replaced.append(Replacement(setting=".".join(path), declared=_text(before), used=_text(value)))
    return replace(file, settings=parsed(file.path, content).settings, written=content, replaced=tuple(replaced))


def _values(declared: settings.Settings, platform: HetznerPlatform, facts: SandboxFacts) -> Iterator[tuple[Path, Any]]:
    """Every setting that names a service elsewhere, and what it names in the sandbox; None takes a setting out."""
    yield ("server", "version"), facts.release.version
    yield ("protect",), False
    yield ("platform", "api_cidrs"), [facts.network]
    if platform.ssh:
        yield ("platform", "ssh", "cidrs"), [facts.network]
    yield from _names(platform, facts)
    yield ("platform", "download", "source"), facts.mirror
    yield ("platform", "download", "signing_key"), f"{facts.mirror}/signing-key.asc"
    yield ("platform", "download", "signing_key_fingerprint"), facts.release.fingerprint
    yield ("platform", "download", "checksums"), {facts.release.architecture: facts.release.archive_sha256}
    if declared.snapshots and declared.snapshots.store.kind == "bucket":
        yield ("snapshots", "store", "endpoint"), facts.storage
        yield ("snapshots", "store", "profile"), None
    yield from administrators(declared, facts.folder)
    yield from connections(declared, facts.gateway)


def connections(declared: settings.Settings, address: str) -> Iterator[tuple[Path, Any]]:
    """The database server of this machine, at its address, in place of each connection's."""
    for name, connection in (declared.database.connections if declared.database else {}).items():
        at: Path = ("database", "connections", name)
        yield (*at, "host"), address
        if connection.port != POSTGRES_PORT:
            yield (*at, "port"), POSTGRES_PORT
        if connection.username != ROOT_ROLE:
            yield (*at, "username"), ROOT_ROLE
        if connection.ssl_mode not in {"verify-full", "verify-ca", "require"}:
            yield (*at, "ssl_mode"), "verify-full"


def administrators(declared: settings.Settings, folder: str) -> Iterator[tuple[Path, Any]]:
    """A pair of the sandbox's own where the stack's is encrypted for whoever owns the real one; made on first use."""
    if declared.bootstrap.administrator.private_key_secret:
        at: Path = ("bootstrap", "administrator")
        yield (*at, "certificate_pem"), None
        yield (*at, "private_key_secret"), None
        yield (*at, "certificate"), f"{folder}/administrator.crt"
        yield (*at, "private_key"), f"{folder}/administrator.key"


def _names(platform: HetznerPlatform, facts: SandboxFacts) -> Iterator[tuple[Path, Any]]:
    """How the node is called and who vouches for it."""
    if platform.tls.kind == "acme":
        yield ("platform", "tls", "directory"), facts.acme
        yield ("platform", "tls", "ca_certificate_file"), facts.authority_file
        if platform.domain:
            # Its record is kept by others. Here it is the stack's own, which is how the sandbox comes to know it.
            record, _, zone = platform.domain.partition(".")
            yield ("platform", "domain"), None
            yield ("platform", "dns"), {"zone": zone, "record": record}
        return
    # A certificate that nobody brings, or that is pinned: the node is known by its address.
    yield ("platform", "dns"), None
    yield ("platform", "domain"), None
    yield ("platform", "tls"), {"kind": "internal", "certificate_file": f"{facts.folder}/node.crt"}


def _get(content: Mapping[str, Any], path: Path) -> Any:
    here: Any = content
    for part in path:
        here = here.get(part) if isinstance(here, Mapping) else None
    return here


def _put(content: dict[str, Any], path: Path, value: Any) -> None:
    *parents, last = path
    here = content
    for part in parents:
        here = here.setdefault(part, {})
    if value is None:
        here.pop(last, None)
    else:
        here[last] = value


def _text(value: Any) -> str:
    return _MISSING if value is None else flowing(value)
