"""What a Forecast says of its pairs of ticker and origin."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from pipeline.forecasting.calibration import NEUTRAL, Calibration
from pipeline.forecasting.forecast import Forecast, forecast
from pipeline.forecasting.levels import INTERVALS
from pipeline.forecasting.model import Model
from tests.support.builders import bars

TICKERS = ("SPY", "QQQ", "DIA", "IWM")


@pytest.fixture(scope="module")
def of_four(model: Model) -> Forecast:
    return forecast([bars(ticker) for ticker in TICKERS], model, NEUTRAL)


def test_an_interval_is_lower_and_upper_price_around_the_median(of_four: Forecast) -> None:
    widths = [np.zeros_like(of_four.median)]
    for coverage in INTERVALS:
        lower, upper = of_four.interval(coverage)
        assert ((lower < of_four.median) & (of_four.median < upper)).all()
        widths.append(upper - lower)
    assert (np.diff(widths, axis=0) > 0).all()
    lower, upper = of_four.interval(80)
    last_close = of_four.last_close[:, None]
    np.testing.assert_allclose(np.log(lower / last_close), of_four.log_return_quantiles[..., 3])
    np.testing.assert_allclose(np.log(upper / last_close), of_four.log_return_quantiles[..., 7])


def test_the_pairs_chosen_keep_everything_said_of_them(model: Model, of_four: Forecast) -> None:
    chosen = of_four.where(np.array([False, True, False, True]))
    assert chosen.tickers == ("QQQ", "IWM")
    alone = forecast([bars("QQQ"), bars("IWM")], model, NEUTRAL)
    for field in fields(Forecast):
        assert np.array_equal(getattr(chosen, field.name), getattr(alone, field.name)), field.name


def test_gains_widen_the_ticker_they_are_of_and_no_other(of_four: Forecast) -> None:
    wider = of_four.calibrate(Calibration({"QQQ": np.full((5, 11), 1.5)}))
    changed = (wider.log_return_quantiles != of_four.log_return_quantiles).any(axis=(1, 2))
    assert changed.tolist() == [False, True, False, False]
    lower, upper = wider.interval(95)
    before_lower, before_upper = of_four.interval(95)
    assert (lower[1] < before_lower[1]).all()
    assert (upper[1] > before_upper[1]).all()
    assert np.array_equal(wider.median, of_four.median)
