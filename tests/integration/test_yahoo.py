"""The real yfinance client against a Yahoo on loopback."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from datetime import date
from itertools import repeat
from pathlib import Path

import numpy as np
import pytest
from yfinance import exceptions

from pipeline.adapters.yahoo_bars import YahooBars, translate
from pipeline.bars import COLUMNS, RawBars
from pipeline.errors import InvalidBars, Reason, SourceUnavailable
from tests.support.builders import raw_bars
from tests.support.loopback_yahoo import (
    CRUMB,
    THROTTLED,
    UNKNOWN,
    Behaviour,
    LoopbackYahoo,
    late,
    loopback_yahoo,
    refusing,
    refusing_in_json,
    truncated,
    without_bars,
)

FIRST = date(2024, 11, 1)
LAST = date(2024, 12, 27)
TICKERS = ("SPY", "QQQ", "DIA", "IWM")


@dataclass
class Clock:
    """Time that passes only in sleep."""

    left: float = 900.0
    slept: list[float] = field(default_factory=list)

    def remaining(self) -> float:
        return self.left

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.left -= seconds


@pytest.fixture
def yahoo(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackYahoo]:
    with loopback_yahoo(monkeypatch) as server:
        server.knows(*(raw_bars(ticker) for ticker in TICKERS))
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source(yahoo: LoopbackYahoo, clock: Clock, tmp_path: Path) -> YahooBars:
    return make_source(tmp_path, clock)


def make_source(cache_dir: Path, clock: Clock, **options: float | Callable[[], float]) -> YahooBars:
    options = {"timeout": 5.0, "attempts": 3, "random": lambda: 1.0} | options
    return YahooBars(cache_dir, clock.remaining, sleep=clock.sleep, **options)


def sent(ticker: str = "SPY") -> RawBars:
    return raw_bars(ticker).since(FIRST).as_of(LAST)


def assert_equal(got: RawBars, expected: RawBars) -> None:
    assert got.session.dtype == np.dtype("datetime64[D]")
    for name in (f.name for f in fields(RawBars)):
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name), err_msg=name)


def keep(bars: RawBars, rows: list[int]) -> RawBars:
    columns = {name: getattr(bars, name)[rows] for name in ("session", *COLUMNS)}
    return RawBars(ticker=bars.ticker, **columns)


def with_value(name: str, row: int, value: float) -> RawBars:
    column = getattr(raw_bars(), name).copy()
    column[row] = value
    return raw_bars(**{name: column})


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


def test_a_ticker_costs_one_time_zone_request_once_and_one_chart_request_a_read(
    yahoo: LoopbackYahoo, source: YahooBars
) -> None:
    source.read(["SPY"], FIRST, LAST)
    source.read(["SPY"], FIRST, LAST)
    assert len(yahoo.charts("SPY")) == 3


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
    yahoo: LoopbackYahoo, source: YahooBars, clock: Clock
) -> None:
    yahoo.misbehaves("SPY", [lambda good: good, without_bars])
    failure = source.read(["SPY"], FIRST, LAST).failures["SPY"]
    assert (type(failure), failure.reason) == (InvalidBars, Reason.NO_BARS)
    assert clock.slept == []


def test_a_range_outside_the_tickers_life_is_no_bars(
    yahoo: LoopbackYahoo, source: YahooBars, clock: Clock
) -> None:
    refused = refusing_in_json(400, "Bad Request", "Data doesn't exist for startDate = 0")
    yahoo.misbehaves("SPY", [lambda good: good, refused, refused])
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
    yahoo: LoopbackYahoo, source: YahooBars, clock: Clock
) -> None:
    reading = source.read(["SPY", "NOSUCH"], FIRST, LAST)
    failure = reading.failures["NOSUCH"]
    assert (type(failure), failure.reason) == (InvalidBars, Reason.UNKNOWN_TICKER)
    assert "NOSUCH" in str(failure)
    assert_equal(reading.bars["SPY"], sent())
    assert clock.slept == []
    assert len(yahoo.charts("NOSUCH")) == 2  # yfinance itself asks twice, with another cookie


def test_a_ticker_delisted_since_its_time_zone_was_cached_is_unknown(
    yahoo: LoopbackYahoo, source: YahooBars
) -> None:
    source.read(["SPY"], FIRST, LAST)
    del yahoo.bars["SPY"]
    assert source.read(["SPY"], FIRST, LAST).failures["SPY"].reason is Reason.UNKNOWN_TICKER


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
    "no time zone": refusing(200, b'{"chart": {"result": [{"meta": {}}], "error": null}}'),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("before", [0, 1], ids=["at once", "after the time zone"])
def test_trouble_that_lasts_is_source_unavailable_after_bounded_attempts(
    yahoo: LoopbackYahoo, source: YahooBars, clock: Clock, broken: Behaviour, before: int
) -> None:
    yahoo.misbehaves("SPY", [*repeat(lambda good: good, before), *repeat(broken, 100)])
    reading = source.read(["SPY"], FIRST, LAST)
    failure = reading.failures["SPY"]
    assert reading.bars == {}
    assert (type(failure), failure.reason) == (SourceUnavailable, Reason.SOURCE_UNAVAILABLE)
    assert isinstance(failure.__cause__, Exception)
    assert clock.slept == [2.0, 4.0]
    assert len(yahoo.charts("SPY")) <= before + 2 * source.attempts


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_trouble_that_passes_is_forgotten(
    yahoo: LoopbackYahoo, source: YahooBars, clock: Clock, broken: Behaviour
) -> None:
    yahoo.misbehaves("SPY", [broken, broken])  # yfinance itself repeats a refused request once
    reading = source.read(["SPY"], FIRST, LAST)
    assert_equal(reading.bars["SPY"], sent())
    assert reading.failures == {}
    assert len(clock.slept) <= 2


def test_a_server_that_does_not_answer_in_time_is_source_unavailable(
    yahoo: LoopbackYahoo, clock: Clock, tmp_path: Path
) -> None:
    source = make_source(tmp_path, clock, timeout=0.1, attempts=2)
    yahoo.misbehaves("SPY", repeat(late))
    failure = source.read(["SPY"], FIRST, LAST).failures["SPY"]
    assert (type(failure), failure.reason) == (SourceUnavailable, Reason.SOURCE_UNAVAILABLE)
    assert isinstance(failure.__cause__, OSError)
    assert clock.slept == [2.0]


def test_a_time_out_that_passes_is_forgotten(
    yahoo: LoopbackYahoo, clock: Clock, tmp_path: Path
) -> None:
    source = make_source(tmp_path, clock, timeout=0.5)
    yahoo.misbehaves("SPY", [late])
    assert_equal(source.read(["SPY"], FIRST, LAST).bars["SPY"], sent())


@pytest.mark.parametrize("step", ["cookie", "crumb"])
def test_a_cookie_or_crumb_that_does_not_come_in_time_does_not_cost_the_bars(
    yahoo: LoopbackYahoo, clock: Clock, tmp_path: Path, step: str
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
    yahoo: LoopbackYahoo, source: YahooBars, clock: Clock
) -> None:
    yahoo.misbehaves("DIA", repeat(THROTTLED))
    reading = source.read(TICKERS, FIRST, LAST)
    assert set(reading.bars) == {"SPY", "QQQ", "IWM"}
    assert set(reading.failures) == {"DIA"}
    assert len(clock.slept) == 2
    assert {ticker: len(yahoo.charts(ticker)) for ticker in TICKERS} == {
        "SPY": 2,
        "QQQ": 2,
        "DIA": 6,
        "IWM": 2,
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
    yahoo: LoopbackYahoo, source: YahooBars, clock: Clock
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
    yahoo: LoopbackYahoo, clock: Clock, tmp_path: Path
) -> None:
    drawn = iter([1.0, 0.5, 0.0, 1.0, 1.0, 1.0])
    source = make_source(tmp_path, clock, attempts=7, random=lambda: next(drawn))
    yahoo.misbehaves("SPY", repeat(THROTTLED))
    source.read(["SPY"], FIRST, LAST)
    assert clock.slept == [2.0, 2.0, 0.0, 16.0, 32.0, 60.0]


def test_no_wait_reaches_into_the_reserve(
    yahoo: LoopbackYahoo, clock: Clock, tmp_path: Path
) -> None:
    clock.left = 67.0
    source = make_source(tmp_path, clock, attempts=50, reserve=60.0)
    yahoo.misbehaves("SPY", repeat(THROTTLED))
    failure = source.read(["SPY"], FIRST, LAST).failures["SPY"]
    assert clock.slept == [2.0, 4.0]
    assert clock.left > source.reserve
    assert isinstance(failure.__cause__, exceptions.YFRateLimitError)


def test_without_time_nothing_is_asked_and_every_ticker_has_failed(
    yahoo: LoopbackYahoo, clock: Clock, tmp_path: Path
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


# Errors

MEANING: dict[str, tuple[Exception, type, Reason]] = {
    "YFException": (exceptions.YFException("odd"), SourceUnavailable, Reason.SOURCE_UNAVAILABLE),
    "YFDataException": (
        exceptions.YFDataException("down"),
        SourceUnavailable,
        Reason.SOURCE_UNAVAILABLE,
    ),
    "YFNotImplementedError": (
        exceptions.YFNotImplementedError("bars"),
        SourceUnavailable,
        Reason.SOURCE_UNAVAILABLE,
    ),
    "YFTickerMissingError": (
        exceptions.YFTickerMissingError("SPY", "odd"),
        SourceUnavailable,
        Reason.SOURCE_UNAVAILABLE,
    ),
    "YFTzMissingError": (
        exceptions.YFTzMissingError("SPY"),
        SourceUnavailable,
        Reason.SOURCE_UNAVAILABLE,
    ),
    "YFPricesMissingError": (
        exceptions.YFPricesMissingError("SPY", ""),
        InvalidBars,
        Reason.NO_BARS,
    ),
    "YFEarningsDateMissing": (
        exceptions.YFEarningsDateMissing("SPY"),
        SourceUnavailable,
        Reason.SOURCE_UNAVAILABLE,
    ),
    "YFInvalidPeriodError": (
        exceptions.YFInvalidPeriodError("SPY", "1x", "1d"),
        SourceUnavailable,
        Reason.SOURCE_UNAVAILABLE,
    ),
    "YFRateLimitError": (
        exceptions.YFRateLimitError(),
        SourceUnavailable,
        Reason.SOURCE_UNAVAILABLE,
    ),
}


def test_every_error_of_yfinance_has_a_meaning() -> None:
    assert set(MEANING) == {name for name, _ in inspect.getmembers(exceptions, inspect.isclass)}


@pytest.mark.parametrize("name", MEANING)
def test_an_error_of_yfinance_becomes_one_of_ours(name: str) -> None:
    error, kind, reason = MEANING[name]
    meant = translate("SPY", error)
    assert (type(meant), meant.reason) == (kind, reason)
    assert "SPY: expected" in str(meant)


@pytest.mark.parametrize("name", MEANING)
def test_an_error_raised_inside_yfinance_never_escapes_a_read(
    yahoo: LoopbackYahoo, source: YahooBars, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    error, _, reason = MEANING[name]

    def fail(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("yfinance.data.YfData.get", fail)
    failure = source.read(["SPY"], FIRST, LAST).failures["SPY"]
    assert failure.reason is reason
    assert failure.__cause__ is error


# The file system and what is printed

IN_A_NEW_PROCESS = """
import sys
from datetime import date
from pathlib import Path
import pytest
from pipeline.adapters.yahoo_bars import YahooBars
from tests.support.builders import raw_bars
from tests.support.loopback_yahoo import THROTTLED, loopback_yahoo
from itertools import repeat
with pytest.MonkeyPatch.context() as patch, loopback_yahoo(patch) as yahoo:
    yahoo.knows(raw_bars("SPY"), raw_bars("QQQ"))
    yahoo.misbehaves("QQQ", repeat(THROTTLED))
    yahoo.misbehaves("crumb", repeat(THROTTLED))
    source = YahooBars(Path(sys.argv[1]), lambda: 900.0, attempts=1)
    reading = source.read(["SPY", "QQQ", "NOSUCH"], date(2024, 11, 1), date(2024, 12, 27))
assert list(reading.bars) == ["SPY"], reading
"""


def test_where_only_the_temporary_folder_can_be_written_caches_go_there_and_nothing_is_printed(
    tmp_path: Path,
) -> None:
    home, caches = tmp_path / "home", tmp_path / "caches"
    home.touch()  # a file: nobody, not even root, can write below it
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IN_A_NEW_PROCESS, str(caches)],
        cwd=Path(__file__).parents[2],
        env={"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {"tkr-tz.db", "cookies.db"} <= {path.name for path in caches.iterdir()}


def test_a_cached_cookie_and_time_zone_spare_the_next_process_the_requests(
    yahoo: LoopbackYahoo, source: YahooBars, clock: Clock, tmp_path: Path
) -> None:
    source.read(["SPY"], FIRST, LAST)
    with pytest.MonkeyPatch.context() as patch, loopback_yahoo(patch) as later:
        later.knows(raw_bars())
        reading = make_source(tmp_path, clock).read(["SPY"], FIRST, LAST)
        assert_equal(reading.bars["SPY"], sent())
        assert [seen.host for seen in later.requests].count("fc.yahoo.com") == 0
        assert len(later.charts("SPY")) == 1
