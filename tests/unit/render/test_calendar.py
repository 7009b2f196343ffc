"""Calendar events: what is taken, what is refused, and how long the longest pause is."""

import pytest

from components.render.calendar import cron, longest_pause_seconds

HOUR, DAY = 3_600, 86_400
TAKEN = {
    "minutely": 60,
    "hourly": HOUR,
    "daily": DAY,
    "weekly": 7 * DAY,
    "monthly": 31 * DAY,
    "quarterly": 92 * DAY,
    "semiannually": 184 * DAY,
    "yearly": 366 * DAY,
    "*-*-* 00/4:15": 4 * HOUR,
    "0/23:00": 23 * HOUR,
    "*:0/59": 59 * 60,
    "*-*-* *:*:00/15": 15,
    "Mon..Fri 10:00": 3 * DAY,
    "Mon,Thu 03:30 UTC": 4 * DAY,
    "8..17:00": 15 * HOUR,
    "*-*-1/30 03:00": 30 * DAY,
    "*-*~1 03:00": 31 * DAY,
    "*-02-29 03:00": 1_461 * DAY,
    "5..5:00": DAY,
}
REFUSED = (
    "*-*-* 24:00",
    "25:00",
    "00:60",
    "03:00:60",
    "*-13-* 00:00",
    "*-0-1 00:00",
    "*:0/90",
    "*:0/60",
    "0/24:00",
    "1/0:00",
    "*/5:00",
    "2020-01-01 00:00",
    "2030-01-01 00:00",
    "*-02-30 00:00",
    "02-30 03:00",
    "*-*~29 03:00",
    "*-*-31/2 03:00",
    "5..3:00",
    "*,5:00",
    "Fri..Mon 03:00",
    "Mon.. 03:00",
    "Day 03:00",
    "Mon",
    "",
)


@pytest.mark.parametrize(("event", "seconds"), TAKEN.items())
def test_the_longest_pause_is_known(event: str, seconds: int) -> None:
    assert longest_pause_seconds(event) == seconds


@pytest.mark.parametrize("event", REFUSED)
def test_what_systemd_refuses_or_never_comes_is_refused(event: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        longest_pause_seconds(event)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("hourly", "0 * * * *"),
        ("minutely", "* * * * *"),
        ("daily", "0 0 * * *"),
        ("weekly", "0 0 * * 1"),
        ("monthly", "0 0 1 * *"),
        ("quarterly", "0 0 1 1,4,7,10 *"),
        ("*-*-* 00/4:15", "15 0,4,8,12,16,20 * * *"),
        ("*:0/20", "0,20,40 * * * *"),
        ("Mon,Thu 03:30 UTC", "30 3 * * 1,4"),
        ("Fri..Sun 03:30", "30 3 * * 0,5,6"),
        ("*-01/6-1,15 12:00:00", "0 12 1,15 1,7 *"),
    ],
)
def test_the_same_event_in_crons_words(event: str, expected: str) -> None:
    assert cron(event) == expected


@pytest.mark.parametrize("event", ["*:00:30", "*-*~01 03:00", "Mon *-*-01 03:00", "now and then"])
def test_what_cron_cant_say_is_refused(event: str) -> None:
    with pytest.raises(ValueError, match=r"expected (?:an event that cron can say|a calendar event)"):
        cron(event)
