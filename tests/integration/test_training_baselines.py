"""The fitted baselines: real arch, real statsforecast, against their own forecasts as oracles."""

from __future__ import annotations

import dataclasses
from datetime import date
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from arch import arch_model
from arch.univariate import SkewStudent
from scipy import stats
from statsforecast.models import AutoETS

from pipeline.bars import Bars
from pipeline.baselines.full_history import Baseline
from pipeline.errors import DataError
from pipeline.evaluation.scoring_rules import pinball_loss
from pipeline.forecasting.levels import INTERVALS, LEVELS, MEDIAN
from pipeline.training.baselines.auto_ets import auto_ets
from pipeline.training.baselines.garch import fit_garch_t, fit_or_keep, garch_t, refit_and_filter
from pipeline.training.baselines.gjr import gjr_skew_t
from pipeline.training.baselines.registry import BASELINES
from tests.support.builders import well_formed_bars

GRID = np.array(LEVELS)
ALL = pytest.mark.parametrize("baseline", BASELINES.values(), ids=BASELINES)
FITTED = pytest.mark.parametrize("baseline", [garch_t, gjr_skew_t, auto_ets])


def market(n: int, seed: int = 11, leverage: float = 0.0) -> Bars:
    """Return bars whose log returns are GARCH(1,1) with Student-t errors of 8 degrees."""
    random = np.random.default_rng(seed)
    moves, variance, shock = np.zeros(n), 1.0, 0.0
    for i in range(1, n):
        variance = 0.05 + (0.1 - leverage / 2 + leverage * (shock < 0)) * shock**2 + 0.85 * variance
        shock = np.sqrt(variance) * random.standard_t(8) * np.sqrt(6 / 8)
        moves[i] = shock / 100
    return closes(np.cumsum(moves) + 5)


def closes(log_close: np.ndarray) -> Bars:
    """Return bars whose open, high, low and close are all equal."""
    prices = dict.fromkeys(("open", "high", "low", "close"), np.exp(log_close))
    return well_formed_bars("SPY", len(log_close), **prices)


def day(one: Bars, at: int) -> date:
    session: date = one.session[at].item()
    return session


def percent(one: Bars) -> np.ndarray:
    return 100 * np.diff(np.log(one.close))


def test_all_five_baselines_are_there() -> None:
    assert list(BASELINES) == ["persistence", "ewma", "garch_t", "gjr_skew_t", "auto_ets"]


@ALL
def test_every_baseline_answers_from_the_same_origins(baseline: Baseline) -> None:
    one = market(360)
    made = baseline(one, day(one, 300))
    assert np.array_equal(made.origin_date, one.session[300:])
    assert made.log_return_quantiles.shape == (60, 5, 11)
    assert (np.diff(made.log_return_quantiles, axis=-1) > 0).sum() > 60 * 5 * 9
    assert (np.diff(made.log_return_quantiles, axis=-1) >= 0).all()


@ALL
@pytest.mark.parametrize("origin", [300, 310, 320, 321, 340])
def test_a_bar_after_the_origin_changes_no_baseline(baseline: Baseline, origin: int) -> None:
    one = market(350)
    later = np.arange(350) > origin
    moves = np.where(later, 0.04 * np.random.default_rng(origin).normal(size=350), 0.0)
    prices = {
        name: getattr(one, name) * np.exp(np.cumsum(moves))
        for name in ("open", "high", "low", "close")
    }
    changed = dataclasses.replace(one, **prices)
    kept = origin - 300 + 1
    plain, other = (baseline(each, day(one, 300)).log_return_quantiles for each in (one, changed))
    assert np.array_equal(plain[:kept], other[:kept])
    assert not np.array_equal(plain[kept:], other[kept:])


@ALL
def test_a_price_that_never_moved_is_forecast_to_stay(baseline: Baseline) -> None:
    flat = closes(np.full(330, 3.0))
    quantiles = baseline(flat, day(flat, 300)).log_return_quantiles
    # statsforecast's smoothing of at most 0.9999 leaves a trace of its first state.
    np.testing.assert_allclose(quantiles, 0.0, atol=1e-5)


@ALL
def test_a_price_that_moves_late_stops_or_jumps_gives_finite_quantiles(baseline: Baseline) -> None:
    random = np.random.default_rng(2)
    moves = np.concatenate([np.zeros(290), random.normal(0, 0.01, 30), [0.3], np.zeros(40)])
    one = closes(3 + np.cumsum(moves))
    quantiles = baseline(one, day(one, 280)).log_return_quantiles
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles, axis=-1) >= 0).all()


@pytest.mark.parametrize(
    ("baseline", "needed"), [(garch_t, 251), (gjr_skew_t, 251), (auto_ets, 250)]
)
def test_too_few_bars_before_the_first_origin_are_said(baseline: Baseline, needed: int) -> None:
    one = market(260)
    with pytest.raises(DataError, match=f"SPY: expected at least {needed} bars up to"):
        baseline(one, day(one, needed - 2))


def naive_garch_t(returns: np.ndarray, first: int) -> np.ndarray:
    """Return horizon 1 with arch's own volatility at each fit, carried on return by return."""
    rows = []
    for start in range(first, len(returns), 21):
        fit = arch_model(returns[: start + 1], dist="t", rescale=False).fit(disp="off")
        mean, omega, alpha, beta, nu = fit.params
        variance = fit.conditional_volatility[-1] ** 2
        for shock in returns[start : start + 21] - mean:
            variance = omega + alpha * shock**2 + beta * variance
            z = stats.t(nu, scale=np.sqrt((nu - 2) / nu)).ppf(GRID)
            rows.append(mean + np.sqrt(variance) * z)
    return np.array(rows) / 100


def test_garch_t_is_archs_fit_every_21_sessions_and_its_recursion_between() -> None:
    one = market(900)
    came = garch_t(one, day(one, 800)).log_return_quantiles[:, 0]
    np.testing.assert_allclose(came, naive_garch_t(percent(one), 799), rtol=1e-9, atol=1e-13)


def test_garch_t_sums_the_variance_arch_forecasts_over_the_horizon() -> None:
    one = market(900)
    came = garch_t(one, day(one, 899)).log_return_quantiles[0]
    fit = arch_model(percent(one), dist="t", rescale=False).fit(disp="off")
    variance = fit.forecast(horizon=5).variance.to_numpy()[-1].cumsum()
    nu = fit.params["nu"]
    z = stats.t(nu, scale=np.sqrt((nu - 2) / nu)).ppf(GRID)
    mean = fit.params["mu"] * np.arange(1, 6)
    expected = (mean[:, None] + np.sqrt(variance)[:, None] * z) / 100
    np.testing.assert_allclose(came, expected, rtol=1e-9, atol=1e-13)


def gjr_fit(one: Bars) -> Any:
    return arch_model(percent(one), o=1, dist="skewt", rescale=False).fit(disp="off")


def test_gjr_skew_t_is_archs_next_variance_and_skewed_quantiles() -> None:
    one = market(900, leverage=0.15)
    came = gjr_skew_t(one, day(one, 899)).log_return_quantiles[0, 0]
    fit = gjr_fit(one)
    sigma = np.sqrt(fit.forecast(horizon=1).variance.to_numpy()[-1, 0])
    z = SkewStudent().ppf(GRID, fit.params[["eta", "lambda"]].to_numpy())
    np.testing.assert_allclose(came, (fit.params["mu"] + sigma * z) / 100, rtol=1e-9, atol=1e-13)


def test_gjr_skew_t_sums_the_variance_that_simulation_finds() -> None:
    one = market(900, leverage=0.15)
    wide = gjr_skew_t(one, day(one, 899)).log_return_quantiles[0]
    widths = wide[:, INTERVALS[95][1]] - wide[:, INTERVALS[95][0]]
    random = np.random.default_rng(3)
    fit = gjr_fit(one)
    paths = fit.forecast(
        horizon=5, method="simulation", simulations=40_000, rng=skewed(fit, random)
    ).simulations.values[-1]
    spread = paths.cumsum(axis=1).std(axis=0)
    np.testing.assert_allclose(widths / widths[0], spread / spread[0], rtol=0.02)


def skewed(fit: Any, random: np.random.Generator) -> Any:
    """Return a source of skewed errors for arch's simulation."""
    shape = fit.params[["eta", "lambda"]].to_numpy()
    return lambda size: SkewStudent().ppf(random.random(np.prod(size)), shape).reshape(size)


def test_a_fit_is_made_at_the_first_origin_and_every_21_sessions_on_what_is_known() -> None:
    one = market(400)
    lengths: list[int] = []

    def fit(returns: np.ndarray, before: object) -> dict[str, float]:
        lengths.append(len(returns))
        assert np.array_equal(returns, percent(one)[: len(returns)])
        return {"refit": float(len(returns))}

    def forecast(returns: np.ndarray, parameters: Any) -> np.ndarray:
        return np.full((len(returns), 5, 11), parameters["refit"])

    made = refit_and_filter(one, day(one, 330), fit, forecast)
    assert lengths == [330, 351, 372, 393]
    assert (
        made.log_return_quantiles[:, 0, 0].tolist()
        == [330] * 21 + [351] * 21 + [372] * 21 + [393] * 7
    )


@pytest.mark.parametrize(("flag", "nu"), [(4, 7.0), (0, np.nan)])
def test_a_fit_that_fails_keeps_the_parameters_before(flag: int, nu: float) -> None:
    result = SimpleNamespace(convergence_flag=flag, params=pd.Series({"mu": 0.1, "nu": nu}))
    model = SimpleNamespace(fit=lambda **_: result)
    assert fit_or_keep(model, {"mu": 0.0, "nu": 5.0}) == {"mu": 0.0, "nu": 5.0}


def test_a_fit_that_converges_replaces_them() -> None:
    result = SimpleNamespace(convergence_flag=0, params=pd.Series({"mu": 0.1, "nu": 7.0}))
    model = SimpleNamespace(fit=lambda **_: result)
    assert fit_or_keep(model, {"mu": 0.0, "nu": 5.0}) == {"mu": 0.1, "nu": 7.0}


def test_garch_parameters_are_named() -> None:
    names = {"mu", "omega", "alpha[1]", "beta[1]", "nu"}
    assert set(fit_garch_t(percent(market(1200)) / 100)) == names


def test_leverage_is_found_and_moves_the_interval_after_a_fall() -> None:
    one = market(2500, leverage=0.18)
    fall, rise = (
        closes(np.r_[np.log(one.close), np.log(one.close[-1]) + jump]) for jump in (-0.04, 0.04)
    )
    lower, upper = INTERVALS[95]
    after = {
        name: gjr_skew_t(each, day(each, 2500)).log_return_quantiles[0, 0]
        for name, each in (("fall", fall), ("rise", rise))
    }
    width = {name: quantiles[upper] - quantiles[lower] for name, quantiles in after.items()}
    assert width["fall"] > 1.2 * width["rise"]


@pytest.mark.parametrize("baseline", [garch_t, gjr_skew_t])
def test_garch_intervals_hold_in_their_own_world_and_beat_constant_ones(
    baseline: Baseline,
) -> None:
    one = market(3000)
    log_close = np.log(one.close)
    made = baseline(one, day(one, 1500)).log_return_quantiles
    for horizon in (1, 5):
        realised = log_close[1500 + horizon :] - log_close[1500:-horizon]
        quantiles = made[:-horizon, horizon - 1]
        for coverage, (lower, upper) in INTERVALS.items():
            inside = (quantiles[:, lower] <= realised) & (realised <= quantiles[:, upper])
            assert 100 * inside.mean() == pytest.approx(coverage, abs=4.0)
    realised = log_close[1501:] - log_close[1500:-1]
    flat = np.quantile(np.diff(log_close[:1500]), 0.025)
    own = pinball_loss(made[:-1, 0, 1], realised, 0.025).mean()
    assert own < pinball_loss(np.full_like(realised, flat), realised, 0.025).mean()


def test_auto_ets_is_statsforecasts_own_forecast_at_a_refit() -> None:
    one = market(400)
    came = auto_ets(one, day(one, 330)).log_return_quantiles[21]
    log_close = np.log(one.close[: 330 + 21 + 1])
    oracle = AutoETS(season_length=1, model="AZN").forecast(
        log_close[-250:], h=5, level=list(INTERVALS)
    )
    moves = {name: value - log_close[-1] for name, value in oracle.items()}
    np.testing.assert_allclose(came[:, MEDIAN], moves["mean"], atol=1e-9)
    for coverage, (lower, upper) in INTERVALS.items():
        np.testing.assert_allclose(came[:, lower], moves[f"lo-{coverage}"], atol=1e-9)
        np.testing.assert_allclose(came[:, upper], moves[f"hi-{coverage}"], atol=1e-9)


def test_auto_ets_follows_the_price_between_two_fits() -> None:
    one = market(400)
    made = auto_ets(one, day(one, 330)).log_return_quantiles
    assert np.abs(made[:, 0, MEDIAN]).max() < 0.02
    assert len(np.unique(made[:21, 0, 0])) == 21


@FITTED
def test_equal_bars_give_equal_quantiles(baseline: Baseline) -> None:
    one = market(330)
    first, again = (baseline(one, day(one, 300)).log_return_quantiles for _ in range(2))
    assert np.array_equal(first, again)
