"""What baselines issue is what the backtest knows them by, and looks at nothing ahead."""

from __future__ import annotations

from itertools import pairwise
from math import fsum, log, sqrt

import numpy as np
import pytest
from scipy import stats

from pipeline.baselines.fixed_window import (
    BASELINE_SESSIONS,
    issue_baselines,
    pool_parameters,
    slide_histories,
)
from pipeline.baselines.full_history import HORIZONS, LEVEL_GRID, ewma, persistence
from pipeline.baselines.names import EWMA, GARCH_T, ISSUED
from pipeline.baselines.volatility import garch_t_quantiles
from pipeline.errors import InvalidBars, Reason
from pipeline.forecasting.levels import MEDIAN
from pipeline.forecasting.model import Model
from pipeline.record.forecasters import select_baseline_bars
from pipeline.record.notes import NoteCode
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


def test_a_garch_that_forgets_slowly_begins_at_its_backcast() -> None:
    slow = STORED | {"alpha[1]": 0.015, "beta[1]": 0.98}
    closes = slide_histories(SPY)[-1:]
    expected = garch_t_quantiles(np.diff(closes[0]), slow, HORIZONS, LEVEL_GRID)[-1]
    forecast = issue_baselines(closes, slow)[GARCH_T].log_return[0]
    np.testing.assert_allclose(forecast, expected, rtol=1e-12, atol=1e-15)


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


# Of `bars(n=300)` from its last session: horizon -> quantiles at 0.01, 0.5 and 0.99, and sigma.
# The numbers are those of the naive forecasts below.
BY_HAND = {
    "persistence": {
        1: (-0.0244876385361, 0.0, 0.0213953015871, 0.00998334321017),
        5: (-0.0533216698457, 0.0, 0.0532197312612, 0.0226159017953),
    },
    EWMA: {
        1: (-0.0259491478206, 0.000327130670606, 0.0211098745985, 0.00993598203328),
        5: (-0.057935414749, -0.000819635742731, 0.0606798419595, 0.0222175312496),
    },
    GARCH_T: {
        1: (-0.0272976534993, 0.0005, 0.0282976534993, 0.0108331612474),
        5: (-0.0594769573525, 0.0025, 0.0644769573525, 0.0241533470672),
    },
}


def naive_quantile(values: list[float], level: float) -> float:
    ordered, position = sorted(values), level * (len(values) - 1)
    below = int(position)
    return ordered[below] + (position - below) * (ordered[below + 1] - ordered[below])


def naive_persistence(closes: list[float], horizon: int, level: float) -> tuple[float, float]:
    returns = [closes[t] - closes[t - horizon] for t in range(300 - 250, 300)]
    mean = fsum(returns) / 250
    sigma = sqrt(fsum((each - mean) ** 2 for each in returns) / 250)
    quantile = 0.0 if level == 0.5 else naive_quantile(returns, level)
    return min(quantile, 0.0) if level < 0.5 else max(quantile, 0.0), sigma


def naive_ewma(closes: list[float], horizon: int, level: float) -> tuple[float, float]:
    returns = [after - before for before, after in pairwise(closes)]
    variance = [fsum(each**2 for each in returns[:22]) / 22]
    for each in returns:
        variance.append(0.94 * variance[-1] + 0.06 * each**2)
    origins = range(22, 300 - horizon)
    z = [(closes[t + horizon] - closes[t]) / sqrt(variance[t]) for t in origins]
    sigma = sqrt(variance[-1])
    return sigma * naive_quantile(z, level), sigma * sqrt(horizon)


def naive_garch(closes: list[float], horizon: int, level: float) -> tuple[float, float]:
    shocks = [100 * (after - before) - 0.05 for before, after in pairwise(closes)]
    weights = [0.94**age for age in range(75)]
    squares = fsum(weight * shock**2 for weight, shock in zip(weights, shocks[:75], strict=True))
    variance = 0.02 + 0.98 * squares / fsum(weights)
    for shock in shocks:
        variance = 0.02 + 0.1 * shock**2 + 0.88 * variance
    ahead = [variance]
    while len(ahead) < horizon:
        ahead.append(0.02 + 0.98 * ahead[-1])
    z, sigma = stats.t.ppf(level, 6.0) * sqrt(4 / 6), sqrt(fsum(ahead))
    return (0.05 * horizon + sigma * z) / 100, sigma / 100


NAIVE = {"persistence": naive_persistence, EWMA: naive_ewma, GARCH_T: naive_garch}


@pytest.mark.parametrize("name", ISSUED)
def test_quantiles_and_sigma_of_300_bars_are_these(name: str) -> None:
    """Literal numbers: an error that every caller shares is seen here."""
    forecast = issue_baselines(slide_histories(bars(n=300)), STORED)[name]
    for horizon, expected in BY_HAND[name].items():
        quantiles = forecast.log_return[0, horizon - 1, [0, MEDIAN, -1]]
        numbers = [*quantiles, forecast.sigma[0, horizon - 1]]
        np.testing.assert_allclose(numbers, expected, rtol=1e-9)


@pytest.mark.parametrize("name", ISSUED)
@pytest.mark.parametrize("at", [0, 77, 120])
def test_quantiles_and_sigma_are_those_of_the_definition(name: str, at: int) -> None:
    closes = [log(close) for close in SPY.close[at : at + BASELINE_SESSIONS].tolist()]
    for i, horizon in enumerate(HORIZONS):
        naive = [NAIVE[name](closes, horizon, level) for level in LEVEL_GRID]
        quantiles, sigmas = zip(*naive, strict=True)
        np.testing.assert_allclose(ALL[name].log_return[at, i], quantiles, rtol=1e-9, atol=1e-15)
        assert ALL[name].sigma[at, i] == pytest.approx(sigmas[0], rel=1e-9)


def test_the_ewmas_sigma_grows_by_the_root_of_the_horizon() -> None:
    ratios = ALL[EWMA].sigma / ALL[EWMA].sigma[:, :1]
    roots = [1.0, 1.4142135623730951, 1.7320508075688772, 2.0, 2.23606797749979]
    np.testing.assert_allclose(ratios, np.tile(roots, (121, 1)), rtol=1e-12)


def trending(step: float) -> np.ndarray:
    """Return 300 log closes whose returns lie between half and one and a half times `step`."""
    steps = step * np.random.default_rng(7).uniform(0.5, 1.5, 299)
    return np.concatenate([[5.0], 5.0 + np.cumsum(steps)])[None]


def test_persistence_in_a_market_that_only_rises_has_no_quantile_below_the_last_close() -> None:
    quantiles = issue_baselines(trending(0.01), None)["persistence"].log_return[0]
    assert (quantiles[:, : MEDIAN + 1] == 0).all()
    assert (quantiles[:, MEDIAN + 1 :] > 0.01).all()


def test_persistence_in_a_market_that_only_falls_has_no_quantile_above_the_last_close() -> None:
    quantiles = issue_baselines(trending(-0.01), None)["persistence"].log_return[0]
    assert (quantiles[:, :MEDIAN] < -0.01).all()
    assert (quantiles[:, MEDIAN:] == 0).all()


def test_a_price_that_does_not_move_is_forecast_to_stay() -> None:
    for forecast in issue_baselines(np.full((1, 300), 3.0), None).values():
        assert (forecast.log_return == 0).all()
        assert (forecast.sigma < 1e-7).all()


def test_without_parameters_garch_is_left_out() -> None:
    assert set(issue_baselines(slide_histories(SPY), None)) == {"persistence", EWMA}


def test_fewer_than_126_bars_are_not_enough() -> None:
    assert len(select_baseline_bars(raw_bars("SPY", 301))) == 300
    assert len(select_baseline_bars(raw_bars("SPY", 126))) == 126
    with pytest.raises(InvalidBars, match="SPY: expected at least 126 bars, got 125") as raised:
        select_baseline_bars(raw_bars("SPY", 125))
    assert raised.value.reason is Reason.NOT_ENOUGH_HISTORY


def test_a_hole_among_the_last_300_bars_is_no_history() -> None:
    close = raw_bars("SPY", 310).close
    with_hole = [np.where(np.arange(310) == row, np.nan, close) for row in (9, 10)]
    assert len(select_baseline_bars(raw_bars("SPY", 310, close=with_hole[0]))) == 300
    with pytest.raises(InvalidBars) as raised:
        select_baseline_bars(raw_bars("SPY", 310, close=with_hole[1]))
    assert raised.value.reason is Reason.BAR_NAN


@pytest.mark.parametrize("n", [126, 299])
def test_a_ticker_of_a_short_history_has_all_baselines_and_a_note(model: Model, n: int) -> None:
    store, short = MemoryObjects(), market()["QQQ"].tail(n)
    summary = run_day(model, store, SESSIONS[-1], market(QQQ=short))
    assert summary.withheld == {}
    rows = rows_by_key(table(store, "baselines"), "model", "ticker", "horizon")
    assert len(rows) == len(ISSUED) * 2 * 5
    assert {row["status"] for row in rows.values()} == {"ok"}
    assert all(row["sigma"] > 0 for row in rows.values())
    notes = [note for note in summary.manifests[0].notes if note.code == NoteCode.SHORT_HISTORY]
    assert [note.tickers for note in notes] == [("QQQ",)]


def test_a_ticker_that_is_withheld_has_no_baselines_either(model: Model) -> None:
    store = MemoryObjects()
    run_day(model, store, SESSIONS[-1], {"SPY": market()["SPY"]})
    rows = rows_by_key(table(store, "baselines"), "model", "ticker", "horizon")
    refused = {row["status"] for (_, ticker, _), row in rows.items() if ticker == "QQQ"}
    assert refused == {"withheld:unknown_ticker"}


def test_a_ticker_that_the_bundle_does_not_know_has_every_baseline(model: Model) -> None:
    store, other = MemoryObjects(), market(("EEM",))
    run_day(model, store, SESSIONS[-1], other, tickers=("EEM",))
    baselines = table(store, "baselines")
    assert set(baselines["model"]) == set(ISSUED)
    assert np.isfinite(baselines["prediction"]).all()


def test_a_ticker_without_parameters_gets_the_medians_of_those_that_have_some() -> None:
    one = {"mu": 0.1, "omega": 0.5, "alpha[1]": 0.10, "beta[1]": 0.80, "nu": 5.0}
    two = {"mu": 0.3, "omega": 0.1, "alpha[1]": 0.06, "beta[1]": 0.90, "nu": 9.0}
    pooled = pool_parameters({"A": one, "B": two, "C": two})
    assert pooled == {"mu": 0.3, "alpha[1]": 0.06, "beta[1]": 0.90, "nu": 9.0}
    assert pool_parameters({}) is None


def test_pooled_parameters_always_have_a_variance_to_come_back_to() -> None:
    pooled = pool_parameters({"A": {"mu": 0.0, "alpha[1]": 0.2, "beta[1]": 0.85, "nu": 5.0}})
    assert pooled is not None
    assert pooled["alpha[1]"] + pooled["beta[1]"] == pytest.approx(0.995)


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_pooled_parameters_aim_at_the_variance_of_the_ticker_itself(scale: float) -> None:
    """A ticker that moves k times as much has quantiles k times as far apart."""
    pooled = {"mu": 0.0, "alpha[1]": 0.06, "beta[1]": 0.90, "nu": 6.0}
    closes = slide_histories(SPY)
    calm, wild = (issue_baselines(x, pooled)[GARCH_T] for x in (closes, scale * closes))
    np.testing.assert_allclose(wild.log_return, scale * calm.log_return, rtol=1e-9)
    stored = {**pooled, "omega": 0.04 * float((np.diff(closes[0]) * 100).var())}
    by_hand = issue_baselines(closes[:1], stored)[GARCH_T]
    np.testing.assert_allclose(calm.sigma[0], by_hand.sigma[0], rtol=2e-2)


@pytest.mark.parametrize("n", [126, 200, 299])
def test_baselines_go_as_far_as_history_does(n: int) -> None:
    pooled = {"mu": 0.0, "alpha[1]": 0.06, "beta[1]": 0.90, "nu": 6.0}
    closes = np.log(bars(n=n).close)[None]
    for forecast in issue_baselines(closes, pooled).values():
        assert np.isfinite(forecast.log_return).all()
        assert (np.diff(forecast.log_return, axis=-1) >= 0).all()
        assert (forecast.sigma > 0).all()
