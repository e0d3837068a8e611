"""Charts with more, less and other than bars: what is left out, refused and bounded."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from itertools import repeat
from typing import Any

import numpy as np
import pytest

from pipeline.adapters.yahoo import session
from pipeline.adapters.yahoo.yahoo_bars import YahooBars
from pipeline.errors import Reason, SourceUnavailable
from tests.support.builders import raw_bars
from tests.support.loopback_yahoo import Answer, Behaviour, LoopbackYahoo, changing
from tests.support.yahoo_source import FIRST, LAST, PatientClock, assert_equal, make_source, sent

Change = Callable[[dict[str, Any]], None]
N = len(sent())
OPENING = 1735309800  # of 2024-12-27


def with_events(**events: Any) -> Change:
    return lambda result: result["events"].update(events)


def with_dividend(**dividend: Any) -> Change:
    return with_events(dividends={"1": {"date": OPENING, "amount": 1.0, **dividend}})


def with_quote(**columns: Any) -> Change:
    return lambda result: result["indicators"]["quote"][0].update(columns)


HARMLESS: dict[str, Change] = {
    "capital gains": with_events(
        capitalGains={"1": {"date": OPENING, "amount": 2.0, "currency": "USD"}}
    ),
    "capital gains of another shape": with_events(capitalGains=[[]]),
    "events nobody knows": with_events(mergers={"1": {"date": "soon"}}, earnings=3),
    "columns nobody knows": with_quote(vwap=[1.0], turnover="x"),
    "adjusted closes of infinity": lambda r: r["indicators"].update(
        adjclose=[{"adjclose": [float("inf")]}]
    ),
    "no adjusted closes": lambda r: r["indicators"].pop("adjclose"),
    "no events": lambda r: r.pop("events"),
    "events of null": lambda r: r.update(events=None),
    "trading periods of another shape": lambda r: r["meta"].update(
        currentTradingPeriod=[1], tradingPeriods={"pre": 3}
    ),
    "meta nobody knows": lambda r: r["meta"].update({"firstTradeDate": "x", "priceHint": []}),
    "a dividend before the first session": with_dividend(date=OPENING - 10**9),
    "a dividend after the last session": with_dividend(date=OPENING + 10**6),
    "a dividend in another currency": with_dividend(currency="CAD"),
    "an infinite dividend": with_dividend(amount=float("inf")),
    "a split of nothing": with_events(
        splits={"1": {"date": OPENING, "numerator": 0, "denominator": 1}}
    ),
    "a split into nothing": with_events(
        splits={"1": {"date": OPENING, "numerator": 2, "denominator": 0}}
    ),
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_no_bar_has_is_left_out(
    yahoo: LoopbackYahoo, source: YahooBars, change: Change
) -> None:
    yahoo.misbehaves("SPY", repeat(changing(change)))
    assert_equal(source.read(["SPY"], FIRST, LAST).bars["SPY"], sent())


def test_a_dividend_s_own_currency_may_be_named(yahoo: LoopbackYahoo, source: YahooBars) -> None:
    yahoo.misbehaves("SPY", repeat(changing(with_dividend(currency="USD"))))
    bars = source.read(["SPY"], FIRST, LAST).bars["SPY"]
    assert bars.dividend[-1] == 1.0
    assert not bars.dividend[:-1].any()


def deep(good: Answer) -> Answer:
    return replace(good, body=b'{"chart": ' + b"[" * 200_000 + b"]" * 200_000 + b"}")


BROKEN: dict[str, tuple[Behaviour, str]] = {
    "a price of text": (changing(with_quote(close=["1.5"])), "Expected `float"),
    "a column too short": (changing(with_quote(open=[1.0])), f"{N} values of open, one a session"),
    "a column that is missing": (
        changing(lambda r: r["indicators"]["quote"][0].pop("low")),
        "KeyError: 'low'",
    ),
    "a number of 400 digits": (changing(with_quote(close=[10**400] * N)), "expected a chart, got"),
    "a volume of 400 digits": (changing(with_quote(volume=[10**400] * N)), "expected a chart"),
    "a volume beyond all": (changing(with_quote(volume=[1e300] * N)), "expected volumes from 0"),
    "a volume below nothing": (changing(with_quote(volume=[-1] * N)), "expected volumes from 0"),
    "a time of 400 digits": (changing(lambda r: r.update(timestamp=[10**400] * N)), "expected"),
    "times beyond our time": (
        changing(lambda r: r.update(timestamp=[10**12] * N)),
        "expected sessions of 1700 to 2199",
    ),
    "times of text": (
        changing(lambda r: r.update(timestamp=["2024"] * N)),
        "Expected `int`",
    ),
    "a zone that is none": (
        changing(lambda r: r["meta"].update(exchangeTimezoneName="../../etc/passwd")),
        "expected a time zone like America/New_York",
    ),
    "a currency that is a number": (changing(lambda r: r["meta"].update(currency=5)), "Expected"),
    "events that are a list": (changing(lambda r: r.update(events=[])), "Expected `object"),
    "json too deep": (deep, "too deep"),
    "two charts, the first of nothing": (
        lambda good: replace(good, body=b'{"chart": {"result": [null, 1], "error": null}}'),
        "expected a chart",
    ),
    "a chart that is a list": (lambda good: replace(good, body=b'{"chart": [1]}'), "expected"),
    "a document that is a number": (lambda good: replace(good, body=b"3"), "expected bars"),
}


@pytest.mark.parametrize(("behave", "said"), BROKEN.values(), ids=BROKEN.keys())
def test_what_cannot_be_read_is_one_ticker_s_trouble(
    yahoo: LoopbackYahoo, source: YahooBars, behave: Behaviour, said: str
) -> None:
    yahoo.misbehaves("SPY", [behave] * 3)
    reading = source.read(["SPY", "QQQ"], FIRST, LAST)
    failure = reading.failures["SPY"]
    assert (type(failure), failure.reason) == (SourceUnavailable, Reason.SOURCE_UNAVAILABLE)
    assert said in str(failure)
    assert len(str(failure)) < 500
    assert_equal(reading.bars["QQQ"], sent("QQQ"))


@pytest.mark.parametrize("hole", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_none_stay_visible(
    yahoo: LoopbackYahoo, source: YahooBars, hole: str
) -> None:
    def behave(good: Answer) -> Answer:
        chart = json.loads(good.body)
        chart["chart"]["result"][0]["indicators"]["quote"][0]["close"][-1] = "HOLE"
        return replace(good, body=json.dumps(chart).replace('"HOLE"', hole).encode())

    yahoo.misbehaves("SPY", repeat(behave))
    assert not np.isfinite(source.read(["SPY"], FIRST, LAST).bars["SPY"].close[-1])


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_an_answer_without_end_is_cut_off(
    yahoo: LoopbackYahoo,
    source: YahooBars,
    monkeypatch: pytest.MonkeyPatch,
    packed: bool,
) -> None:
    monkeypatch.setattr(session, "LARGEST_ANSWER", 200_000)
    bomb = b" " * 2_000_000

    def behave(good: Answer) -> Answer:
        if not packed:
            return replace(good, body=bomb)
        return replace(good, body=gzip.compress(bomb), headers={"Content-Encoding": "gzip"})

    yahoo.misbehaves("SPY", [behave] * 3)
    reading = source.read(["SPY", "QQQ"], FIRST, LAST)
    assert reading.failures["SPY"].reason is Reason.SOURCE_UNAVAILABLE
    assert isinstance(reading.failures["SPY"].__cause__, OSError)
    assert_equal(reading.bars["QQQ"], sent("QQQ"))


def test_a_packed_answer_is_read_as_any(yahoo: LoopbackYahoo, source: YahooBars) -> None:
    packed = {"Content-Encoding": "gzip"}
    yahoo.misbehaves(
        "SPY", repeat(lambda good: replace(good, body=gzip.compress(good.body), headers=packed))
    )
    assert_equal(source.read(["SPY"], FIRST, LAST).bars["SPY"], sent())


def test_a_split_of_tomorrow_adds_no_empty_bar(yahoo: LoopbackYahoo, source: YahooBars) -> None:
    tomorrow = {"1": {"date": OPENING + 3 * 86400, "numerator": 2, "denominator": 1}}
    yahoo.misbehaves("SPY", repeat(changing(with_events(splits=tomorrow))))
    bars = source.read(["SPY"], FIRST, date(2024, 12, 30)).bars["SPY"]
    assert_equal(bars, raw_bars().since(FIRST))


def test_every_ticker_may_break_in_its_own_way(
    yahoo: LoopbackYahoo, clock: PatientClock, tmp_path: Any
) -> None:
    names = [f"T{at}" for at in range(len(BROKEN))]
    for name, (behave, _) in zip(names, BROKEN.values(), strict=True):
        yahoo.knows(raw_bars(name))
        yahoo.misbehaves(name, [behave])
    reading = make_source(tmp_path, clock, attempts=1).read([*names, "SPY"], FIRST, LAST)
    assert list(reading.failures) == names
    assert_equal(reading.bars["SPY"], sent())
