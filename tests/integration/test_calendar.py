"""The real calendar of the New York exchange, and the file of what it does not know."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline.adapters.exchange.calendar import (
    CLOSURES,
    FIRST,
    LAST,
    ExchangeCalendar,
    read_overrides,
)
from pipeline.adapters.simulated.market import SimulatedMarket
from pipeline.errors import ConfigError
from pipeline.ports import Calendar

NEW_YORK = ZoneInfo("America/New_York")
MOURNING = {"calendar": "XNYS", "date": "2030-01-15", "close": None, "why": "mourning"}


@pytest.fixture(scope="module")
def calendar() -> ExchangeCalendar:
    return ExchangeCalendar()


def in_new_york(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


def written(folder: Path, content: Any) -> Path:
    path = folder / "closures.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("at", "session"),
    [
        pytest.param("2024-12-27T16:29:59", "2024-12-26", id="just before close and delay"),
        pytest.param("2024-12-27T16:29:59.999999", "2024-12-26", id="the last instant before"),
        pytest.param("2024-12-27T16:30:00", "2024-12-27", id="at close and delay"),
        pytest.param("2024-12-27T09:30:00", "2024-12-26", id="at the open"),
        pytest.param("2024-11-29T13:29:59", "2024-11-27", id="half-day, too early"),
        pytest.param("2024-11-29T13:30:00", "2024-11-29", id="half-day after Thanksgiving"),
        pytest.param("2024-12-24T13:30:00", "2024-12-24", id="half-day on Christmas Eve"),
        pytest.param("2024-12-25T23:00:00", "2024-12-24", id="holiday"),
        pytest.param("2024-12-28T12:00:00", "2024-12-27", id="Saturday"),
        pytest.param("2024-12-29T23:59:00", "2024-12-27", id="Sunday"),
        pytest.param("2024-12-30T00:00:00", "2024-12-27", id="Monday before the open"),
        pytest.param("2025-01-09T18:30:00", "2025-01-08", id="day of mourning"),
    ],
)
def test_last_closed_is_the_newest_session_past_its_close_and_delay(
    calendar: ExchangeCalendar, at: str, session: str
) -> None:
    assert calendar.last_closed(in_new_york(at)) == date.fromisoformat(session)


@pytest.mark.parametrize(
    ("at", "session"),
    [
        pytest.param("2024-03-08T21:29:00", "2024-03-07", id="winter, 21:00 UTC"),
        pytest.param("2024-03-08T21:30:00", "2024-03-08", id="winter, closed"),
        pytest.param("2024-03-11T20:29:00", "2024-03-08", id="summer, 20:00 UTC"),
        pytest.param("2024-03-11T20:30:00", "2024-03-11", id="summer, closed"),
        pytest.param("2024-11-01T20:30:00", "2024-11-01", id="last Friday of summer time"),
        pytest.param("2024-11-04T20:30:00", "2024-11-01", id="winter again, still open"),
        pytest.param("2024-11-04T21:30:00", "2024-11-04", id="winter again, closed"),
    ],
)
def test_the_close_follows_daylight_saving(
    calendar: ExchangeCalendar, at: str, session: str
) -> None:
    utc = datetime.fromisoformat(at).replace(tzinfo=UTC)
    tokyo = utc.astimezone(timezone(timedelta(hours=9)))
    assert calendar.last_closed(utc) == date.fromisoformat(session)
    assert calendar.last_closed(tokyo) == date.fromisoformat(session)


def test_the_delay_is_a_setting() -> None:
    at = in_new_york("2024-12-27T16:00:00")
    assert ExchangeCalendar(delay=timedelta(0)).last_closed(at) == date(2024, 12, 27)
    a_second_before = at - timedelta(seconds=1)
    assert ExchangeCalendar(delay=timedelta(0)).last_closed(a_second_before) == date(2024, 12, 26)
    assert ExchangeCalendar(delay=timedelta(hours=9)).last_closed(
        in_new_york("2024-12-28T00:59:00")
    ) == date(2024, 12, 26)


def test_following_crosses_the_year_and_its_holidays(calendar: ExchangeCalendar) -> None:
    assert calendar.following(date(2024, 12, 27), 5) == [
        date(2024, 12, 30),
        date(2024, 12, 31),
        date(2025, 1, 2),
        date(2025, 1, 3),
        date(2025, 1, 6),
    ]
    assert calendar.following(date(2025, 1, 8), 1) == [date(2025, 1, 10)]


def test_ending_includes_its_session(calendar: ExchangeCalendar) -> None:
    assert calendar.ending(date(2025, 1, 2), 3) == [
        date(2024, 12, 30),
        date(2024, 12, 31),
        date(2025, 1, 2),
    ]
    assert calendar.ending(date(2025, 1, 2), 0) == []


@pytest.mark.parametrize(
    ("first", "last", "sessions"),
    [
        ("2024-12-24", "2024-12-30", ["2024-12-24", "2024-12-26", "2024-12-27", "2024-12-30"]),
        ("2024-12-25", "2024-12-29", ["2024-12-26", "2024-12-27"]),
        ("2025-01-08", "2025-01-10", ["2025-01-08", "2025-01-10"]),
        ("2024-12-28", "2024-12-29", []),
        ("2024-12-27", "2024-12-27", ["2024-12-27"]),
        ("2024-12-30", "2024-12-27", []),
        ("1990-01-01", "1990-01-03", ["1990-01-02", "1990-01-03"]),
        ("2049-12-30", "2049-12-31", ["2049-12-30", "2049-12-31"]),
    ],
)
def test_between_includes_both_days(
    calendar: ExchangeCalendar, first: str, last: str, sessions: list[str]
) -> None:
    answer = calendar.between(date.fromisoformat(first), date.fromisoformat(last))
    assert [str(session) for session in answer] == sessions


@pytest.mark.real_bars
def test_every_real_session_is_known_and_no_other(
    calendar: ExchangeCalendar, real_bars: Path
) -> None:
    with (real_bars / "SPY.csv").open(encoding="utf-8", newline="") as file:
        real = [date.fromisoformat(row["Date"]) for row in csv.DictReader(file)]
    assert calendar.ending(real[-1], len(real)) == real
    assert [real[0], *calendar.following(real[0], len(real) - 1)] == real


def test_equal_questions_have_equal_answers_in_any_year(calendar: ExchangeCalendar) -> None:
    sessions = calendar.following(date(1990, 1, 2), 15_000)
    assert all(0 < (later - day).days <= 7 for day, later in pairwise(sessions))
    assert sessions[-1].year >= 2049


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda c: c.last_closed(datetime(2024, 12, 27, 17)), "time zone, got 2024-12-27T17:00"),
        (lambda c: c.last_closed(datetime(1989, 5, 1, 12, tzinfo=UTC)), "got 1989-05-01"),
        (lambda c: c.last_closed(datetime(1990, 1, 1, 12, tzinfo=UTC)), "reaches beyond"),
        (lambda c: c.last_closed(datetime(2051, 1, 1, tzinfo=UTC)), "got 2050-12-31"),
        (lambda c: c.ending(date(2024, 12, 28), 1), "got 2024-12-28; before it: 2024-12-27"),
        (lambda c: c.following(date(2024, 12, 25), 1), "got 2024-12-25; before it: 2024-12-24"),
        (lambda c: c.ending(date(1990, 1, 3), 3), "reaches beyond"),
        (lambda c: c.following(LAST, 1), "reaches beyond"),
        (lambda c: c.following(date(2051, 1, 3), 1), "got 2051-01-03"),
        (lambda c: c.ending(date(2024, 12, 27), -1), "0 or more .* got a request for -1"),
        (lambda c: c.between(date(1989, 12, 31), LAST), "from 1990-01-01 .* got 1989-12-31"),
        (lambda c: c.between(FIRST, date(2050, 1, 1)), "to 2049-12-31, got 2050-01-01; check the"),
    ],
)
def test_a_question_it_cannot_answer_says_what_came(
    calendar: ExchangeCalendar, ask: Any, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        ask(calendar)


def test_the_simulated_market_trades_on_its_sessions(calendar: ExchangeCalendar) -> None:
    spy = SimulatedMarket(calendar).read(["SPY"], date(2024, 12, 24), date(2025, 1, 10)).bars["SPY"]
    assert spy.session.tolist() == calendar.ending(date(2025, 1, 10), 11)


def test_an_unknown_exchange_and_a_negative_delay_are_refused() -> None:
    with pytest.raises(ConfigError, match="got .NOWHERE"):
        ExchangeCalendar("NOWHERE")
    with pytest.raises(ConfigError, match="got -1 day"):
        ExchangeCalendar(delay=timedelta(minutes=-1))


def test_an_added_closure_takes_a_session_away(tmp_path: Path) -> None:
    calendar: Calendar = ExchangeCalendar(overrides=written(tmp_path, [MOURNING]))
    assert calendar.following(date(2030, 1, 14), 1) == [date(2030, 1, 16)]
    assert calendar.ending(date(2030, 1, 16), 2)[0] == date(2030, 1, 14)
    assert calendar.last_closed(in_new_york("2030-01-15T20:00:00")) == date(2030, 1, 14)
    assert ExchangeCalendar().following(date(2030, 1, 14), 1) == [date(2030, 1, 15)]


@pytest.mark.parametrize("day", ["2030-01-15", "2030-07-15"])
def test_an_added_early_close_is_in_the_exchanges_time(tmp_path: Path, day: str) -> None:
    path = written(tmp_path, [MOURNING | {"date": day, "close": "13:00"}])
    calendar = ExchangeCalendar(overrides=path)
    assert calendar.last_closed(in_new_york(f"{day}T13:29:59")) < date.fromisoformat(day)
    assert calendar.last_closed(in_new_york(f"{day}T13:30:00")) == date.fromisoformat(day)


def test_a_closure_the_library_knows_already_may_stay(tmp_path: Path) -> None:
    path = written(tmp_path, [MOURNING | {"date": "2025-01-09"}])
    assert ExchangeCalendar(overrides=path).following(date(2025, 1, 8), 1) == [date(2025, 1, 10)]


def test_closures_of_another_exchange_change_nothing_here(tmp_path: Path) -> None:
    path = written(tmp_path, [MOURNING | {"calendar": "XLON"}])
    assert ExchangeCalendar(overrides=path).ending(date(2030, 1, 15), 1)
    with pytest.raises(ConfigError, match="got 2030-01-15"):
        ExchangeCalendar("XLON", overrides=path).ending(date(2030, 1, 15), 1)


def test_the_shipped_closures_are_closed(calendar: ExchangeCalendar) -> None:
    for override in read_overrides(CLOSURES):
        with pytest.raises(ConfigError, match=f"got {override.date}"):
            calendar.ending(override.date, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "expected a JSON file of closures"),
        ({"closures": []}, "expected a list of closures, got {'closures'"),
        (["2025-01-09"], "entry 1: expected the fields calendar, date, close, why; got '2025"),
        ([MOURNING, {"date": "2025-01-09"}], "entry 2: expected the fields"),
        ([MOURNING | {"open": "10:00"}], "entry 1: expected the fields"),
        ([MOURNING | {"calendar": "NOWHERE"}], "expected an exchange's code, got 'NOWHERE'"),
        ([MOURNING | {"date": "15.1.2030"}], 'expected date "YYYY-MM-DD".*15.1.2030'),
        ([MOURNING | {"date": 20300115}], 'expected date "YYYY-MM-DD".*20300115'),
        ([MOURNING | {"date": "2205-01-15"}], "expected a day .* got 2205-01-15"),
        ([MOURNING | {"close": "1 pm"}], '"HH:MM" or null, got .*1 pm'),
        ([MOURNING | {"close": ""}], '"HH:MM" or null'),
        ([MOURNING | {"close": "17:00"}], "between 2030-01-15T14:30.*21:00.*got .*17:00"),
        ([MOURNING | {"close": "01:00"}], "expected an early close of XNYS between"),
        ([MOURNING | {"date": "2030-01-13", "close": "13:00"}], "expected a session of XNYS"),
        ([MOURNING, MOURNING], "expected each day once, got 2030-01-15 of XNYS twice"),
    ],
)
def test_an_override_that_makes_no_sense_is_refused(
    tmp_path: Path, content: Any, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        ExchangeCalendar(overrides=written(tmp_path, content))


def test_a_missing_override_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere.json"):
        ExchangeCalendar(overrides=tmp_path / "nowhere.json")
