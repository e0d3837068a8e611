"""What baselines issue is what the backtest knows them by, and looks at nothing ahead."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.backtest.evaluate import LEVEL_GRID
from pipeline.baselines.fixed_window import BASELINE_SESSIONS, issue_baselines, slide_histories
from pipeline.baselines.full_history import HORIZONS, ewma, persistence
from pipeline.baselines.names import EWMA, GARCH_T, ISSUED
from pipeline.baselines.volatility import garch_t_quantiles
from pipeline.errors import InvalidBars, Reason
from pipeline.forecasting.levels import MEDIAN
from pipeline.forecasting.model import Model
from pipeline.record.forecasters import select_baseline_bars
from tests.support.builders import bars, raw_bars
from tests.support.fakes import MemoryObjects
from tests.support.records import SESSIONS, market, rows_by_key, run_day, table

STORED = {"mu": 0.05, "omega": 0.02, "alpha[1]": 0.1, "beta[1]": 0.88, "nu": 6.0}
SPY = bars("SPY", 420)
ALL = issue_baselines(slide_histories(SPY), STORED)


@pytest.mark.parametrize("name", ISSUED)
def test_one_origin_and_all_in_one_pass_have_equal_bits(name: str) -> None:
    assert len(ALL[name].log_return) == len(SPY) - BASELINE_SESSIONS + 1
    for at in (0, 57, 120):
        one = issue_baselines(slide_histories(SPY)[at : at + 1], STORED)[name]
        assert one.log_return.tobytes() == ALL[name].row(at).log_return.tobytes()
        assert one.sigma.tobytes() == ALL[name].row(at).sigma.tobytes()


@pytest.mark.parametrize("name", ISSUED)
def test_bars_after_an_origin_change_no_bit_of_it(name: str) -> None:
    origin = 350
    close = SPY.close.copy()
    close[origin + 1 :] *= 1.07
    other = issue_baselines(
        slide_histories(bars("SPY", 420, close=close, high=close * 2, low=close / 2)), STORED
    )
    at = origin - BASELINE_SESSIONS + 1
    assert other[name].row(at).log_return.tobytes() == ALL[name].row(at).log_return.tobytes()
    after = other[name].row(at + 1).log_return
    assert after.tobytes() != ALL[name].row(at + 1).log_return.tobytes()


def test_persistence_is_the_backtests() -> None:
    origins = SPY.session[BASELINE_SESSIONS - 1 :]
    expected = persistence(SPY, origins[0].item())
    np.testing.assert_array_equal(expected.origin_date, origins)
    np.testing.assert_array_equal(ALL["persistence"].log_return, expected.log_return_quantiles)


def test_garch_is_the_filter_on_the_last_300_sessions() -> None:
    at = 77
    seen = np.log(SPY.close[at : at + BASELINE_SESSIONS])
    expected = garch_t_quantiles(np.diff(seen), STORED, HORIZONS, LEVEL_GRID)[-1]
    np.testing.assert_allclose(ALL[GARCH_T].log_return[at], expected, rtol=1e-12, atol=1e-15)


def test_ewma_is_the_backtests_on_the_last_300_sessions() -> None:
    for at in (0, 77, 120):
        day = SPY.session[at + BASELINE_SESSIONS - 1].item()
        expected = ewma(SPY.as_of(day).tail(BASELINE_SESSIONS), day).log_return_quantiles[-1]
        np.testing.assert_allclose(ALL[EWMA].log_return[at], expected, rtol=1e-12, atol=1e-15)


def test_quantiles_do_not_cross_and_sigma_is_their_width() -> None:
    for made in ALL.values():
        assert (np.diff(made.log_return, axis=-1) >= 0).all()
        assert np.isfinite(made.log_return).all()
        assert (np.diff(made.sigma, axis=1) > 0).all()
        # 1.349 deviations of a normal lie between its quartiles.
        width = made.log_return[..., MEDIAN + 1] - made.log_return[..., MEDIAN - 1]
        assert 0.6 < np.median(width / made.sigma) < 1.7


def test_without_parameters_garch_is_left_out() -> None:
    assert set(issue_baselines(slide_histories(SPY), None)) == {"persistence", EWMA}


def test_fewer_than_300_bars_are_not_enough() -> None:
    assert len(select_baseline_bars(raw_bars("SPY", 300))) == 300
    with pytest.raises(InvalidBars, match="SPY: expected 300 bars, got 299") as raised:
        select_baseline_bars(raw_bars("SPY", 299))
    assert raised.value.reason is Reason.NOT_ENOUGH_HISTORY


def test_a_hole_among_the_last_300_bars_is_no_history() -> None:
    close = raw_bars("SPY", 310).close
    with_hole = [np.where(np.arange(310) == row, np.nan, close) for row in (9, 10)]
    assert len(select_baseline_bars(raw_bars("SPY", 310, close=with_hole[0]))) == 300
    with pytest.raises(InvalidBars) as raised:
        select_baseline_bars(raw_bars("SPY", 310, close=with_hole[1]))
    assert raised.value.reason is Reason.BAR_NAN


def test_a_ticker_with_too_short_a_history_is_forecast_but_has_no_baselines(model: Model) -> None:
    store, short = MemoryObjects(), market()["QQQ"].tail(299)
    assert run_day(model, store, SESSIONS[-1], market(QQQ=short)).withheld == {}
    rows = rows_by_key(table(store, "baselines"), "model", "ticker", "horizon")
    assert len(rows) == len(ISSUED) * 2 * 5
    for (_, ticker, _), row in rows.items():
        refused = ticker == "QQQ"
        assert row["status"] == ("withheld:not_enough_history" if refused else "ok")
        assert np.isnan(row["prediction"]) == refused
    ours = rows_by_key(table(store, "forecasts"), "ticker", "horizon")
    assert {row["status"] for row in ours.values()} == {"ok"}


def test_a_ticker_that_is_withheld_has_no_baselines_either(model: Model) -> None:
    store = MemoryObjects()
    run_day(model, store, SESSIONS[-1], {"SPY": market()["SPY"]})
    rows = rows_by_key(table(store, "baselines"), "model", "ticker", "horizon")
    refused = {row["status"] for (_, ticker, _), row in rows.items() if ticker == "QQQ"}
    assert refused == {"withheld:unknown_ticker"}


def test_a_ticker_that_the_bundle_does_not_know_has_the_other_baselines(model: Model) -> None:
    store, other = MemoryObjects(), market(("EEM",))
    run_day(model, store, SESSIONS[-1], other, tickers=("EEM",))
    assert set(table(store, "baselines")["model"]) == {"persistence", EWMA}
