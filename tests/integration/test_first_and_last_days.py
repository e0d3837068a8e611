"""Runs on the first and on the last days that the simulated market and the calendar know."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from pathlib import Path

import pytest

from pipeline.adapters.exchange.calendar import FIRST, LAST, ExchangeCalendar
from pipeline.adapters.simulated.market import START, SimulatedMarket
from pipeline.cli.options import NEW_YORK
from pipeline.errors import ConfigError
from tests.support.commands import TICKERS, Clock, Forecaster, assert_refused

CALENDAR = ExchangeCalendar()
RUN = ("run", "--bars", "simulated", "--json")
# A forecast reaches five sessions ahead, and no further than the calendar.
LAST_ORIGIN, TOO_LATE = CALENDAR.ending(LAST, 6)[:2]
# Features reach 126 sessions back.
FIRST_ORIGIN = CALENDAR.following(START, 125)[-1]
ADVICE = "check the date and the clock"


def evening(day: date) -> datetime:
    return datetime.combine(day, time(18), NEW_YORK)


@pytest.mark.parametrize(
    "origin",
    [
        *(date(2048, 11, 16), date(2048, 11, 17), date(2048, 11, 18)),
        *CALENDAR.ending(LAST_ORIGIN, 2),
    ],
    ids=str,
)
def test_the_market_goes_on_up_to_the_last_origin(
    forecaster: Forecaster, clock: Clock, origin: date
) -> None:
    clock(evening(origin))
    answer = forecaster(*RUN)
    assert (answer.code, answer.err) == (0, "")
    targets = [date.fromisoformat(row["target_date"]) for row in answer.document["forecasts"]]
    assert targets == CALENDAR.following(origin, 5) * 4


@pytest.mark.parametrize("origin", CALENDAR.between(TOO_LATE, LAST), ids=str)
def test_a_later_origin_is_one_clear_error_and_writes_nothing(
    forecaster: Forecaster, clock: Clock, origin: date
) -> None:
    clock(evening(origin))
    assert_refused(
        forecaster(*RUN), 2, f"to {LAST}, got a request for 5 after {origin}", "beyond", ADVICE
    )
    assert not Path("store").exists()


def test_a_day_after_the_last_is_one_clear_error(forecaster: Forecaster, clock: Clock) -> None:
    clock(evening(date(2050, 1, 3)))
    for command in (RUN, ("fetch", "--bars", "simulated", "--out", "bars")):
        assert_refused(forecaster(*command), 2, f"to {LAST}, got 2050-01-03", ADVICE)
    assert not Path("store").exists()


def test_a_backfill_ends_with_the_last_origin(forecaster: Forecaster, clock: Clock) -> None:
    clock(evening(LAST))
    backfill = ("backfill", "--bars", "simulated", "--from", "2049-12-21", "--json")
    assert_refused(forecaster(*backfill), 2, f"a request for 5 after {LAST}", ADVICE)
    assert not Path("store").exists()
    answer = forecaster(*backfill, "--to", str(LAST_ORIGIN))
    expected = {"store": "./store", "sessions": 3, "last": str(LAST_ORIGIN), "withheld": {}}
    assert answer.document == expected


def test_a_backfill_needs_the_history_of_its_first_session_and_no_more(
    forecaster: Forecaster,
) -> None:
    backfill = ("backfill", "--bars", "simulated", "--to", "1992-06-30", "--from")
    assert_refused(forecaster(*backfill, "1991-04-05"), 2, "a request for 320 up to 1991-04-05")
    assert_refused(forecaster(*backfill, "1991-04-08"), 1, "expected bars from 1991-04-08 on")


def test_the_status_of_an_old_record_counts_every_session_since(
    forecaster: Forecaster, clock: Clock
) -> None:
    origin = date(2025, 6, 30)
    clock(evening(origin))
    assert forecaster(*RUN).code == 0
    assert forecaster("status", "--json").document["lag_sessions"] == 0
    clock(evening(LAST))
    since = CALENDAR.between(origin, LAST)
    assert forecaster("status", "--json").document["lag_sessions"] == len(since) - 1 > 6000


def test_bars_reach_from_the_first_session_to_the_last() -> None:
    spy = SimulatedMarket(CALENDAR).read(["SPY"], FIRST, LAST).bars["SPY"]
    assert spy.session.tolist() == CALENDAR.between(START, LAST)
    with pytest.raises(ConfigError, match=f"to {LAST}, got 2050-01-01"):
        SimulatedMarket(CALENDAR).read(["SPY"], START, date(2050, 1, 1))


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        (date(2020, 1, 1), "no_bars"),
        (START, "not_enough_history"),
        (CALENDAR.ending(FIRST_ORIGIN, 2)[0], "not_enough_history"),
    ],
    ids=str,
)
def test_before_there_is_a_history_every_ticker_is_withheld_with_its_reason(
    forecaster: Forecaster, day: date, reason: str
) -> None:
    answer = forecaster(*RUN, "--as-of", str(day))
    assert answer.code == 1
    withheld = answer.document["withheld"]
    assert {ticker: why["reason"] for ticker, why in withheld.items()} == dict.fromkeys(
        TICKERS, reason
    )
    assert answer.document["forecasts"] == []


def test_the_first_origin_has_just_enough_history(forecaster: Forecaster) -> None:
    answer = forecaster(*RUN, "--as-of", str(FIRST_ORIGIN))
    assert (answer.code, answer.err) == (0, "")
    assert len(answer.document["forecasts"]) == 20
    manifest = json.loads(Path(f"store/runs/{FIRST_ORIGIN}.00.json").read_text())
    assert manifest["tickers"] == dict.fromkeys(TICKERS, "ok")


@pytest.mark.parametrize(
    ("day", "words"),
    [
        ("1989-12-31", f"from {FIRST} to {LAST}, got 1989-12-31"),
        ("1990-01-01", "got a request for the newest one at 1990-01-01"),
        ("1990-01-02", "got a request for 320 up to 1990-01-02"),
        ("1991-04-05", "got a request for 320 up to 1991-04-05"),
    ],
)
def test_a_day_whose_history_the_calendar_lacks_is_one_clear_error(
    forecaster: Forecaster, day: str, words: str
) -> None:
    assert_refused(forecaster(*RUN, "--as-of", day), 2, words, ADVICE)
    assert not Path("store").exists()


def test_the_first_day_with_a_history_of_sessions_is_answered(forecaster: Forecaster) -> None:
    answer = forecaster(*RUN, "--as-of", "1991-04-08")
    assert {why["reason"] for why in answer.document["withheld"].values()} == {"no_bars"}
