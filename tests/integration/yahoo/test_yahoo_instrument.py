"""Bars of something else under a ticker's name, by what Yahoo itself says of them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import repeat
from typing import Any

import pytest

from pipeline.adapters.yahoo.yahoo_bars import YahooBars
from pipeline.errors import InvalidBars, Reason
from tests.support.builders import raw_bars
from tests.support.loopback_yahoo import Behaviour, LoopbackYahoo, changing
from tests.support.yahoo_source import FIRST, LAST, PatientClock, assert_equal, sent


def saying(**meta: Any) -> Behaviour:
    """Return what says something else of the bars; None for nothing at all."""

    def change(result: dict[str, Any]) -> None:
        changed = {**result["meta"], **meta}
        result["meta"] = {name: value for name, value in changed.items() if value is not None}

    return changing(change)


WRONG: Mapping[str, tuple[dict[str, str], str]] = {
    "another symbol": ({"symbol": "QQQ"}, "symbol SPY, got 'QQQ'"),
    "a listing elsewhere": ({"symbol": "SPY.MX"}, "symbol SPY, got 'SPY-MX'"),
    "another currency": ({"currency": "JPY"}, "currency USD, got 'JPY'"),
    "pence": ({"currency": "GBp"}, "currency USD, got 'GBp'"),
    "weeks": ({"dataGranularity": "1wk"}, "granularity 1d, got '1wk'"),
    "another zone": (
        {"exchangeTimezoneName": "Asia/Tokyo"},
        "time zone America/New_York, got 'Asia/Tokyo'",
    ),
    "an index's zone": (
        {"exchangeTimezoneName": "America/Chicago"},
        "time zone America/New_York, got 'America/Chicago'",
    ),
    "an index": ({"instrumentType": "INDEX"}, "instrument type ETF or EQUITY, got 'INDEX'"),
    "a coin": ({"instrumentType": "CRYPTOCURRENCY"}, "ETF or EQUITY, got 'CRYPTOCURRENCY'"),
}


@pytest.mark.parametrize(("meta", "said"), WRONG.values(), ids=WRONG.keys())
def test_bars_of_something_else_are_refused_in_yahoo_s_own_words(
    yahoo: LoopbackYahoo, source: YahooBars, clock: PatientClock, meta: dict[str, str], said: str
) -> None:
    yahoo.misbehaves("SPY", repeat(saying(**meta)))
    reading = source.read(["SPY", "QQQ"], FIRST, LAST)
    failure = reading.failures["SPY"]
    assert (type(failure), failure.reason) == (InvalidBars, Reason.WRONG_INSTRUMENT)
    assert said in str(failure)
    assert list(reading.bars) == ["QQQ"]
    assert clock.slept == []


def test_all_that_is_wrong_is_said_at_once(yahoo: LoopbackYahoo, source: YahooBars) -> None:
    yahoo.misbehaves("SPY", repeat(saying(symbol="QQQ", currency="JPY")))
    failure = source.read(["SPY"], FIRST, LAST).failures["SPY"]
    assert str(failure) == "SPY: expected symbol SPY, got 'QQQ'; currency USD, got 'JPY'"


@pytest.mark.parametrize(
    "silent",
    ["symbol", "currency", "dataGranularity", "exchangeTimezoneName", "instrumentType"],
)
def test_what_yahoo_does_not_say_contradicts_nothing(
    yahoo: LoopbackYahoo, source: YahooBars, silent: str
) -> None:
    yahoo.misbehaves("SPY", repeat(saying(**{silent: None})))
    assert_equal(source.read(["SPY"], FIRST, LAST).bars["SPY"], sent())


@pytest.mark.parametrize("symbol", ["BRK-B", "brk-b", "BRK.B"])
def test_a_symbol_is_the_same_in_every_spelling(
    yahoo: LoopbackYahoo, source: YahooBars, symbol: str
) -> None:
    yahoo.knows(raw_bars("BRK-B"))
    yahoo.misbehaves("BRK-B", repeat(saying(symbol=symbol, instrumentType="EQUITY")))
    assert_equal(source.read(["BRK-B"], FIRST, LAST).bars["BRK-B"], sent("BRK-B"))


def test_the_currency_is_kept_as_yahoo_calls_it(yahoo: LoopbackYahoo, source: YahooBars) -> None:
    yahoo.misbehaves("QQQ", repeat(saying(currency=None)))
    assert source.read(["SPY", "QQQ"], FIRST, LAST).currencies == {"SPY": "USD"}


def test_the_vix_is_an_index_computed_in_chicago(yahoo: LoopbackYahoo, source: YahooBars) -> None:
    yahoo.knows(raw_bars("^VIX"))
    yahoo.misbehaves("^VIX", repeat(saying(exchangeTimezoneName="America/Chicago")))
    assert_equal(source.read(["^VIX"], FIRST, LAST).bars["^VIX"], sent("^VIX"))
    yahoo.misbehaves("^VIX", repeat(saying(instrumentType="ETF")))
    failure = source.read(["^VIX"], FIRST, LAST).failures["^VIX"]
    assert failure.reason is Reason.WRONG_INSTRUMENT


def test_a_share_s_class_is_hinted_at_as_yahoo_writes_it(
    yahoo: LoopbackYahoo, source: YahooBars
) -> None:
    failures = source.read(["BRK.B", "BMW.DE"], FIRST, LAST).failures
    assert str(failures["BRK.B"]).endswith("; Yahoo writes the class of a share BRK-B")
    assert failures["BRK.B"].reason is Reason.UNKNOWN_TICKER
    assert str(failures["BMW.DE"]).endswith("Not Found")
