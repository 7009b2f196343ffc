"""When each secret is due, from what Vault has noted of it: no value is read, and no clock but Vault's counts.

Owns that reckoning, so that a runner that never ran is seen by whoever looks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from vault_estate import origins
from vault_estate.errors import ConfigurationError
from vault_estate.kept_secret import KeptSecret
from vault_estate.manifest import ClientManifest, ManifestRotation
from vault_estate.rotation.record import Phase, RotationNote
from vault_estate.session import Session

RotationState = Literal["failed", "unfinished", "in grace", "missing", "overdue", "due", "waiting"]
OVERDUE_SHARE = 0.1
"""Of its period by which a secret may be late before somebody is told."""


@dataclass(frozen=True, kw_only=True)
class ScheduledSecret:
    """One secret whose settings have a rotation. Times are seconds since 1970, by Vault's clock."""

    secret: str
    keys: tuple[str, ...]
    by: str
    every_seconds: int
    changed_at: int
    """When the oldest of its values was given; 0: there is none."""
    due_at: int
    rotated_at: int
    """When a run last gave it new values; 0: none has."""
    phase: Phase
    state: RotationState
    grace_until: int
    next_try_at: int
    error: str
    now: int

    @property
    def is_due(self) -> bool:
        """Whether its values are as old as they may become."""
        return bool(self.changed_at) and self.now >= self.due_at

    @property
    def is_waiting(self) -> bool:
        """Whether there is nothing to do now."""
        if self.next_try_at > self.now or self.state == "missing":
            return True
        if self.error:
            return False
        if self.phase == "grace":
            return self.grace_until > self.now
        return self.phase == "idle" and not self.is_due

    @property
    def is_well(self) -> bool:
        """Whether nobody has to look at it."""
        return self.state != "failed" and not self.is_overdue

    @property
    def is_overdue(self) -> bool:
        """Whether it is late by more than a tenth of its period, whatever keeps it."""
        return _is_overdue(self.every_seconds, self.due_at, self.now)


def names(manifest: ClientManifest) -> Sequence[str]:
    """The application's secrets that have a rotation, in the manifest's order."""
    return [name for name, one in manifest.secrets.items() if one.rotation and one.owner == manifest.application]


def look(session: Session, manifest: ClientManifest, name: str) -> ScheduledSecret:
    """One of them. Raises VaultEstateError; ConfigurationError: it has no rotation."""
    place = manifest.secret(name)
    if place.rotation is None:
        known = ", ".join(names(manifest)) or "none is there"
        raise ConfigurationError(f"secret {name} has no rotation; expected one of: {known}")
    metadata = KeptSecret(session=session, place=place).metadata()
    return scheduled(name, place.rotation, metadata, int(session.transport.server_time()))


def scheduled(name: str, policy: ManifestRotation, metadata: Mapping[str, Any], now: int) -> ScheduledSecret:
    """One secret with such metadata."""
    note = RotationNote.of(metadata)
    changed_at = _changed_at(policy, note, metadata)
    due_at = changed_at + policy.every_seconds if changed_at else 0
    return ScheduledSecret(
        secret=name,
        keys=policy.keys,
        by=policy.by,
        every_seconds=policy.every_seconds,
        changed_at=changed_at,
        due_at=due_at,
        rotated_at=note.rotated_at,
        phase=note.phase,
        state=_state(policy, note, changed_at, due_at, now),
        grace_until=note.grace_until,
        next_try_at=note.next_try_at,
        error=note.error,
        now=now,
    )


def moment(seconds: float) -> str:
    """A time as it is shown, in UTC."""
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def metrics(application: str, found: Sequence[ScheduledSecret]) -> str:
    """As node_exporter reads a file: when the first is due, when one was last given new values, and how many are not
    well. No secret is named: whoever scrapes would have a list of what there is."""
    told = {
        "due_timestamp_seconds": ("When the first secret is due", min((one.due_at for one in found), default=0)),
        "last_success_timestamp_seconds": (
            "When a run last ended well",
            max((one.rotated_at for one in found), default=0),
        ),
        "overdue": ("Secrets that are late by a tenth of their period", sum(one.is_overdue for one in found)),
        "failed": ("Secrets whose last run failed", sum(one.state == "failed" for one in found)),
    }
    lines = []
    for name, (meaning, value) in told.items():
        whole = f"vault_estate_rotation_{name}"
        lines += [
            f"# HELP {whole} {meaning}.",
            f"# TYPE {whole} gauge",
            f'{whole}{{application="{application}"}} {value}',
        ]
    return "\n".join(lines) + "\n"


def _state(policy: ManifestRotation, note: RotationNote, changed_at: int, due_at: int, now: int) -> RotationState:
    if note.failures:
        return "failed"
    if note.phase not in ("idle", "grace"):
        return "unfinished"
    if not changed_at:
        return "missing"
    if _is_overdue(policy.every_seconds, due_at, now):
        return "overdue"
    if note.phase == "grace":
        return "in grace"
    return "due" if now >= due_at else "waiting"


def _is_overdue(every_seconds: int, due_at: int, now: int) -> bool:
    return bool(due_at) and now > due_at + every_seconds * OVERDUE_SHARE


def _changed_at(policy: ManifestRotation, note: RotationNote, metadata: Mapping[str, Any]) -> int:
    """When the oldest value came, by a run or by somebody's hand; of what nobody noted: when the secret began."""
    if not metadata.get("current_version"):
        return 0
    notes = origins.read(metadata).values
    began = _seconds(str(metadata.get("created_time") or ""))
    # A run may have been for other values of the secret than these.
    return min((_seconds(notes[key].time) if key in notes else note.rotated_at) or began for key in policy.keys)


def _seconds(text: str) -> int:
    try:
        return int(datetime.fromisoformat(text).timestamp()) if text else 0
    except ValueError:
        return 0
