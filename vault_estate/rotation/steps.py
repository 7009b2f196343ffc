"""One run for one secret, a step at a time. Each step begins with what the record says and ends with a record.

Owns what is done in each phase. Refuses to go over what somebody else wrote: a value that was given meanwhile, or a
record of another process.
"""

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from vault_estate import origins
from vault_estate.accepted import GRACE_SECONDS
from vault_estate.errors import (
    ConfigurationError,
    RotationFailed,
    RotationInProgress,
    SecretNotFound,
    VaultEstateError,
    VersionConflict,
)
from vault_estate.kept_secret import KeptSecret, KeptVersion, same
from vault_estate.models import ROTATION_NOTE, Secret
from vault_estate.rotation.holding import HELD_SECONDS, LEFT_SECONDS, LONGEST_SECONDS, CalledProgram, Given, held
from vault_estate.rotation.record import Phase, RecordEntry, RotationNote, RotationRecord
from vault_estate.rotation.rotator import HOOK, Overlap, RotationRun, Rotator
from vault_estate.rotation.schedule import moment

GIVEN = "given"
"""What a run is by, if somebody brings the values."""
_RAISED = (Exception, SystemExit, KeyboardInterrupt)
"""What a program may raise. Signals to this process are raised where it waits for the program, and nowhere else."""
_LOOKED_AT = 20
"""Versions among which the values before are looked for; more than there are, where nobody has changed that."""
_TRIES = 5
"""How often a secret is read anew because somebody wrote another value of it."""


@dataclass(kw_only=True)
class RotationSteps:
    """Everything that one run touches."""

    name: str
    secret: KeptSecret
    entry: RecordEntry
    rotator: Rotator
    by: str
    owner: str
    _is_new: bool = field(default=False, init=False)
    _keys: tuple[str, ...] = field(default=(), init=False)
    _program: CalledProgram[Any] | None = field(default=None, init=False)
    """What was called last."""

    def __post_init__(self) -> None:
        self._keys = self.record.keys

    @property
    def record(self) -> RotationRecord:
        """As it is kept."""
        return self.entry.record

    @property
    def keys(self) -> tuple[str, ...]:
        """Of the run; of none: those of the settings."""
        policy = self.secret.place.rotation
        return self._keys or (policy.keys if policy else ())

    @property
    def is_grace_over(self) -> bool:
        """Whether the values before the present ones have had their time."""
        return self._now() >= self.record.grace_until

    def is_for(self, keys: Collection[str], given: Mapping[str, str] | None) -> bool:
        """Whether the run that is not at its end is what somebody asks for: the same given values, the same keys, or
        whatever it is."""
        if given:
            pending = self.record.pending
            return pending.keys() == given.keys() and all(same(pending[key], value) for key, value in given.items())
        return not keys or set(keys) == set(self.record.keys)

    def refuse_taken(self) -> None:
        """Raises RotationInProgress: another process has the run."""
        record = self.record
        if record.owner not in ("", self.owner) and record.held_until > self._now():
            until = moment(record.held_until)
            raise RotationInProgress(
                f"secret {self.name} is being rotated by another process; expected its end, or {until}, when a run "
                "that was cut off may be taken over"
            )

    def begin(self, keys: tuple[str, ...], given: Mapping[str, str], *, who: str, grace_seconds: int | None) -> None:
        """Write down that there is a run, and given values at once.
        Raises SecretNotFound: nobody has given the secret a value. Raises ConfigurationError: a value is in use."""
        kept = self.secret.newest()
        if not kept.values:
            raise SecretNotFound(
                f"secret {self.name} has no value; expected one that was put there before it is rotated",
                path=str(self.secret),
            )
        current = self._as_secret(kept)
        previous = {key: current[key] for key in keys if key in current}
        if any(same(previous.get(key), value) for key, value in given.items()):
            raise ConfigurationError(f"the value is the one that {self.name} has; expected another")
        seconds = GRACE_SECONDS if grace_seconds is None else grace_seconds
        phase: Phase = "pending" if given else "creating"
        # Before the record: a run that nobody can see would be gone on with only when the secret is due.
        self._note(phase=phase, begun_at=self._now())
        self._write(
            RotationRecord(
                phase=phase,
                run=secrets.token_hex(8),
                by=self.by,
                who=who,
                keys=keys,
                overlap=self.rotator.overlap.name,
                grace_seconds=int(seconds),
                pending=dict(given),
                previous=previous,
            )
        )
        self._is_new, self._keys = True, keys

    def end_early(self) -> None:
        """Of a run that is not at its end: grant the values before no grace."""
        if self.record.grace_seconds:
            self._write(self.record.model_copy(update={"grace_seconds": 0}))

    def release(self) -> None:
        """Give the run free for others, where it stands; not while a program is at work, which may make something yet:
        then it is taken over as after a kill. Raises VaultEstateError."""
        if self.record.owner == self.owner and not self._is_at_work(LEFT_SECONDS):
            self._write(self.record, is_held=False)

    def _hold_on(self) -> None:
        self._write(self.record)

    def carry_out(self) -> None:
        """From wherever it stands until the secret has its new values. Raises VaultEstateError: a step failed."""
        if self.record.phase == "creating":
            self._create()
        if self.record.phase == "pending":
            self._prove()
        if self.record.phase == "promoting":
            self._promote()

    def end_grace(self, *, now: bool = False) -> None:
        """End the values before the present ones. Raises RotationInProgress: it is not time, unless it is to be now."""
        if not (now or self.is_grace_over):
            raise RotationInProgress(
                f"secret {self.name} was rotated, and the values before are accepted until "
                f"{moment(self.record.grace_until)}; expected that time, or --now for "
                f"{', '.join(self.record.keys)} to end them"
            )
        self._write(self.record)
        if self.record.previous:
            ended = self._as_secret(self.secret.newest(), self.record.previous)
            self._called("revoke", lambda: self.rotator.revoke(ended, self._run()))
        self._finish()

    def abandon(self) -> None:
        """End new values that nobody has. Raises RotationError: there is no such run, or it is too late."""
        record = self.record
        if record.phase in ("idle", "grace"):
            raise RotationInProgress(f"secret {self.name} has no run that is not at its end; expected one to give up")
        kept = self.secret.newest()
        is_used = bool(record.pending) and self._holds(kept, record.pending)
        # Where there is one value only, the new one may be it, unless somebody gave another since.
        is_at_risk = self.rotator.overlap is Overlap.NONE and self._holds(kept, record.previous)
        if is_used or (record.pending and is_at_risk):
            raise RotationInProgress(
                f"secret {self.name} has a run whose values are in use already; expected it to be carried out"
            )
        self._write(record)
        if record.pending:
            pending = self._as_secret(kept, record.pending)
            self._called("revoke", lambda: self.rotator.revoke(pending, self._run()))
        self._called("remove_orphans", lambda: self.rotator.remove_orphans(self._run()))
        self._finish()

    def abandon_by_hand(self) -> str:
        """End the run without its program; what stays good at the other end, for whoever ends it there, "": nothing.
        Raises RotationInProgress: there is no run, or nobody could tell afterwards which value that is."""
        record, kept = self.record, self.secret.newest()
        overlap = self.rotator.overlap
        if record.phase != "grace" and not (record.pending and self._holds(kept, record.pending)):
            self.abandon()
            return "" if overlap is Overlap.VERSIONS else f"whatever is marked with run {record.run}"
        is_left = overlap is Overlap.TWO_KEYS and record.previous
        left = f"{', '.join(record.previous)} of version {self._version_before(kept)}" if is_left else ""
        if record.phase != "grace":
            self._promote()
        if self.record.phase == "grace":
            self.end_grace(now=True)
        return left

    def _version_before(self, kept: KeptVersion) -> int:
        """The newest version that has the values before."""
        for number in range(kept.number - 1, max(kept.number - 1 - _LOOKED_AT, 0), -1):
            if self._has(self.secret.values(number), self.record.previous):
                return number
        raise RotationInProgress(
            f"secret {self.name} has no version any more with the values that have to be ended at the other end; "
            "expected their program, or one"
        )

    def settle(self, *, grace_until: int = 0) -> None:
        """Of a run that was at its end: forget what it kept, and note it."""
        self.entry.forget()
        self._note(phase="idle", grace_until=grace_until, begun_at=0, error="", failures=0, next_try_at=0)

    def note_failure(self, error: str, pause: Callable[[int], int]) -> None:
        """Give the run free for others, and note that it failed. Raises VaultEstateError."""
        failures = self._noted().failures + 1
        next_try_at = self._now() + pause(failures)
        self._note(phase=self.record.phase, error=error, failures=failures, next_try_at=next_try_at)
        if self.record.phase != "idle":
            self._write(self.record, is_held=self._is_at_work(0.0))

    def _is_at_work(self, seconds: float) -> bool:
        return self._program is not None and not self._program.has_ended_within(seconds)

    def _create(self) -> None:
        run, current = self._run(), self._as_secret(self.secret.newest())
        if not self._is_new:
            self._write(self.record)
            self._called("remove_orphans", lambda: self.rotator.remove_orphans(run))
        made = self._called("create", lambda: self.rotator.create(current, run))
        is_whole = isinstance(made, Mapping) and made.keys() == set(run.keys)
        if not is_whole or not all(isinstance(one, str) and one for one in made.values()):
            raise self._failed("create", "gave something else; expected a text for each of its keys")
        if any(same(self.record.previous.get(key), value) for key, value in made.items()):
            raise self._failed("create", "gave a value that is in use; expected another")
        self._write(self.record.model_copy(update={"phase": "pending", "pending": dict(made)}))

    def _prove(self) -> None:
        self._write(self.record)
        pending = self._as_secret(self.secret.newest(), self.record.pending)
        self._called("install", lambda: self.rotator.install(pending, self._run()))
        self._called("test", lambda: self.rotator.test(pending, self._run()))
        self._write(self.record.model_copy(update={"phase": "promoting"}))

    def _promote(self) -> None:
        self._write(self.record)
        record = self.record
        version, values = self._written()
        self.secret.note(version, dict.fromkeys(record.keys, self._origin()), values, record.who)
        if not self.secret.holds(version, values):
            raise self._failed("promote", f"found in version {version} what was not written; expected the same values")
        now = self._now()
        until = now if self.rotator.overlap is Overlap.NONE else now + record.grace_seconds
        has_end = self.rotator.overlap is Overlap.TWO_KEYS and until > now
        # First: whoever looks for what is due sees by it that this is done.
        self._note(
            phase="grace",
            rotated_at=now,
            version=version,
            begun_at=0,
            grace_until=until,
            error="",
            failures=0,
            next_try_at=0,
        )
        if self.rotator.overlap is not Overlap.TWO_KEYS:
            self._finish(grace_until=until)
            return
        kept = record.model_copy(update={"phase": "grace", "grace_until": until, "pending": {}})
        self._write(kept, is_held=not has_end)
        if not has_end:
            self.end_grace()

    def _written(self) -> tuple[int, Mapping[str, Any]]:
        """The version that has the new values, by this run or by one that was cut off, and all that it has."""
        record = self.record
        for _ in range(_TRIES):
            kept = self.secret.newest()
            if self._holds(kept, record.pending):
                return kept.number, kept.values
            if not all(same(kept.values.get(key), record.previous.get(key)) for key in record.keys):
                raise self._failed("promote", "found another value, which somebody gave meanwhile; expected --abandon")
            values = {**kept.values, **record.pending}
            if not record.grace_seconds:
                # Before there is such a version: whoever reads it reads this, too.
                self._write_note(self._noted().with_ended(record.keys, kept.number + 1))
            try:
                return self.secret.write(values, seen=kept.number), values
            except VersionConflict:
                continue
        raise self._failed("promote", f"found another version {_TRIES} times; expected the secret to be at rest")

    def _finish(self, *, grace_until: int = 0) -> None:
        self._write(RotationRecord(), is_held=False)
        self.settle(grace_until=grace_until)

    @classmethod
    def _holds(cls, kept: KeptVersion, values: Mapping[str, str]) -> bool:
        return cls._has(kept.values, values)

    @staticmethod
    def _has(held: Mapping[str, Any], values: Mapping[str, str]) -> bool:
        return all(same(held.get(key), value) for key, value in values.items())

    def _origin(self) -> origins.Origin:
        return "given" if self.record.by == GIVEN else "generated"

    def _run(self) -> RotationRun:
        return RotationRun(id=self.record.run, secret=self.name, keys=self.record.keys)

    def _as_secret(self, kept: KeptVersion, changed: Mapping[str, str] | None = None) -> Secret:
        values = {**kept.values, **(changed or {})}
        return Secret(values, name=self.name, path=str(self.secret), version=kept.number)

    def _write(self, record: RotationRecord, *, is_held: bool = True) -> None:
        lock = {"owner": self.owner, "held_until": self._now() + HELD_SECONDS}
        self.entry.write(record.model_copy(update=lock if is_held else {"owner": "", "held_until": 0}))

    def _note(self, **changes: object) -> None:
        """Change some of what is noted."""
        self._write_note(self._noted().model_copy(update=changes))

    def _noted(self) -> RotationNote:
        return RotationNote.of(self.secret.metadata())

    def _write_note(self, note: RotationNote) -> None:
        self.secret.describe({ROTATION_NOTE: note.render()})

    def _now(self) -> int:
        return int(self.secret.session.transport.server_time())

    def _called(self, step: str, act: Callable[[], Given]) -> Given:
        """What a rotator gives. Raises RotationFailed: it raised, which is told by its class only, or hangs."""
        with held(self._hold_on):
            self._program = program = CalledProgram(act)
            program.begin()
            has_ended = program.has_ended_within(LONGEST_SECONDS)
        if not has_ended:
            words = f"has not ended within {LONGEST_SECONDS:.0f} s; expected it to. The values in use stay"
            raise self._failed(step, words)
        raised, program.raised = program.raised, None
        if raised is None:
            return cast("Given", program.given)
        is_ours = isinstance(raised, VaultEstateError) and not self.by.startswith(HOOK)
        if is_ours or not isinstance(raised, _RAISED):
            raise raised
        raise self._failed(step, f"raised {type(raised).__name__}; expected no error. The values in use stay")

    def _failed(self, step: str, words: str) -> RotationFailed:
        return RotationFailed(f"secret {self.name}: {self.by} in {step} {words}", phase=self.record.phase)
