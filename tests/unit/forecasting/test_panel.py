"""A panel stacks the last bars of each ticker, with the VIX of their sessions."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.bars import VIX
from pipeline.errors import InvalidBars, Reason
from pipeline.forecasting.panel import Panel
from tests.support.builders import bars, raw_bars


def test_a_panel_takes_the_vix_of_the_same_session_or_none() -> None:
    vix = raw_bars("^VIX", 3, close=np.array([15.0, np.nan, 17.0]))
    panel = Panel.of([bars(n=5)], 5, vix)
    assert np.array_equal(panel.vix[0], [np.nan, np.nan, 15.0, np.nan, 17.0], equal_nan=True)


def test_a_panel_is_equal_whatever_the_order_of_the_vix_rows() -> None:
    vix = raw_bars(VIX, 8)
    plain = Panel.of([bars(n=6)], 6, vix).vix
    assert np.array_equal(plain[0], vix.close[2:])
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(8)
        shuffled = raw_bars(VIX, 8, session=vix.session[order], close=vix.close[order])
        assert np.array_equal(Panel.of([bars(n=6)], 6, shuffled).vix, plain)


@pytest.mark.parametrize("close", [0.0, -0.0, -15.0, np.nan, np.inf, -np.inf])
def test_a_vix_that_is_no_positive_number_is_missing(close: float) -> None:
    vix = raw_bars(VIX, 3, close=np.array([15.0, close, 17.0]))
    expected = [np.nan, np.nan, 15.0, np.nan, 17.0]
    assert np.array_equal(Panel.of([bars(n=5)], 5, vix).vix[0], expected, equal_nan=True)


def test_vix_rows_of_other_days_than_the_sessions_do_no_harm() -> None:
    session = np.arange("2024-12-14", "2025-01-04", dtype="datetime64[D]")
    close = np.arange(21) + 10.0
    known = session != np.datetime64("2024-12-23")  # a Monday; Sunday and Tuesday have rows
    vix = raw_bars(VIX, 20, session=session[known], close=close[known])
    panel = Panel.of([bars(n=6), bars("QQQ", n=6)], 6, vix)
    of_session = [16.0, np.nan, 20.0, 21.0, 22.0, 23.0]
    assert np.array_equal(panel.vix, [of_session] * 2, equal_nan=True)


def test_a_vix_without_rows_is_missing_everywhere() -> None:
    panel = Panel.of([bars(n=5)], 5, raw_bars(VIX, 0))
    assert np.isnan(panel.vix).all()


def test_a_panel_has_the_newest_sessions_of_each_ticker() -> None:
    spy, qqq = bars(n=20), bars("QQQ", n=12)
    panel = Panel.of([spy, qqq], 10)
    for row, ticker_bars in enumerate((spy, qqq)):
        for name in ("session", "open", "high", "low", "close"):
            newest = getattr(ticker_bars, name)[-10:]
            assert np.array_equal(getattr(panel, name)[row], newest), name


def test_a_panel_says_which_ticker_has_too_few_bars() -> None:
    with pytest.raises(InvalidBars, match="QQQ: expected at least 10 bars, got 4") as caught:
        Panel.of([bars(n=20), bars("QQQ", n=4)], 10)
    assert caught.value.reason is Reason.NOT_ENOUGH_HISTORY
