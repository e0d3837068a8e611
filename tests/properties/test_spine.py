"""What must hold of the spine for any bars: no look-ahead, equal numbers, ordered quantiles."""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipeline.bars import Bars
from pipeline.forecasting.bundle import load_bundle
from pipeline.forecasting.calibration import NEUTRAL, apply_gains
from pipeline.forecasting.features import WARM_UP, compute_features
from pipeline.forecasting.forecast import forecast, forecast_history
from pipeline.forecasting.levels import INTERVALS
from pipeline.forecasting.model import Model
from pipeline.forecasting.panel import Panel
from tests.conftest import DEFAULT_BUNDLE
from tests.support.builders import bars

MODEL = Model(load_bundle(DEFAULT_BUNDLE))
N = 190
UNTIMED = settings(deadline=None)
markets = st.builds(
    lambda seed, ticker, calm: volatile(bars(ticker, N, seed=seed), calm),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["SPY", "QQQ", "DIA", "IWM"]),
    st.floats(0.01, 3.0),
)


def volatile(one: Bars, factor: float) -> Bars:
    """Scale every log price move, so that calm and wild markets are both seen."""
    base = np.log(one.close[0])
    prices = {
        name: np.exp(base + factor * (np.log(getattr(one, name)) - base))
        for name in ("open", "high", "low", "close")
    }
    return dataclasses.replace(one, **prices)


def rewritten_after(one: Bars, origin: int, seed: int) -> Bars:
    """Replace every bar after `origin` by others."""
    other = bars(one.ticker, len(one), seed=seed)
    scale = one.close[origin] / other.close[origin]
    later = np.arange(len(one)) > origin
    prices = {
        name: np.where(later, getattr(other, name) * scale, getattr(one, name))
        for name in ("open", "high", "low", "close")
    }
    return dataclasses.replace(one, **prices)


@UNTIMED
@given(markets, st.integers(WARM_UP, N - 2), st.integers(0, 2**32 - 1))
def test_a_bar_after_the_origin_changes_no_feature(one: Bars, origin: int, seed: int) -> None:
    before, after = (
        compute_features(Panel.of([each], N))[0, : origin - WARM_UP + 1]
        for each in (one, rewritten_after(one, origin, seed))
    )
    assert np.array_equal(before, after)


@UNTIMED
@given(markets, st.integers(125, N - 2), st.integers(0, 2**32 - 1))
def test_a_bar_after_the_origin_changes_no_forecast(one: Bars, origin: int, seed: int) -> None:
    session = one.session[origin].item()
    plain = forecast([one.as_of(session)], MODEL, NEUTRAL)
    history = forecast_history(rewritten_after(one, origin, seed), MODEL, NEUTRAL)
    row = int(np.flatnonzero(history.origin_date == one.session[origin])[0])
    assert np.array_equal(plain.log_return_quantiles[0], history.log_return_quantiles[row])
    assert np.array_equal(plain.sigma[0], history.sigma[row])


@settings(max_examples=50, deadline=None)
@given(st.lists(markets, min_size=1, max_size=9), st.data())
def test_one_ticker_or_many_give_equal_numbers(many: list[Bars], data: st.DataObject) -> None:
    together = forecast(many, MODEL, NEUTRAL)
    i = data.draw(st.integers(0, len(many) - 1))
    alone = forecast([many[i]], MODEL, NEUTRAL)
    assert np.array_equal(alone.prices[0], together.prices[i])
    assert np.array_equal(alone.sigma[0], together.sigma[i])


@UNTIMED
@given(markets)
def test_one_origin_or_all_give_equal_numbers(one: Bars) -> None:
    history = forecast_history(one, MODEL, NEUTRAL)
    assert len(history.tickers) == N - 125
    latest = forecast([one], MODEL, NEUTRAL)
    assert np.array_equal(latest.prices[0], history.prices[-1])


@UNTIMED
@given(markets, arrays.arrays(np.float64, (5, 11), elements=st.floats(0.2, 5.0)))
def test_quantiles_never_cross_and_prices_are_positive(one: Bars, gains: np.ndarray) -> None:
    made = forecast([one], MODEL, NEUTRAL)
    stretched = apply_gains(made.log_return_quantiles, gains[None])
    for quantiles in (made.log_return_quantiles, stretched):
        assert (np.diff(quantiles, axis=-1) >= 0).all()
    assert (made.prices > 0).all()
    assert (made.sigma > 0).all()
    for coverage in INTERVALS:
        lower, upper = made.interval(coverage)
        assert (lower <= made.median).all()
        assert (made.median <= upper).all()


@UNTIMED
@given(markets, st.floats(0.01, 100.0))
def test_the_currency_changes_the_prices_alone(one: Bars, rate: float) -> None:
    prices = {name: getattr(one, name) * rate for name in ("open", "high", "low", "close")}
    here, there = (
        forecast([each], MODEL, NEUTRAL) for each in (one, dataclasses.replace(one, **prices))
    )
    np.testing.assert_allclose(
        there.log_return_quantiles, here.log_return_quantiles, rtol=0.01, atol=1e-5
    )
