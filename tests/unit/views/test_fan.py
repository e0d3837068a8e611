"""Fans: the last sessions with what was forecast of each, and what is forecast to come."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from pipeline.columns import where
from pipeline.errors import RequestError
from pipeline.forecasting.model import Model
from pipeline.record.manifest import Mode
from pipeline.views.fan import Fan, read_fans
from tests.support.fakes import MemoryObjects
from tests.support.records import (
    SESSIONS,
    TABLES,
    backfilled,
    market,
    run_day,
    run_days,
    scaled,
    table,
    with_column,
)

SPAN = SESSIONS[-8:]


@pytest.fixture(scope="module")
def store(model: Model) -> MemoryObjects:
    """Four sessions of a backfill and three live ones."""
    return run_days(model, SPAN[4:7], store=backfilled(model, SPAN[0], SPAN[3]))


def read(store: Any, session: date, ticker: str = "SPY", sessions: int = 60) -> Fan:
    (fan,) = read_fans(store, TABLES, session, [ticker], sessions)
    return fan


def test_the_past_is_the_last_closes_with_the_intervals_of_their_days(store: Any) -> None:
    fan = read(store, SPAN[6])
    bars = market()["SPY"]
    upto = bars.session <= np.datetime64(SPAN[6])
    assert fan.past["session"].tolist() == bars.session[upto][-60:].tolist()
    assert fan.past["close"] == pytest.approx(bars.close[upto][-60:], rel=1e-8)
    scores = table(store, "scores")
    ours = (scores["model"] == "forecaster") & (scores["ticker"] == "SPY")
    rows = where(scores, ours & (scores["horizon"] == 1))
    for name in ("lower_95", "upper_95"):
        assert fan.past[name][-6:].tolist() == rows[name].tolist()
        assert np.isnan(fan.past[name][:-6]).all()


def test_what_is_ahead_is_the_forecast_of_the_session(store: Any) -> None:
    fan = read(store, SPAN[6], "QQQ")
    rows = table(store, "forecasts")
    chosen = (rows["ticker"] == "QQQ") & (rows["origin_date"] == np.datetime64(SPAN[6]))
    assert fan.ahead["horizon"].tolist() == [1, 2, 3, 4, 5]
    assert fan.ahead["upper_95"].tolist() == rows["upper_95"][chosen].tolist()
    assert (fan.made, fan.past_modes) == (Mode.LIVE, (Mode.LIVE, Mode.BACKFILL))
    assert fan.in_sample == int(fan_scores(store)["in_sample"].sum())


def fan_scores(store: Any) -> Any:
    scores = table(store, "scores")
    ours = (scores["model"] == "forecaster") & (scores["ticker"] == "QQQ")
    return where(scores, ours & (scores["horizon"] == 1))


def test_of_an_earlier_session_nothing_later_is_shown(store: Any) -> None:
    fan = read(store, SPAN[2], sessions=5)
    assert fan.past["session"].tolist() == SESSIONS[-10:-5]
    assert np.isfinite(fan.past["lower_95"]).tolist() == [False, False, False, True, True]
    assert fan.made is Mode.BACKFILL
    assert fan.ahead["origin_date"].tolist() == [SPAN[2]] * 5


def test_intervals_before_a_split_are_quoted_as_prices_are_now(model: Model) -> None:
    """The day of the split, withheld or not, its forecast was of prices before it."""
    at = len(SESSIONS) - 3
    split = scaled(market()["QQQ"], 0.5)
    split = with_column(replace(split, volume=split.volume * 2), "split", at, 2.0)
    store = run_days(model, SESSIONS[-6:-3])
    for session in SESSIONS[-3:]:
        run_day(model, store, session, market(QQQ=split))
    plain = run_days(model, SESSIONS[-6:])
    halved, whole = (read(each, SESSIONS[-1], "QQQ", 5).past for each in (store, plain))
    assert np.isfinite(whole["lower_95"]).sum() == 5
    for name in ("close", "lower_95", "upper_95"):
        assert halved[name] == pytest.approx(whole[name] / 2, rel=1e-6)


def test_a_withheld_ticker_and_a_stranger_are_refused_with_the_reason(model: Model) -> None:
    store = run_days(model, SPAN[:1])
    at = SESSIONS.index(SPAN[1])
    run_day(model, store, SPAN[1], market(QQQ=with_column(market()["QQQ"], "low", at, -1.0)))
    assert read(store, SPAN[1]).ticker == "SPY"
    with pytest.raises(
        RequestError, match="QQQ: expected a forecast .* withheld: non_positive_price"
    ):
        read(store, SPAN[1], "QQQ")
    with pytest.raises(RequestError, match="DIA: expected a ticker of .* QQQ, SPY"):
        read(store, SPAN[1], "DIA")


def test_a_ticker_of_a_later_part_has_that_part_s_bars(model: Model) -> None:
    store = run_days(model, SPAN[:2])
    run_day(model, store, SPAN[2], {"SPY": market()["SPY"]})
    run_day(model, store, SPAN[2], market())
    fans = read_fans(store, TABLES, SPAN[2], ["QQQ", "SPY"])
    assert [fan.ticker for fan in fans] == ["QQQ", "SPY"]
    assert fans[0].past["close"][-1] != fans[1].past["close"][-1]
