"""Hours: when an exchange trades on an ordinary day, and when its runs are due."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import exchange_calendars

DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
# Of these days an ordinary one is told: fixed, so that the same question has the same answer.
FIRST, LAST = date(2025, 9, 1), date(2025, 12, 31)
AFTER_CLOSE = timedelta(hours=2, minutes=30)  # by then sources have the session's bar
CATCH_UP = timedelta(hours=4, minutes=30)
BEFORE_OPEN = timedelta(hours=2, minutes=30)
A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a deployment runs, as EventBridge Scheduler takes it: cron expressions and their zone.

    `daily` is after the close, `evening` two hours later, `morning` before the next open, each day.
    """

    zone: str
    daily: str
    evening: str
    morning: str


def find_schedule(name: str) -> Schedule:
    """Return when the runs of an exchange are due, by the hours that it keeps on most days."""
    calendar = exchange_calendars.get_calendar(name, start=FIRST, end=LAST)
    sessions, zone = calendar.sessions, calendar.tz
    midnights = [session.tz_localize(zone) for session in sessions]
    opening, closing = (
        _find_ordinary(map(_since, midnights, (moment.tz_convert(zone) for moment in moments)))
        for moments in (calendar.opens, calendar.closes)
    )
    weekdays = {session.isoweekday() % 7 for session in sessions}
    return Schedule(
        zone=str(zone),
        daily=_to_cron(closing + AFTER_CLOSE, weekdays),
        evening=_to_cron(closing + CATCH_UP, weekdays),
        morning=_to_cron(opening - BEFORE_OPEN, set(range(7))),
    )


def _since(midnight: datetime, moment: datetime) -> timedelta:
    """Return what a clock on the wall has gone on, whatever was done to it in the night."""
    return moment.replace(tzinfo=None) - midnight.replace(tzinfo=None)


def _find_ordinary(times: Iterable[timedelta]) -> timedelta:
    return Counter(times).most_common(1)[0][0]


def _to_cron(since_midnight: timedelta, weekdays: set[int]) -> str:
    """Return the expression of a time since the midnight with which days of the week begin."""
    later, rest = divmod(since_midnight, A_DAY)
    at = (datetime.min + rest).time()
    days = sorted((day + later) % 7 for day in weekdays)
    return _format_cron(at, days)


def _format_cron(at: time, days: list[int]) -> str:
    if len(days) == 7:
        return f"cron({at.minute} {at.hour} * * ? *)"
    contiguous = days == list(range(days[0], days[-1] + 1))
    names = [DAYS[day] for day in days]
    named = f"{names[0]}-{names[-1]}" if contiguous else ",".join(names)
    return f"cron({at.minute} {at.hour} ? * {named} *)"
