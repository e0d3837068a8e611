"""Age: whether published forecasts are old, by the sessions after theirs and a reader's clock.

A view cannot know when it is read, and who serves it has no calendar. So it carries the days of
the next sessions; one counts as over at 3:00 UTC after its day: by then its run is due on every
exchange, whose last close is that of those around the clock, at midnight.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from pipeline.views.documents import Latest

# Where a page says that it is old, once it is served and is.
MARK = re.compile(rb"<!--next sessions((?: \d{4}-\d\d-\d\d)*)-->")


def count_sessions_behind(next_sessions: Sequence[date], now: datetime) -> int:
    """Return how many sessions are over since the origin, at most those that are known of."""
    return sum(_end(session) <= now for session in next_sessions)


def describe_age(behind: int, known: int) -> str:
    """Return in words that forecasts are old, of which `known` next sessions are known."""
    more = " or more" if behind == known else ""
    many = "session is" if behind == 1 and not more else "sessions are"
    return f"Old: {behind}{more} {many} over since. No newer forecast is published."


def with_age(latest: Latest, now: datetime) -> Latest:
    """Return the view with what its reader cannot see: whether it is old."""
    behind = count_sessions_behind(latest.next_sessions, now)
    return msgspec.structs.replace(latest, stale=behind > 0, sessions_behind=behind)


def mark_page(next_sessions: Sequence[date]) -> str:
    """Return what `show_age` looks for in a page; it shows nothing."""
    return f"<!--next sessions{''.join(f' {session}' for session in next_sessions)}-->"


def show_age(page: bytes, now: datetime) -> bytes:
    """Return a page with a banner where it is old by now."""
    mark = MARK.search(page)
    sessions = [date.fromisoformat(day) for day in mark[1].decode().split()] if mark else []
    behind = count_sessions_behind(sessions, now)
    if mark is None or not behind:
        return page
    banner = f'<p class="unreal">{describe_age(behind, len(sessions))}</p>'
    return page[: mark.start()] + banner.encode() + page[mark.end() :]


def _end(session: date) -> datetime:
    return datetime.combine(session + timedelta(days=1), time(3, tzinfo=UTC))
