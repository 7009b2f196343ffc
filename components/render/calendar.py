"""Calendar events of systemd: when a timer elapses, checked as systemd 252 checks them.

Owns the form, the longest pause between two elapses, and the same event in cron's words. Refuses what systemd refuses,
what never comes, and a year of its own: what is to go on isn't over one day.
"""

import calendar
import itertools
import re
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator

from ..model import Form

_WORDS = {
    "minutely": "*-*-* *:*",
    "hourly": "*-*-* *:00",
    "daily": "*-*-* 00:00",
    "weekly": "Mon *-*-* 00:00",
    "monthly": "*-*-01 00:00",
    "quarterly": "*-01,04,07,10-01 00:00",
    "semiannually": "*-01,07-01 00:00",
    "yearly": "*-01-01 00:00",
    "annually": "*-01-01 00:00",
}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_NUMBER = r"[0-9*][0-9*,./]*"
_EVENT = re.compile(
    rf"(?:(?P<days>[A-Za-z,.]+) )?(?:(?:\*-)?(?P<month>{_NUMBER})(?P<from_end>[-~])(?P<day>{_NUMBER}) )?"
    rf"(?P<hour>{_NUMBER}):(?P<minute>{_NUMBER})(?::(?P<second>{_NUMBER}))?(?: UTC)?"
)
_PART = re.compile(r"(?P<first>[0-9]+)(?:\.\.(?P<last>[0-9]+))?(?:/(?P<step>[0-9]+))?")
_LAST_FROM_END = 28
"""systemd counts no further back from a month's end."""
_CYCLE_DAYS = 28 * 365 + 7
"""After so many days, 28 years, the same dates fall on the same days of the week, until 2100."""
_CYCLE_BEGINS = date(2001, 1, 1)


@lru_cache  # 28 years of days take most of the time of reading a stack's file
def longest_pause_seconds(event: str) -> int:
    """The longest time between two elapses, without a change to summer time.
    Raises ValueError where systemd wouldn't take the event, or it never comes."""
    found = _EVENT.fullmatch(_WORDS.get(event, event))
    if not found:
        raise ValueError("expected a calendar event")
    hours, minutes = _numbers(found["hour"], 0, 23), _numbers(found["minute"], 0, 59)
    seconds = _numbers(found["second"] or "0", 0, 59)
    dates = list(_dates(found["days"], found["month"] or "*", found["from_end"], found["day"] or "*"))
    if not dates:
        raise ValueError("expected a day that comes")
    times = sorted(3_600 * hour + 60 * minute + second for hour in hours for minute in minutes for second in seconds)
    within = max((later - earlier for earlier, later in itertools.pairwise(times)), default=0)
    following = [*dates[1:], dates[0] + timedelta(days=_CYCLE_DAYS)]
    nights = max((after - before).days for before, after in zip(dates, following, strict=True))
    return max(within, nights * 86_400 - times[-1] + times[0])


def cron(event: str) -> str:
    """The same event as a CronJob says it, in UTC. Raises ValueError for what cron can't say: seconds, days from a
    month's end, and days of the week beside days of the month, which cron takes for either."""
    found = _EVENT.fullmatch(_WORDS.get(event, event))
    if not found:
        raise ValueError("expected a calendar event")
    days, day, month = (
        _week(found["days"]),
        _numbers(found["day"] or "*", 1, 31),
        _numbers(found["month"] or "*", 1, 12),
    )
    week = {(number + 1) % 7 for number in days}
    if _numbers(found["second"] or "0", 0, 59) != {0} or found["from_end"] == "~" or (len(day) < 31 and len(week) < 7):
        raise ValueError(
            "expected an event that cron can say: no seconds, no days from a month's end, and days either of the week "
            "or of the month"
        )
    fields = (
        (_numbers(found["minute"], 0, 59), 60),
        (_numbers(found["hour"], 0, 23), 24),
        (day, 31),
        (month, 12),
        (week, 7),
    )
    return " ".join("*" if len(some) == whole else ",".join(map(str, sorted(some))) for some, whole in fields)


def _dates(days: str | None, month: str, from_end: str | None, day: str) -> Iterator[date]:
    months, week = _numbers(month, 1, 12), _week(days)
    numbers = _numbers(day, 1, _LAST_FROM_END if from_end == "~" else 31)
    for count in range(_CYCLE_DAYS):
        one = _CYCLE_BEGINS + timedelta(days=count)
        number = one.day
        if from_end == "~":
            number = calendar.monthrange(one.year, one.month)[1] - one.day + 1
        if one.month in months and number in numbers and one.weekday() in week:
            yield one


def _week(days: str | None) -> set[int]:
    found: set[int] = set()
    for part in (days or "Mon..Sun").split(","):
        first, to, last = part.partition("..")
        if not {first, last if to else first} <= set(_DAYS):
            raise ValueError("expected days such as Mon")
        found |= _range(_DAYS.index(first), _DAYS.index(last if to else first), 1)
    return found


def _numbers(field: str, low: int, high: int) -> set[int]:
    """What a field of numbers stands for. Raises ValueError where systemd doesn't take it."""
    if field == "*":
        return _range(low, high, 1)
    found: set[int] = set()
    for part in field.split(","):
        parsed = _PART.fullmatch(part)
        if not parsed:
            raise ValueError("expected numbers")
        first, step = int(parsed["first"]), int(parsed["step"] or 1)
        last = int(parsed["last"] or (high if parsed["step"] else first))
        if not low <= first <= last <= high or not step or (parsed["step"] and first + step > high):
            raise ValueError(f"expected numbers from {low} to {high}")
        found |= _range(first, last, step)
    return found


def _range(first: int, last: int, step: int) -> set[int]:
    if last < first:
        raise ValueError("expected the smaller one first")
    return set(range(first, last + 1, step))


def _checked(event: str) -> str:
    try:
        longest_pause_seconds(event)
    except ValueError:
        msg = "expected a calendar event of systemd that comes again and again, such as hourly, *-*-* 00/4:15 or "
        raise ValueError(f"{msg}Mon,Thu 03:30 UTC") from None
    return event


Calendar = Annotated[str, Form(r"[\x20-\x7e]+", "a calendar event of systemd"), AfterValidator(_checked)]
"""When a timer elapses, such as `hourly` or `*-*-* 00/4:15`."""
