"""What an answer of Yahoo becomes, and answers without bars."""

from __future__ import annotations

from datetime import date

import numpy as np

from pipeline.adapters.yahoo.yahoo_bars import YahooBars
from pipeline.bars import COLUMNS
from pipeline.errors import InvalidBars, Reason
from tests.support.builders import raw_bars
from tests.support.loopback_yahoo import (
    CRUMB,
    LoopbackYahoo,
    refusing_in_json,
    without_bars,
)
from tests.support.yahoo_source import (
    FIRST,
    LAST,
    TICKERS,
    PatientClock,
    assert_equal,
    keep,
    sent,
    with_value,
)

# What a good answer becomes


def test_bars_are_those_the_server_has_from_the_first_to_the_last_session(
    source: YahooBars,
) -> None:
    reading = source.read(TICKERS, FIRST, LAST)
    assert list(reading.bars) == list(TICKERS)
    assert reading.failures == {}
    for ticker in TICKERS:
        assert_equal(reading.bars[ticker], sent(ticker))
    assert reading.bars["SPY"].session[[0, -1]].tolist() == [FIRST, LAST]
    for name in COLUMNS:
        assert getattr(reading.bars["SPY"], name).dtype == np.float64


def test_the_source_names_itself(source: YahooBars) -> None:
    assert source.label == "Yahoo Finance"


def test_one_cookie_and_one_crumb_serve_all_tickers(
    yahoo: LoopbackYahoo, source: YahooBars
) -> None:
    source.read(TICKERS, FIRST, LAST)
    assert [seen.host for seen in yahoo.requests].count("fc.yahoo.com") == 1
    assert len(yahoo.seen("/v1/test/getcrumb")) == 1
    for ticker in TICKERS:
        for chart in yahoo.charts(ticker):
            assert chart.query["crumb"] == CRUMB
            assert chart.cookie == "A3=loopback"


def test_a_ticker_costs_one_request_a_read(yahoo: LoopbackYahoo, source: YahooBars) -> None:
    source.read(["SPY"], FIRST, LAST)
    source.read(["SPY"], FIRST, LAST)
    assert len(yahoo.charts("SPY")) == 2


def test_a_dividend_and_a_split_in_the_range_are_carried_on_their_sessions(
    yahoo: LoopbackYahoo, source: YahooBars
) -> None:
    dividend, split = np.zeros(200), np.zeros(200)
    dividend[-5], split[-9] = 1.97, 2.0
    bars = raw_bars(dividend=dividend, split=split)
    yahoo.knows(bars)
    assert_equal(source.read(["SPY"], FIRST, LAST).bars["SPY"], bars.since(FIRST))


def test_prices_are_not_adjusted_for_dividends(yahoo: LoopbackYahoo, source: YahooBars) -> None:
    bars = with_value("dividend", -5, 20.0)
    yahoo.knows(bars)
    got = source.read(["SPY"], FIRST, LAST).bars["SPY"]
    np.testing.assert_array_equal(got.close, bars.since(FIRST).close)


def test_no_tickers_read_as_an_empty_reading(yahoo: LoopbackYahoo, source: YahooBars) -> None:
    reading = source.read([], FIRST, LAST)
    assert (reading.bars, reading.failures, yahoo.requests) == ({}, {}, [])


# Odd rows, which the pipeline is to judge


def test_a_last_bar_of_nan_stays_visible_as_nan(yahoo: LoopbackYahoo, source: YahooBars) -> None:
    hole = {name: getattr(raw_bars(), name).copy() for name in ("open", "high", "low", "close")}
    for column in hole.values():
        column[-1] = np.nan
    yahoo.knows(raw_bars(**hole))
    got = source.read(["SPY"], FIRST, LAST).bars["SPY"]
    assert got.session[-1] == np.datetime64(LAST)
    assert np.isnan([got.open[-1], got.high[-1], got.low[-1], got.close[-1]]).all()
    np.testing.assert_array_equal(got.close[:-1], sent().close[:-1])


def test_a_row_of_nothing_but_nulls_stays_with_the_volume_yfinance_gives_it(
    yahoo: LoopbackYahoo, source: YahooBars
) -> None:
    columns = {
        name: getattr(raw_bars(), name).copy()
        for name in ("open", "high", "low", "close", "volume")
    }
    for column in columns.values():
        column[-3] = np.nan
    yahoo.knows(raw_bars(**columns))
    got = source.read(["SPY"], FIRST, LAST).bars["SPY"]
    np.testing.assert_array_equal(got.session, sent().session)
    assert np.isnan(got.close[-3])
    assert got.volume[-3] == 0


def test_a_missing_session_stays_missing_beside_tickers_that_have_it(
    yahoo: LoopbackYahoo, source: YahooBars
) -> None:
    rows = [row for row in range(200) if row != 195]
    yahoo.knows(keep(raw_bars(), rows))
    bars = source.read(TICKERS, FIRST, LAST).bars
    assert_equal(bars["SPY"], keep(raw_bars(), rows).since(FIRST))
    assert_equal(bars["QQQ"], sent("QQQ"))


def test_the_partial_bar_of_a_session_after_the_last_is_cut(
    yahoo: LoopbackYahoo, source: YahooBars
) -> None:
    yahoo.ignores_range = True
    last = date(2024, 12, 24)
    got = source.read(["SPY"], FIRST, last).bars["SPY"]
    assert_equal(got, raw_bars().since(FIRST).as_of(last))


def test_the_live_bar_repeated_at_the_end_replaces_the_one_before_it(
    yahoo: LoopbackYahoo, source: YahooBars
) -> None:
    rows = [*range(200), 199]
    repeated = keep(raw_bars(), rows)
    repeated.volume[-1] += 1000
    yahoo.knows(repeated)
    got = source.read(["SPY"], FIRST, LAST).bars["SPY"]
    assert_equal(got, keep(repeated, [*range(199), 200]).since(FIRST))


def test_of_a_date_repeated_before_the_end_yfinance_keeps_the_first_row(
    yahoo: LoopbackYahoo, source: YahooBars
) -> None:
    repeated = keep(raw_bars(), [*range(196), *range(195, 200)])
    repeated.close[196] += 1
    yahoo.knows(repeated)
    assert_equal(source.read(["SPY"], FIRST, LAST).bars["SPY"], sent())


# Answers without bars


def test_an_empty_answer_is_no_bars_and_is_not_asked_again(
    yahoo: LoopbackYahoo, source: YahooBars, clock: PatientClock
) -> None:
    yahoo.misbehaves("SPY", [without_bars])
    failure = source.read(["SPY"], FIRST, LAST).failures["SPY"]
    assert (type(failure), failure.reason) == (InvalidBars, Reason.NO_BARS)
    assert clock.slept == []


def test_a_range_outside_the_tickers_life_is_no_bars(
    yahoo: LoopbackYahoo, source: YahooBars, clock: PatientClock
) -> None:
    refused = refusing_in_json(400, "Bad Request", "Data doesn't exist for startDate = 0")
    yahoo.misbehaves("SPY", [refused, refused])
    failure = source.read(["SPY"], FIRST, LAST).failures["SPY"]
    assert (type(failure), failure.reason) == (InvalidBars, Reason.NO_BARS)
    assert clock.slept == []


def test_rows_that_all_lie_outside_the_range_are_no_bars(
    yahoo: LoopbackYahoo, source: YahooBars
) -> None:
    yahoo.ignores_range = True
    failure = source.read(["SPY"], date(2025, 3, 3), date(2025, 3, 7)).failures["SPY"]
    assert failure.reason is Reason.NO_BARS


def test_an_unknown_ticker_is_named_so_and_not_asked_again(
    yahoo: LoopbackYahoo, source: YahooBars, clock: PatientClock
) -> None:
    reading = source.read(["SPY", "NOSUCH"], FIRST, LAST)
    failure = reading.failures["NOSUCH"]
    assert (type(failure), failure.reason) == (InvalidBars, Reason.UNKNOWN_TICKER)
    assert "NOSUCH" in str(failure)
    assert_equal(reading.bars["SPY"], sent())
    assert clock.slept == []
    assert len(yahoo.charts("NOSUCH")) == 2  # yfinance itself asks twice, with another cookie


def test_a_ticker_delisted_since_it_was_read_is_unknown(
    yahoo: LoopbackYahoo, source: YahooBars
) -> None:
    source.read(["SPY"], FIRST, LAST)
    del yahoo.bars["SPY"]
    assert source.read(["SPY"], FIRST, LAST).failures["SPY"].reason is Reason.UNKNOWN_TICKER
