"""Trouble that may pass: what is asked again, and how long is waited."""

from __future__ import annotations

from itertools import repeat
from pathlib import Path

import pytest
from yfinance import exceptions

from pipeline.adapters.yahoo.yahoo_bars import YahooBars
from pipeline.errors import Reason, SourceUnavailable
from tests.support.builders import raw_bars
from tests.support.loopback_yahoo import (
    CRUMB,
    THROTTLED,
    UNKNOWN,
    Behaviour,
    LoopbackYahoo,
    late,
    refusing,
    refusing_in_json,
    truncated,
)
from tests.support.yahoo_source import (
    FIRST,
    LAST,
    TICKERS,
    PatientClock,
    assert_equal,
    make_source,
    sent,
)

# Trouble that may pass

BROKEN: dict[str, Behaviour] = {
    "throttled": THROTTLED,
    "internal error": refusing(500, b"<html>Internal Server Error</html>"),
    "internal error in json": refusing_in_json(
        500, "Internal Server Error", "No data found, symbol may be delisted"
    ),
    "unavailable": refusing(503, b"Will be right back"),
    "bad gateway": refusing(502),
    "invalid crumb": refusing_in_json(401, "Unauthorized", "Invalid Crumb"),
    "not found, but not by the chart service": refusing(404, b"<html>Not Found</html>"),
    "truncated": truncated,
    "an error page with status 200": refusing(200, b"<html>Will be right back</html>"),
    "an error with status 200": refusing_in_json(
        200, "Not Found", "No data found, symbol may be delisted"
    ),
    "json of another shape": refusing(200, b'{"finance": {"result": null}}'),
    "a chart of null": refusing(200, b'{"chart": null}'),
    "no quotes": refusing(200, b'{"chart": {"result": [{"meta": {}}], "error": null}}'),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_trouble_that_lasts_is_source_unavailable_after_bounded_attempts(
    yahoo: LoopbackYahoo, source: YahooBars, clock: PatientClock, broken: Behaviour
) -> None:
    yahoo.misbehaves("SPY", repeat(broken))
    reading = source.read(["SPY"], FIRST, LAST)
    failure = reading.failures["SPY"]
    assert reading.bars == {}
    assert (type(failure), failure.reason) == (SourceUnavailable, Reason.SOURCE_UNAVAILABLE)
    assert isinstance(failure.__cause__, Exception)
    assert clock.slept == [2.0, 4.0]
    assert len(yahoo.charts("SPY")) <= 2 * source.attempts


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_trouble_that_passes_is_forgotten(
    yahoo: LoopbackYahoo, source: YahooBars, clock: PatientClock, broken: Behaviour
) -> None:
    yahoo.misbehaves("SPY", [broken, broken])  # yfinance itself repeats a refused request once
    reading = source.read(["SPY"], FIRST, LAST)
    assert_equal(reading.bars["SPY"], sent())
    assert reading.failures == {}
    assert len(clock.slept) <= 2


def test_a_server_that_does_not_answer_in_time_is_source_unavailable(
    yahoo: LoopbackYahoo, clock: PatientClock, tmp_path: Path
) -> None:
    source = make_source(tmp_path, clock, timeout=0.1, attempts=2)
    yahoo.misbehaves("SPY", repeat(late))
    failure = source.read(["SPY"], FIRST, LAST).failures["SPY"]
    assert (type(failure), failure.reason) == (SourceUnavailable, Reason.SOURCE_UNAVAILABLE)
    assert isinstance(failure.__cause__, OSError)
    assert clock.slept == [2.0]


def test_a_time_out_that_passes_is_forgotten(
    yahoo: LoopbackYahoo, clock: PatientClock, tmp_path: Path
) -> None:
    source = make_source(tmp_path, clock, timeout=0.5)
    yahoo.misbehaves("SPY", [late])
    assert_equal(source.read(["SPY"], FIRST, LAST).bars["SPY"], sent())


@pytest.mark.parametrize("step", ["cookie", "crumb"])
def test_a_cookie_or_crumb_that_does_not_come_in_time_does_not_cost_the_bars(
    yahoo: LoopbackYahoo, clock: PatientClock, tmp_path: Path, step: str
) -> None:
    # Without the ceiling on the session this would wait for yfinance's own 30 seconds.
    source = make_source(tmp_path, clock, timeout=0.5)
    yahoo.misbehaves(step, [late])
    assert_equal(source.read(["SPY"], FIRST, LAST).bars["SPY"], sent())
    chart = yahoo.charts("SPY")[0]
    assert (chart.cookie, chart.query.get("crumb")) != ("A3=loopback", CRUMB)


def test_a_throttled_crumb_does_not_cost_the_bars(yahoo: LoopbackYahoo, source: YahooBars) -> None:
    yahoo.misbehaves("crumb", repeat(THROTTLED))
    assert_equal(source.read(["SPY"], FIRST, LAST).bars["SPY"], sent())


def test_only_the_ticker_in_trouble_is_asked_again(
    yahoo: LoopbackYahoo, source: YahooBars, clock: PatientClock
) -> None:
    yahoo.misbehaves("DIA", repeat(THROTTLED))
    reading = source.read(TICKERS, FIRST, LAST)
    assert set(reading.bars) == {"SPY", "QQQ", "IWM"}
    assert set(reading.failures) == {"DIA"}
    assert len(clock.slept) == 2
    assert {ticker: len(yahoo.charts(ticker)) for ticker in TICKERS} == {
        "SPY": 1,
        "QQQ": 1,
        "DIA": 6,
        "IWM": 1,
    }


def test_an_unknown_ticker_is_not_asked_again_beside_one_in_trouble(
    yahoo: LoopbackYahoo, source: YahooBars
) -> None:
    yahoo.misbehaves("SPY", [THROTTLED, THROTTLED])
    yahoo.misbehaves("DIA", repeat(UNKNOWN))
    reading = source.read(["SPY", "DIA"], FIRST, LAST)
    assert set(reading.bars) == {"SPY"}
    assert reading.failures["DIA"].reason is Reason.UNKNOWN_TICKER
    assert len(yahoo.charts("DIA")) == 2


def test_an_index_which_a_forecast_can_do_without_is_tried_only_twice(
    yahoo: LoopbackYahoo, source: YahooBars, clock: PatientClock
) -> None:
    yahoo.knows(raw_bars("^VIX"))
    yahoo.misbehaves("^VIX", repeat(THROTTLED))
    reading = source.read(["SPY", "^VIX"], FIRST, LAST)
    assert set(reading.bars) == {"SPY"}
    assert reading.failures["^VIX"].reason is Reason.SOURCE_UNAVAILABLE
    assert clock.slept == [2.0]
    yahoo.misbehaves("^VIX", [THROTTLED, THROTTLED])
    assert set(source.read(["^VIX"], FIRST, LAST).bars) == {"^VIX"}


# Waiting


def test_waits_double_up_to_a_bound_and_are_drawn_from_all_of_it(
    yahoo: LoopbackYahoo, clock: PatientClock, tmp_path: Path
) -> None:
    drawn = iter([1.0, 0.5, 0.0, 1.0, 1.0, 1.0])
    source = make_source(tmp_path, clock, attempts=7, random=lambda: next(drawn))
    yahoo.misbehaves("SPY", repeat(THROTTLED))
    source.read(["SPY"], FIRST, LAST)
    assert clock.slept == [2.0, 2.0, 0.0, 16.0, 32.0, 60.0]


def test_no_wait_reaches_into_the_reserve(
    yahoo: LoopbackYahoo, clock: PatientClock, tmp_path: Path
) -> None:
    clock.left = 67.0
    source = make_source(tmp_path, clock, attempts=50, reserve=60.0)
    yahoo.misbehaves("SPY", repeat(THROTTLED))
    failure = source.read(["SPY"], FIRST, LAST).failures["SPY"]
    assert clock.slept == [2.0, 4.0]
    assert clock.left > source.reserve
    assert isinstance(failure.__cause__, exceptions.YFRateLimitError)


def test_without_time_nothing_is_asked_and_every_ticker_has_failed(
    yahoo: LoopbackYahoo, clock: PatientClock, tmp_path: Path
) -> None:
    clock.left = 60.0
    reading = make_source(tmp_path, clock, reserve=60.0).read(TICKERS, FIRST, LAST)
    assert {ticker: why.reason for ticker, why in reading.failures.items()} == dict.fromkeys(
        TICKERS, Reason.SOURCE_UNAVAILABLE
    )
    assert (reading.bars, yahoo.requests, clock.slept) == ({}, [], [])


def test_when_time_runs_out_between_tickers_the_rest_is_not_asked(
    yahoo: LoopbackYahoo, tmp_path: Path
) -> None:
    left = iter([100.0, 70.0, 50.0, 50.0, 50.0])
    source = YahooBars(tmp_path, lambda: next(left), reserve=60.0)
    reading = source.read(TICKERS, FIRST, LAST)
    assert set(reading.bars) == {"SPY", "QQQ"}
    assert {why.reason for why in reading.failures.values()} == {Reason.SOURCE_UNAVAILABLE}
    assert yahoo.charts("DIA") == yahoo.charts("IWM") == []


def test_of_many_who_ask_each_keeps_its_distance(tmp_path: Path, yahoo: LoopbackYahoo) -> None:
    """From the beginning of a request to that of the next, whether it is answered or not."""
    clock = PatientClock()
    options = {"pause": 2.0, "monotonic": lambda: 900 - clock.left, "attempts": 1}
    reading = make_source(tmp_path, clock, **options).read(TICKERS, FIRST, LAST)
    assert reading.bars.keys() == set(TICKERS)
    assert clock.slept == [2.0, 2.0, 2.0]


def test_nobody_waits_for_a_turn_that_comes_too_late(tmp_path: Path, yahoo: LoopbackYahoo) -> None:
    clock = PatientClock(left=63.5)
    options = {"pause": 2.0, "monotonic": lambda: 63.5 - clock.left, "attempts": 1}
    reading = make_source(tmp_path, clock, **options).read(TICKERS, FIRST, LAST)
    assert list(reading.bars) == ["SPY", "QQQ"]
    assert clock.slept == [2.0]
    assert {failure.reason for failure in reading.failures.values()} == {Reason.SOURCE_UNAVAILABLE}
