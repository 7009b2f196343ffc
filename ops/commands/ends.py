"""What of a stack ends soon and what is overdue: certificates, keys, SecretIDs; snapshots and drills.

Owns what is looked at, from when on it is told, and in which words. Looks only: it changes nothing, logs in nowhere,
and fails for nothing that can't be seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from cryptography import x509
from hvac.exceptions import VaultError

from components.model import duration_text
from components.render.acl import ROTATOR_PREFIX
from ops.errors import EstateError
from ops.keys import pgp
from ops.platforms.driver import PlatformDriver, Status, Table
from ops.snapshots.ages import Ages
from ops.vault import issued, status, turns
from ops.vault.api import call
from ops.vault.status import VaultStatus

WARN = timedelta(days=30)
DRILL = timedelta(days=92)
"""A quarter: how old the last drill may be."""
_PAGE = "docs/ends.md"


@dataclass(frozen=True, kw_only=True)
class End:
    """Something that ends."""

    what: str
    ends: datetime
    way: str
    """What puts another in its place."""
    warn: timedelta = WARN
    """How long before it is told."""

    @property
    def days(self) -> int:
        """Whole days until then; negative once it is over."""
        return (self.ends - datetime.now(UTC)).days

    @property
    def is_near(self) -> bool:
        """Whether it is to be told."""
        return self.ends - datetime.now(UTC) < self.warn

    @property
    def sentence(self) -> str:
        """For people."""
        on = f"on {self.ends:%Y-%m-%d %H:%M} UTC"
        left = int((self.ends - datetime.now(UTC)).total_seconds())
        if left <= 0:
            return f"{self.what} ended {on}: {self.way}"
        unit = next((unit for unit in (86_400, 3_600) if left >= unit), 1)
        return f"{self.what} ends in {duration_text(left - left % unit)}, {on}: {self.way}"


@dataclass(frozen=True, kw_only=True)
class Ends:
    """What was found."""

    ends: tuple[End, ...]
    overdue: tuple[str, ...]
    drill_age: float | None = None
    """In seconds; None: there never was one, or it can't be seen."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is to be told, the nearest end first."""
        near = sorted((one for one in self.ends if one.is_near), key=lambda one: one.ends)
        return (*(one.sentence for one in near), *self.overdue)

    @property
    def document(self) -> dict[str, Any]:
        """The same for programs."""
        ends = [{"what": one.what, "ends": f"{one.ends:%Y-%m-%dT%H:%M:%SZ}", "days": one.days} for one in self.ends]
        return {"warnings": list(self.warnings), "ends": ends, "drill_age_seconds": self.drill_age}


def in_status(platform: PlatformDriver, found: Status) -> Status:
    """A status, and what ends. Of a server that wasn't found nothing is asked."""
    ends = look(platform, found.vault)
    tables = list(found.tables)
    if ends.drill_age is not None:
        row = ["last drill", f"{duration_text(int(ends.drill_age))} ago"]
        tables.append(Table(title="snapshots", columns=("what", "when"), rows=[row]))
    return replace(found, tables=tables, document={**found.document, **ends.document}, warnings=ends.warnings)


def after_up(platform: PlatformDriver, address: str) -> Ends:
    """The same of a stack that was just brought up. What was never taken isn't missed yet."""
    return look(platform, status.ask(platform.endpoint(address)), missed=False)


def look(platform: PlatformDriver, vault: VaultStatus | None, *, missed: bool = True) -> Ends:
    """Everything that can be seen. `missed`: whether to tell of a snapshot or a drill that never was."""
    ends = [*_files(platform), *_listener(vault), *_operators(platform), *_secret_ids(platform)]
    if vault and vault.reachable and vault.sealed is False:
        ends += _authorities(platform, vault)
    ages = _ages(platform, vault)
    overdue = tuple(_overdue(platform, ages, missed=missed)) if ages else ()
    keys = platform.seal_keys
    if platform.seal_key_mark.exists() or (keys and keys.previous.exists()):
        overdue = (
            f"the seal has two keys, since its move was killed: ./estate move-seal-key {_where(platform)}",
            *overdue,
        )
    return Ends(ends=tuple(ends), overdue=overdue, drill_age=ages.drill if ages else None)


def _where(platform: PlatformDriver) -> str:
    return platform.file.stack if platform.seal_keys else f"{platform.file.stack} --node USER@HOST"


def _files(platform: PlatformDriver) -> Iterator[End]:
    settings = platform.file.settings
    yield from _administrator(platform)
    if settings.snapshots:
        yield from _in_file(platform, "the operator's certificate for snapshots", settings.snapshots.certificate, _PAGE)
        if node := settings.snapshots.node_certificate:
            yield from _in_file(platform, "the node's certificate for snapshots", node, _PAGE)
    if platform.authority_file:
        yield from _in_file(platform, "who vouches for the listener", str(platform.authority_file), _PAGE)


def _administrator(platform: PlatformDriver) -> Iterator[End]:
    """While it is good a pair replaces itself; afterwards key shares do."""
    administrator, stack = platform.file.settings.bootstrap.administrator, platform.file.stack
    what, first = "the administrator's certificate", ""
    regain = f"./estate regain {stack} --new-pair"
    rotate = regain if platform.makes_administrator else f"./estate keys {stack} --rotate"
    if administrator.certificate_pem:
        found = _certificate(what, administrator.certificate_pem, rotate)
    else:
        # A pair in files of a cloud stack's is taken over into the stack's file first.
        first = "" if platform.makes_administrator else f"./estate keys {stack}, then "
        found = _in_file(platform, what, administrator.certificate or "", first + rotate)
    for one in found:
        yield one if one.ends > datetime.now(UTC) else replace(one, way=first + regain)


def _in_file(platform: PlatformDriver, what: str, name: str, way: str) -> Iterator[End]:
    file = platform.paths.project / name
    if file.is_file():
        yield from _certificate(f"{what} ({_shown(platform, file)})", file.read_text(errors="replace"), way)


def _shown(platform: PlatformDriver, file: Path) -> str:
    return str(file.relative_to(platform.paths.project) if file.is_relative_to(platform.paths.project) else file)


def _certificate(what: str, pem: str, way: str) -> Iterator[End]:
    try:
        found = x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        return  # what needs it says what is wrong with it
    yield End(what=what, ends=found.not_valid_after_utc, way=way)


def _listener(vault: VaultStatus | None) -> Iterator[End]:
    if vault is None or vault.certificate_ends is None or vault.certificate_lifetime_seconds is None:
        return
    # What a machine renews is told where it should have: an authority's may live for days only.
    third = timedelta(seconds=vault.certificate_lifetime_seconds / 3)
    ends = datetime.strptime(vault.certificate_ends, status.TIME).replace(tzinfo=UTC)
    yield End(what="the listener's certificate", ends=ends, way=_PAGE, warn=min(WARN, third))


def _operators(platform: PlatformDriver) -> Iterator[End]:
    for operator in platform.file.settings.bootstrap.operators:
        file = platform.paths.project / operator.pgp_key
        ends = pgp.expiration(file.read_text(errors="replace")) if file.is_file() else None
        if ends:
            what = f"the PGP key of operator {operator.name} ({operator.pgp_key})"
            way = f"its holder prolongs it, or has another: ./estate renew-shares {platform.file.stack}"
            yield End(what=what, ends=ends, way=way)


def _secret_ids(platform: PlatformDriver) -> Iterator[End]:
    for role, (begin, ends) in issued.all_of(platform.paths, platform.file.stack).items():
        # One that nobody missed for so long was given up, or has another from elsewhere.
        if role in platform.file.settings.logins and datetime.now(UTC) - ends < WARN:
            application = role.removeprefix(ROTATOR_PREFIX)
            option = "" if role == application else " --rotator"
            way = f"./estate secret-id {application}{option} --stack {platform.file.stack} issues another"
            what = f"the SecretID of {role} that was issued from here"
            yield End(what=what, ends=ends, way=way, warn=min(WARN, (ends - begin) / 3))


def _authorities(platform: PlatformDriver, vault: VaultStatus) -> Iterator[End]:
    """Every issuer of both mounts, as anybody may ask for them."""
    pki = platform.file.settings.pki
    if pki is None:
        return
    client = turns.client(vault.address, platform.authority_file)
    for kind, mount in (("root", pki.root_path), ("intermediate", pki.intermediate_path)):
        try:
            default = call(client, "get", f"{mount}/issuer/default/json")["data"]["certificate"]
            keys = call(client, "list", f"{mount}/issuers")["data"]["keys"]
            pems = [call(client, "get", f"{mount}/issuer/{key}/json")["data"]["certificate"] for key in keys]
        except (VaultError, requests.RequestException, KeyError):
            continue  # not made yet, or gone: `up` says so
        for pem in pems:
            if pem == default:
                way = f"raise pki.{kind}_generation, as docs/certificates.md tells"
                yield from _certificate(f"the {kind} certificate ({mount})", pem, way)
            else:
                way = "what it signed ends with it; nothing new is signed by it"
                older = list(_certificate(f"an older {kind} certificate ({mount})", pem, way))
                yield from (one for one in older if one.days >= 0)
    client.adapter.close()


def _ages(platform: PlatformDriver, vault: VaultStatus | None) -> Ages | None:
    if platform.file.settings.snapshots is None or vault is None:
        return None
    try:
        return platform.snapshot_ages(vault.cluster_id)
    except EstateError:
        return None  # `status` of such a stack says why


def _overdue(platform: PlatformDriver, ages: Ages, *, missed: bool) -> Iterator[str]:
    snapshots, stack = platform.file.settings.snapshots, platform.file.stack
    if snapshots is None:
        return
    take = f"./estate snapshot {stack}" if snapshots.store.kind == "folder" else "docs/snapshots.md"
    if ages.snapshot is None:
        if missed:
            yield f"no snapshot is there: {take}"
    elif ages.snapshot > snapshots.stale_after:
        yield f"the newest snapshot is {duration_text(int(ages.snapshot))} old, which is too old: {take}"
    if ages.drill is None:
        if missed:
            yield f"no drill was ever done: ./estate drill {stack}"
    elif ages.drill > DRILL.total_seconds():
        yield f"the last drill was {duration_text(int(ages.drill))} ago, which is too long: ./estate drill {stack}"
