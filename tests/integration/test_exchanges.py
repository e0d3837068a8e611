"""Other exchanges than New York's: their sessions, and three evenings of each on a record."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from pipeline.adapters.exchange.calendar import ExchangeCalendar
from pipeline.errors import ConfigError
from tests.support.commands import Clock, Forecaster, assert_refused

# What the exchanges themselves announced of these days.
SESSIONS = {
    "London's early May bank holiday": (
        "XLON", "2025-05-02", "2025-05-07", ["2025-05-02", "2025-05-06", "2025-05-07"],
    ),
    "London's half days around Christmas": (
        "XLON", "2024-12-23", "2024-12-31",
        ["2024-12-23", "2024-12-24", "2024-12-27", "2024-12-30", "2024-12-31"],
    ),
    "Frankfurt is closed on Christmas Eve and New Year's Eve": (
        "XETR", "2024-12-23", "2025-01-02",
        ["2024-12-23", "2024-12-27", "2024-12-30", "2025-01-02"],
    ),
    "Tokyo's new year": (
        "XTKS", "2024-12-27", "2025-01-07",
        ["2024-12-27", "2024-12-30", "2025-01-06", "2025-01-07"],
    ),
    "Hong Kong's lunar new year": (
        "XHKG", "2025-01-27", "2025-02-03", ["2025-01-27", "2025-01-28", "2025-02-03"],
    ),
    "Riyadh trades from Sunday to Thursday": (
        "XSAU", "2025-05-01", "2025-05-05", ["2025-05-01", "2025-05-04", "2025-05-05"],
    ),
    "around the clock": (
        "24/7", "2024-12-24", "2024-12-27",
        ["2024-12-24", "2024-12-25", "2024-12-26", "2024-12-27"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "first", "last", "expected"), SESSIONS.values(), ids=SESSIONS)
def test_sessions_are_those_of_the_exchange(
    name: str, first: str, last: str, expected: list[str]
) -> None:
    days = ExchangeCalendar(name).between(date.fromisoformat(first), date.fromisoformat(last))
    assert [str(day) for day in days] == expected


# (exchange, moment in its own time, newest closed session); a session counts half an hour late.
CLOSES = {
    "London in the evening": ("XLON", "2025-05-06 17:01", "2025-05-06"),
    "London before its close": ("XLON", "2025-05-06 16:59", "2025-05-02"),
    "London on a half day": ("XLON", "2024-12-24 13:01", "2024-12-24"),
    "Frankfurt's last day of a year is short": ("XETR", "2024-12-30 14:31", "2024-12-30"),
    "Tokyo at lunch": ("XTKS", "2025-01-07 12:00", "2025-01-06"),
    "Tokyo once it closed later": ("XTKS", "2024-11-05 15:29", "2024-11-01"),
    "Tokyo in the evening": ("XTKS", "2024-11-05 16:01", "2024-11-05"),
    "around the clock, before midnight": ("24/7", "2024-12-25 23:59", "2024-12-24"),
    "around the clock, after midnight": ("24/7", "2024-12-26 00:31", "2024-12-25"),
}


@pytest.mark.parametrize(("name", "moment", "expected"), CLOSES.values(), ids=CLOSES)
def test_the_newest_session_is_that_of_the_exchange_s_clock(
    name: str, moment: str, expected: str
) -> None:
    calendar = ExchangeCalendar(name)
    at = datetime.fromisoformat(moment).replace(tzinfo=calendar.zone)
    assert str(calendar.last_closed(at)) == expected


@pytest.mark.parametrize("name", ["XNYS", "XLON", "XETR", "XTKS", "XHKG", "XSAU", "CMES", "24/7"])
def test_at_the_end_of_a_day_its_session_is_the_newest(name: str) -> None:
    calendar = ExchangeCalendar(name)
    for session in calendar.between(date(2024, 12, 20), date(2025, 1, 10)):
        assert calendar.last_closed(calendar.end_of(session)) == session
        before = calendar.end_of(session - timedelta(days=1))
        assert calendar.last_closed(before) < session


@pytest.mark.parametrize(("name", "first"), [("XTKS", "1997"), ("XSAU", "2021"), ("XBOM", "1997")])
def test_what_is_known_of_fewer_years_reaches_as_far_as_it_can(name: str, first: str) -> None:
    calendar = ExchangeCalendar(name)
    day = date(int(first), 3, 3)
    assert len(calendar.between(day, date(2025, 12, 31))) > 240
    with pytest.raises(ConfigError, match=f"a day of {name} from {first}-01-01 to"):
        calendar.between(date(1990, 1, 2), day)


# Three evenings of each, and a fourth that is not: the record goes on over closures.
EVENINGS = {
    "XLON": ("Europe/London", ["2025-05-02", "2025-05-06", "2025-05-07"], time(19)),
    "XTKS": ("Asia/Tokyo", ["2024-12-30", "2025-01-06", "2025-01-07"], time(18)),
    "24/7": ("UTC", ["2025-05-03", "2025-05-04", "2025-05-05"], time(2, 30)),
}


@pytest.mark.parametrize("name", EVENINGS)
def test_three_evenings_are_run_scored_verified_and_shown(
    forecaster: Forecaster, clock: Clock, name: str
) -> None:
    zone, sessions, at = EVENINGS[name]
    source = ("--bars", "simulated", "--out", "bars", "--from", "2023-06-01", "--to", "2025-05-31")
    clock(datetime(2025, 6, 2, 12, tzinfo=ZoneInfo(zone)))
    assert forecaster("fetch", *source, "--calendar", name).code == 0
    for session in sessions:
        day = date.fromisoformat(session) + timedelta(days=name == "24/7")
        clock(datetime.combine(day, at, ZoneInfo(zone)))
        ran = forecaster("run", "--bars", "bars", "--calendar", name, "--json")
        assert (ran.code, ran.err) == (0, "")
        document = ran.document
        assert (document["session"], document["parts"][-1]["mode"]) == (session, "live")
        targets = [row["target_date"] for row in document["forecasts"][:5]]
        following = ExchangeCalendar(name).following(date.fromisoformat(session), 5)
        assert targets == [str(day) for day in following]
    assert json.loads(Path("store/store.json").read_text())["calendar"] == name
    # Whoever reads a store needs not name its exchange.
    assert forecaster("verify", "--deep").code == 0
    assert forecaster("replay", sessions[-1]).code == 0
    status = forecaster("status", "--json").document
    assert (status["session"], status["lag_sessions"], status["missing"]) == (sessions[-1], 0, [])
    scored = sum(pq.read_table(path).num_rows for path in Path("store/scores").rglob("*.parquet"))
    assert scored == 4 * 4 * (2 + 1)  # tickers, models, and horizons that two evenings realised
    assert "SPY" in Path("store/index.html").read_text()
    again = forecaster("run", "--bars", "bars", "--json")
    assert (again.code, again.document["outcome"]) == (0, "nothing_to_do")
    refused = forecaster("run", "--bars", "bars", "--calendar", "XETR")
    assert_refused(refused, 1, f"expected calendar {name} to go on with the record", "got XETR")


def test_a_day_of_the_past_is_the_exchange_s_own(forecaster: Forecaster, clock: Clock) -> None:
    clock(datetime(2025, 5, 9, 12, tzinfo=ZoneInfo("UTC")))
    for name, session in {"XLON": "2025-05-02", "24/7": "2025-05-04"}.items():
        store = ("--store", name.replace("/", ""), "--calendar", name)
        ran = forecaster("run", "--bars", "simulated", "--as-of", "2025-05-04", *store, "--json")
        assert (ran.code, ran.document["session"]) == (0, session)


def test_another_exchange_than_any_is_refused_in_one_line(forecaster: Forecaster) -> None:
    refused = forecaster("run", "--bars", "simulated", "--calendar", "NYSEX")
    assert_refused(refused, 2, "expected an exchange", "XNYS, XLON, XETR, XTKS or 24/7", "NYSEX")
