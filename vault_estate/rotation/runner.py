"""Replacing a secret's values: the steps of a run, and how one that was cut off goes on.

Owns their order: new values are kept before anybody has them, tested before they are handed out, and those before end
after their grace. Wherever a run ends, the next one goes on with it. Refuses a second run while one is not at its end.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace

from vault_estate.errors import (
    ConfigurationError,
    RotationError,
    RotationFailed,
    RotationInProgress,
    VaultEstateError,
)
from vault_estate.events import Event, EventKind, Notifier, Observer
from vault_estate.kept_secret import KeptSecret, whose
from vault_estate.manifest import ClientManifest, ManifestSecret
from vault_estate.rotation import schedule
from vault_estate.rotation.record import Phase, RecordEntry, RotationNote
from vault_estate.rotation.rotator import HOOK, AbsentProgram, GivenValues, RandomValues, Rotator, find
from vault_estate.rotation.steps import GIVEN, RotationSteps
from vault_estate.session import Session

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 900, 21_600
"""After a failure the schedule tries again, then after twice as long each time."""


@dataclass(frozen=True, kw_only=True)
class RotationOutcome:
    """How far a secret has come."""

    secret: str
    keys: tuple[str, ...]
    phase: Phase = "idle"
    """`grace`: it has new values, and those before are accepted yet. `idle`: only the present ones are good."""
    version: int = 0
    """Of the secret, the first with its present values; 0: no run has given it any."""
    grace_until: int = 0
    """Seconds since 1970, by Vault's clock; 0: nothing is accepted besides."""
    error: str = ""
    """One line; empty: it went well. Only `rotate_due` tells of failures so."""
    left: str = ""
    """What a person has to end at the other end; empty: nothing. Only `abandon(by_hand=True)` leaves anything."""


class Runner:
    """Rotates an application's secrets by one login, which may be its owner's, or one that is made for it."""

    def __init__(
        self,
        session: Session,
        manifest: ClientManifest,
        *,
        rotators: Callable[[str], Rotator] = find,
        observers: Sequence[Observer] = (),
    ) -> None:
        """Nothing is asked of Vault yet. `rotators` gives the program of a hook by its name."""
        self._session = session
        self._manifest = manifest
        self._rotators = rotators
        self._notifier = Notifier(observers)
        self._owner = secrets.token_hex(8)

    def rotate(
        self, name: str, *keys: str, given: Mapping[str, str] | None = None, now: bool = False
    ) -> RotationOutcome:
        """Give a secret new values, or go on with the run that is not at its end.

        Args:
            name: of the secret, as the manifest has it.
            keys: names of the values; none: those of its settings.
            given: new values by key that somebody brings, in the place of made ones.
            now: end at once what would be accepted until its grace is over: for one that leaked.

        Raises:
            ConfigurationError: the secret, a key or a value can't be rotated so; nothing was done.
            RotationInProgress: another process has the secret, or the values before are accepted yet.
            RotationFailed: a step failed; the next run goes on with it.
            VaultEstateError: Vault refuses, or can't be asked. No run is begun.
        """
        place = self._own(name)
        asked = _asked(place, name, keys, given)
        run = self._steps(name, place, new_by=_by(place, asked, given))
        run.refuse_taken()
        if run.record.phase == "grace":
            # What leaked is ended before its time, and no other value with it.
            is_ended = now and not set(asked).isdisjoint(run.record.keys)
            self._observed(run, lambda: run.end_grace(now=is_ended))
            run = self._steps(name, place, new_by=_by(place, asked, given))
        if run.record.phase == "idle":
            policy = place.rotation
            who = whose(self._session)
            grace_seconds = 0 if now else policy.grace_seconds if policy else None
            run.begin(asked, given or {}, who=who, grace_seconds=grace_seconds)
        elif not run.is_for(keys, given):
            held = ", ".join(run.record.keys)
            raise RotationInProgress(f"secret {name} has a run for {held} that is not at its end; expected to end it")
        elif now:
            self._observed(run, run.end_early)
        self._carry_out(run)
        return _outcome(run)

    def resume(self, name: str) -> RotationOutcome:
        """Go on with the run that is not at its end, or end the grace that is over; begins none. Raises as `rotate`."""
        run = self._steps(name, self._own(name))
        run.refuse_taken()
        if run.record.phase == "idle":
            run.settle()
        elif run.record.phase != "grace":
            self._carry_out(run)
        elif run.is_grace_over:
            self._observed(run, run.end_grace)
        return _outcome(run)

    def abandon(self, name: str, *, by_hand: bool = False) -> RotationOutcome:
        """Give up a run whose new values nobody has: they are ended, and those in use stay. Raises as `rotate`.

        `by_hand`: without its program, which can't succeed any more, and also where the new values are in use. The
        outcome names what stays good at the other end then."""
        run = self._steps(name, self._own(name), by_hand=by_hand)
        run.refuse_taken()
        left: list[str] = []
        self._observed(run, (lambda: left.append(run.abandon_by_hand())) if by_hand else run.abandon)
        return replace(_outcome(run), left="".join(left))

    def rotate_due(self) -> list[RotationOutcome]:
        """Go on with every run that is not at its end, end graces that are over, and rotate what is due. What fails is
        told in its outcome, and keeps nothing else from being done; what another process has in hand is left to it."""
        outcomes = []
        for name in schedule.names(self._manifest):
            try:
                outcomes += self._brought_forward(name)
            except RotationInProgress:
                continue  # another process has it in hand
            except VaultEstateError as error:
                keys = self._own(name).keys
                outcomes.append(RotationOutcome(secret=name, keys=keys, error=str(error)))
        return outcomes

    def _brought_forward(self, name: str) -> list[RotationOutcome]:
        one = schedule.look(self._session, self._manifest, name)
        if one.is_waiting:
            return []
        outcomes = []
        if one.phase != "idle" or one.error:
            outcomes.append(self.resume(name))
            one = schedule.look(self._session, self._manifest, name)
        return [*outcomes, self.rotate(name)] if one.phase == "idle" and one.is_due else outcomes

    def _own(self, name: str) -> ManifestSecret:
        place = self._manifest.secret(name)
        if place.owner != self._manifest.application:
            raise ConfigurationError(f"secret {name} is {place.owner}'s; expected one of {self._manifest.application}")
        return place

    def _steps(self, name: str, place: ManifestSecret, *, new_by: str = "", by_hand: bool = False) -> RotationSteps:
        entry = RecordEntry(self._session, place)
        by = new_by if entry.record.phase == "idle" else entry.record.by
        return RotationSteps(
            name=name,
            secret=KeptSecret(session=self._session, place=place),
            entry=entry,
            rotator=AbsentProgram(entry.record.overlap) if by_hand else self._rotator(by, place),
            by=by,
            owner=self._owner,
        )

    def _rotator(self, by: str, place: ManifestSecret) -> Rotator:
        if by.startswith(HOOK):
            return self._rotators(by.removeprefix(HOOK))
        return GivenValues() if by == GIVEN else RandomValues(self._session, place.rotation)

    def _carry_out(self, run: RotationSteps) -> None:
        begun_at = self._session.transport.clock.now()
        self._observed(run, run.carry_out)
        self._tell(run.name, self._session.transport.clock.now() - begun_at)

    def _observed(self, run: RotationSteps, act: Callable[[], None]) -> None:
        """Do it; a failure is noted, and told by its phase."""
        failed: RotationError
        try:
            act()
        except RotationInProgress as raised:
            failed = copy(raised)
        except (KeyboardInterrupt, SystemExit):
            with suppress(VaultEstateError):
                run.release()
            raise
        except VaultEstateError as raised:
            # Without frames, whose variables are values.
            failed = _failure(run, raised)
            with suppress(VaultEstateError):
                run.note_failure(type(raised).__name__, _pause)
            self._tell(run.name, 0.0, type(raised).__name__)
        else:
            return
        raise failed

    def _tell(self, name: str, seconds: float, error: str = "") -> None:
        told = Event(
            kind=EventKind.ROTATION,
            operation="rotate",
            secret_type="kv",  # noqa: S106 - a kind
            name=name,
            seconds=seconds,
            error=error,
        )
        self._notifier.tell(told)


def _failure(run: RotationSteps, raised: VaultEstateError) -> RotationError:
    if isinstance(raised, RotationError):
        return copy(raised)
    phase = run.record.phase
    return RotationFailed(
        f"secret {run.name}: {raised}; expected it to go on from {phase!r} when it is run again",
        phase=phase,
        path=raised.path,
        status=raised.status,
        request_id=raised.request_id,
        texts=raised.texts,
    )


def _pause(failures: int) -> int:
    """Seconds until the schedule tries again."""
    return int(min(_FIRST_PAUSE_SECONDS * 2 ** (failures - 1), _LONGEST_PAUSE_SECONDS))


def _by(place: ManifestSecret, asked: Sequence[str], given: Mapping[str, str] | None) -> str:
    """What a new run is by: for values beside those that a hook knows, chance."""
    if given:
        return GIVEN
    policy = place.rotation
    return policy.by if policy and set(asked) <= set(policy.keys) else "random"


def _asked(place: ManifestSecret, name: str, keys: Sequence[str], given: Mapping[str, str] | None) -> tuple[str, ...]:
    """Which values a run is for. Raises ConfigurationError: none, others than the secret has, or half of a hook's."""
    policy = place.rotation
    asked = tuple(dict.fromkeys(given or keys or (policy.keys if policy else ())))
    if not asked:
        raise ConfigurationError(
            f"KEY is missing, and the settings of {name} have no rotation; expected one of: {', '.join(place.keys)}"
        )
    if not set(asked) <= set(place.keys):
        # Not shown: a value may have been put there by mistake.
        raise ConfigurationError(f"KEY is none of {name}'s; expected one of: {', '.join(place.keys)}")
    is_half = policy and policy.by != "random" and set(asked) & set(policy.keys) and set(asked) != set(policy.keys)
    if policy and is_half and not given:
        raise ConfigurationError(
            f"KEY is one of those that {policy.by} replaces together; expected all of them: {', '.join(policy.keys)}"
        )
    if given and not all(given.values()):
        raise ConfigurationError("the value is empty; expected some text")
    return asked


def _outcome(run: RotationSteps) -> RotationOutcome:
    note = RotationNote.of(run.secret.metadata())
    return RotationOutcome(
        secret=run.name,
        keys=run.keys,
        phase=run.record.phase,
        version=note.version,
        grace_until=note.grace_until,
    )
