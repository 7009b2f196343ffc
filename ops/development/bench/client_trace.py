"""Ten minutes of reads as Dagster makes them, for a client whose cache is measured.

Owns who reads what when; made up, from what the five teams write of their schedules, and no recording. No time passes
for it but a clock's that is set.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Reading(NamedTuple):
    """One read: seconds from the beginning, and of which secret."""

    at: float
    secret: str


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A job that comes again and again in one process, as with a code location's in-process runs."""

    every_seconds: float
    takes_seconds: float
    steps: int
    """Spread evenly over a run; each reads all of the job's secrets, as a resource does that is set up for each."""
    secrets: tuple[str, ...]


DAGSTER = (
    Schedule(every_seconds=30, takes_seconds=10, steps=4, secrets=("database",)),
    Schedule(every_seconds=60, takes_seconds=45, steps=12, secrets=("database", "api-keys/provider-a")),
    Schedule(
        every_seconds=300, takes_seconds=120, steps=20, secrets=("database", "object-store", "api-keys/provider-b")
    ),
    Schedule(every_seconds=600, takes_seconds=30, steps=3, secrets=("warehouse",)),
)
"""A sensor, a frequent and a slow asset job, and a report."""
TRACE_SECONDS = 600.0


def readings(schedules: Sequence[Schedule] = DAGSTER, seconds: float = TRACE_SECONDS) -> list[Reading]:
    """All reads of so many seconds, in order."""
    return sorted(one for schedule in schedules for one in _of(schedule, seconds))


def _of(schedule: Schedule, seconds: float) -> Iterator[Reading]:
    for run in range(int(seconds // schedule.every_seconds)):
        for step in range(schedule.steps):
            at = run * schedule.every_seconds + step * schedule.takes_seconds / schedule.steps
            yield from (Reading(at, secret) for secret in schedule.secrets)
