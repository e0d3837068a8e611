"""Forecasts are called old once a session after theirs is over, by the clock of who reads them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from pipeline.forecasting.model import Model
from pipeline.jobs.status import read_status
from pipeline.serving.cached_views import CachedViews
from pipeline.serving.published import answer_from_latest
from pipeline.views.age import count_sessions_behind, describe_age, mark_page, show_age
from tests.support.records import CALENDAR, SESSIONS, evening, run_days

NEXT = (date(2024, 12, 30), date(2024, 12, 31), date(2025, 1, 2))
OVER = datetime(2024, 12, 31, 3, tzinfo=UTC)  # after the first, New York's evening
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("now", "behind"),
    [
        (OVER - SECOND, 0),
        (OVER, 1),
        (OVER + timedelta(days=1), 2),
        (OVER + timedelta(days=3) - SECOND, 2),
        (OVER + timedelta(days=3), 3),
        (OVER + timedelta(days=400), 3),
    ],
)
def test_a_session_counts_as_over_three_hours_after_its_day(now: datetime, behind: int) -> None:
    assert count_sessions_behind(NEXT, now) == behind


def test_the_age_in_words() -> None:
    assert describe_age(1, 5).startswith("Old: 1 session is over since.")
    assert describe_age(2, 5).startswith("Old: 2 sessions are over since.")
    assert describe_age(5, 5).startswith("Old: 5 or more sessions are over since.")


def test_a_page_shows_a_banner_only_once_it_is_old() -> None:
    page = f"<body>{mark_page(NEXT)}<p>".encode()
    assert show_age(page, OVER - SECOND) == page
    banner = f'<p class="unreal">{describe_age(1, 3)}</p>'
    assert show_age(page, OVER) == f"<body>{banner}<p>".encode()


@pytest.mark.parametrize(
    "page", [b"", b"<body>", b"<!--next sessions-->", b"<!--next sessions x-->"]
)
def test_a_page_that_says_nothing_of_its_sessions_is_left_as_it_is(page: bytes) -> None:
    assert show_age(page, OVER) == page


def views_at(model: Model, now: datetime | None) -> CachedViews:
    read = run_days(model, SESSIONS[-2:]).read
    return CachedViews(read, lambda: 0.0, now=None if now is None else lambda: now)


FRESH = evening(SESSIONS[-1])
OLD = FRESH + timedelta(days=5)


@pytest.mark.parametrize(("now", "stale"), [(FRESH, False), (OLD, True)])
def test_every_answer_of_the_record_says_whether_it_is_old(
    model: Model, now: datetime, stale: bool
) -> None:
    views = views_at(model, now)
    latest = views.latest()
    answer = answer_from_latest(latest, "SPY")
    behind = sum(session <= date(2025, 1, 4) for session in CALENDAR.following(SESSIONS[-1], 5))
    assert latest.next_sessions == tuple(CALENDAR.following(SESSIONS[-1], 5))
    for said in (latest, answer):
        assert (said.stale, said.sessions_behind) == (stale, behind if stale else 0)
    assert (b'class="unreal"' in (views.dashboard() or b"")) is stale


def test_what_is_stored_does_not_say_what_only_a_reader_can(model: Model) -> None:
    stored: dict[str, Any] = json.loads(run_days(model, SESSIONS[-2:]).objects["latest.json"])
    assert not {"stale", "sessions_behind"} & stored.keys()
    assert len(stored["next_sessions"]) == 5


def test_the_status_says_by_the_calendar_whether_the_record_is_old(model: Model) -> None:
    store = run_days(model, SESSIONS[-2:])
    assert [read_status(store, CALENDAR, at).stale for at in (FRESH, OLD)] == [False, True]
