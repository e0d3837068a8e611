"""The forecast from an assumed bar is that of the spine, as if the bar had been."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from pipeline.bars import VIX, Bars
from pipeline.errors import InvalidBars, InvalidField
from pipeline.forecasting.calibration import NEUTRAL
from pipeline.forecasting.forecast import forecast
from pipeline.forecasting.model import Model
from pipeline.scenarios.what_if import assume_bar, forecast_after
from tests.support.builders import raw_bars
from tests.support.scenarios import window_bars

BARS = window_bars("SPY")
SPY, INDEX, NEXT = BARS["SPY"], BARS[VIX], date(2024, 12, 30)
LAST = float(SPY.close[-1])


def test_it_opens_at_the_last_close_and_the_range_lies_about_the_way_in_equal_parts() -> None:
    bar = assume_bar(SPY, NEXT, -0.03, 0.04)
    assert (bar.open, bar.close) == (LAST, pytest.approx(0.97 * LAST))
    assert (bar.high, bar.low) == (pytest.approx(1.005 * LAST), pytest.approx(0.965 * LAST))
    assert (bar.range, bar.is_typical) == (0.04, False)
    up = assume_bar(SPY, NEXT, 0.03, 0.03)
    assert (up.low, up.high) == (pytest.approx(LAST), pytest.approx(1.03 * LAST))


def test_the_typical_range_is_the_way_and_the_median_of_what_sessions_had_beyond_theirs() -> None:
    recent = SPY.tail(125)
    beyond = np.median((recent.high - recent.low - abs(recent.close - recent.open)) / recent.open)
    bar = assume_bar(SPY, NEXT, -0.03, None)
    assert bar.is_typical
    assert bar.range == pytest.approx(0.03 + beyond)


@pytest.mark.parametrize(
    ("change", "range_", "word"), [(-0.03, 0.02, "0.03"), (-0.9, 1.2, "1.1"), (0.0, 2.0, "2")]
)
def test_a_range_less_than_the_way_or_down_to_nothing_is_refused(
    change: float, range_: float, word: str
) -> None:
    with pytest.raises(InvalidField, match=f"#/range: expected .*{word}"):
        assume_bar(SPY, NEXT, change, range_)


def test_the_forecast_is_that_of_the_bars_with_it_and_the_vix_held(model: Model) -> None:
    bar = assume_bar(SPY, NEXT, -0.03, 0.04)
    longer = raw_bars("SPY", 127, session=np.append(SPY.session, np.datetime64(NEXT)))
    prices = {
        n: np.append(getattr(SPY, n), getattr(bar, n)) for n in ("open", "high", "low", "close")
    }
    days = np.append(INDEX.session, np.datetime64(NEXT))
    vix = replace(raw_bars(VIX, 127, session=days), close=np.append(INDEX.close, INDEX.close[-1]))
    expected = forecast([Bars.validate(replace(longer, **prices))], model, NEUTRAL, vix)
    after = forecast_after(SPY, bar, INDEX, model, NEUTRAL)
    assert np.array_equal(after.log_return_quantiles, expected.log_return_quantiles)
    without = forecast_after(SPY, bar, None, model, NEUTRAL)
    assert not np.array_equal(after.log_return_quantiles, without.log_return_quantiles)


def test_a_large_fall_makes_wider_intervals_than_a_quiet_day(model: Model) -> None:
    widths = [
        np.ptp(forecast_after(SPY, assume_bar(SPY, NEXT, change, None), INDEX, model, NEUTRAL)
               .log_return_quantiles[0, 0])
        for change in (0.0, -0.04)
    ]  # fmt: skip
    assert widths[1] > 1.2 * widths[0]


def test_too_few_bars_are_no_window(model: Model) -> None:
    short = SPY.tail(100)
    with pytest.raises(InvalidBars):
        forecast_after(short, assume_bar(short, NEXT, 0.0, None), INDEX, model, NEUTRAL)
