"""Baselines of numpy alone: equal to naive twins, blind to the future, honest in numbers."""

from __future__ import annotations

import dataclasses
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipeline.bars import Bars
from pipeline.baselines.full_history import (
    Baseline,
    OriginQuantiles,
    ewma,
    persistence,
    row_quantiles,
)
from pipeline.baselines.volatility import (
    conditional_variance,
    garch_t_quantiles,
    student_t_quantiles,
    summed_variance,
)
from pipeline.errors import DataError, NonFiniteOutput, Reason
from pipeline.forecasting.levels import INTERVALS, LEVELS, MEDIAN
from tests.support.builders import bars, well_formed_bars

GRID = np.array(LEVELS)
PURE = pytest.mark.parametrize("baseline", [persistence, ewma])
PARAMETERS = {"mu": 0.06, "omega": 0.02, "alpha[1]": 0.1, "beta[1]": 0.88, "nu": 6.0}


def day(one: Bars, at: int) -> date:
    session: date = one.session[at].item()
    return session


def closes(log_close: np.ndarray, ticker: str = "SPY") -> Bars:
    """Return bars whose open, high, low and close are all equal."""
    price = np.exp(log_close)
    prices = dict.fromkeys(("open", "high", "low", "close"), price)
    return well_formed_bars(ticker, len(price), **prices)


def rewritten_after(one: Bars, origin: int, seed: int) -> Bars:
    """Return bars with wilder prices after `origin`, equal up to it."""
    moves = np.random.default_rng(seed).normal(0, 0.05, len(one) - origin - 1)
    log_close = np.log(one.close)
    log_close[origin + 1 :] = log_close[origin] + np.cumsum(moves)
    later = closes(log_close)
    prices = {
        name: np.r_[getattr(one, name)[: origin + 1], getattr(later, name)[origin + 1 :]]
        for name in ("open", "high", "low", "close")
    }
    return dataclasses.replace(one, **prices)


@PURE
def test_a_baseline_answers_from_every_origin_in_order(baseline: Baseline) -> None:
    one = bars(n=400)
    made = baseline(one, day(one, 330))
    assert np.array_equal(made.origin_date, one.session[330:])
    assert made.log_return_quantiles.shape == (70, 5, 11)
    assert (np.diff(made.log_return_quantiles, axis=-1) >= 0).all()


@PURE
def test_a_first_day_without_session_begins_at_the_next(baseline: Baseline) -> None:
    one = bars(n=400)
    saturday = date(2024, 12, 21)
    assert baseline(one, saturday).origin_date[0] == np.datetime64("2024-12-23")


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([persistence, ewma]), st.integers(280, 380), st.integers(0, 2**32 - 1))
def test_a_bar_after_the_origin_changes_no_baseline(
    baseline: Baseline, origin: int, seed: int
) -> None:
    one = bars(n=400, seed=seed)
    first = day(one, 280)
    kept = origin - 280 + 1
    plain, changed = (
        baseline(each, first).log_return_quantiles
        for each in (one, rewritten_after(one, origin, seed))
    )
    assert np.array_equal(plain[:kept], changed[:kept])
    assert not np.array_equal(plain[kept:], changed[kept:])


@PURE
def test_one_origin_alone_gets_the_numbers_it_gets_among_many(baseline: Baseline) -> None:
    one = bars(n=700)
    among = baseline(one, day(one, 300)).log_return_quantiles[150]
    alone = baseline(one.as_of(day(one, 450)), day(one, 450)).log_return_quantiles[0]
    assert np.array_equal(among, alone)


def test_persistence_is_the_last_close_with_quantiles_of_the_last_250_returns() -> None:
    one = bars(n=330, seed=1)
    log_close = np.log(one.close)
    made = persistence(one, day(one, 300))
    for i, at in enumerate(range(300, 330)):
        for horizon in range(1, 6):
            past = [log_close[t] - log_close[t - horizon] for t in range(at - 249, at + 1)]
            expected = np.quantile(past, GRID)
            expected[:MEDIAN] = np.minimum(expected[:MEDIAN], 0)
            expected[MEDIAN] = 0
            expected[MEDIAN + 1 :] = np.maximum(expected[MEDIAN + 1 :], 0)
            np.testing.assert_allclose(
                made.log_return_quantiles[i, horizon - 1], expected, atol=1e-14
            )


def test_persistence_expects_the_last_close_however_the_market_trends() -> None:
    rising = closes(np.linspace(4.0, 5.0, 300))
    quantiles = persistence(rising, day(rising, 290)).log_return_quantiles
    assert (quantiles[..., : MEDIAN + 1] == 0).all()
    assert (quantiles[..., MEDIAN + 1 :] > 0).all()


def test_persistence_expects_the_last_close_however_the_market_falls() -> None:
    falling = closes(np.linspace(5.0, 4.0, 300))
    quantiles = persistence(falling, day(falling, 290)).log_return_quantiles
    assert (quantiles[..., :MEDIAN] < 0).all()
    assert (quantiles[..., MEDIAN:] == 0).all()


def test_the_quantiles_of_one_known_value_are_that_value() -> None:
    rows = np.array([[np.nan, 5.0, np.nan], [1.0, np.nan, 2.0]])
    quantiles = row_quantiles(rows, np.array([1, 2]))
    assert (quantiles[0] == 5.0).all()
    np.testing.assert_allclose(quantiles[1], 1.0 + GRID)


def naive_ewma(log_close: np.ndarray, at: int, horizon: int) -> np.ndarray:
    """Return the quantiles at one origin, session by session."""
    squares = np.diff(log_close) ** 2
    variance = [squares[:22].mean()]
    for square in squares:
        variance.append(0.94 * variance[-1] + 0.06 * square)
    sigma = np.sqrt(variance)
    ends = range(22 + horizon, at + 1)
    z = [(log_close[t] - log_close[t - horizon]) / sigma[t - horizon] for t in ends]
    return sigma[at] * np.quantile(z[-1000:], GRID)


def test_ewma_is_volatility_times_filtered_quantiles() -> None:
    one = bars(n=1400, seed=2)
    log_close = np.log(one.close)
    made = ewma(one, day(one, 300))
    for at in (300, 301, 900, 1399):
        for horizon in (1, 2, 5):
            came = made.log_return_quantiles[at - 300, horizon - 1]
            np.testing.assert_allclose(came, naive_ewma(log_close, at, horizon), rtol=1e-10)


def test_ewma_widens_at_once_after_a_shock_and_persistence_hardly() -> None:
    moves = np.random.default_rng(2).normal(0, 0.01, 400)
    moves[395] = -0.15
    one = closes(5 + np.cumsum(moves))
    lower, upper = INTERVALS[80]

    def growth(baseline: Baseline) -> float:
        quantiles = baseline(one, day(one, 394)).log_return_quantiles[:, 0]
        width = quantiles[:, upper] - quantiles[:, lower]
        return float(width[1] / width[0])

    assert growth(ewma) > 2
    assert growth(persistence) < 1.1


@PURE
def test_intervals_of_independent_returns_hold_at_every_horizon(baseline: Baseline) -> None:
    random = np.random.default_rng(6)
    one = closes(5 + np.cumsum(0.01 * random.standard_t(5, 6000)))
    made = baseline(one, day(one, 1300)).log_return_quantiles
    log_close = np.log(one.close)
    for horizon in (1, 5):
        realised = log_close[1300 + horizon :] - log_close[1300:-horizon]
        quantiles = made[:-horizon, horizon - 1]
        for coverage, (lower, upper) in INTERVALS.items():
            inside = (quantiles[:, lower] <= realised) & (realised <= quantiles[:, upper])
            assert 100 * inside.mean() == pytest.approx(coverage, abs=2.5)


@PURE
def test_a_price_that_does_not_move_is_forecast_to_stay(baseline: Baseline) -> None:
    flat = closes(np.full(400, 3.0))
    assert (baseline(flat, day(flat, 300)).log_return_quantiles == 0).all()


@PURE
def test_a_price_that_starts_to_move_late_gives_finite_quantiles(baseline: Baseline) -> None:
    moves = np.r_[np.zeros(300), np.random.default_rng(1).normal(0, 0.01, 100)]
    one = closes(3 + np.cumsum(moves))
    assert np.isfinite(baseline(one, day(one, 290)).log_return_quantiles).all()


@pytest.mark.parametrize(("baseline", "needed"), [(persistence, 255), (ewma, 277)])
def test_too_few_bars_before_the_first_origin_are_said(baseline: Baseline, needed: int) -> None:
    one = bars(n=400)
    assert len(baseline(one, day(one, needed - 1)).origin_date) == 400 - needed + 1
    first = day(one, needed - 2)
    expected = f"SPY: expected at least {needed} bars up to {first}, got {needed - 1}"
    with pytest.raises(DataError, match=expected) as raised:
        baseline(one, first)
    assert raised.value.reason is Reason.NOT_ENOUGH_HISTORY


@PURE
def test_a_first_day_after_the_last_bar_is_said(baseline: Baseline) -> None:
    with pytest.raises(DataError, match="expected a session from 2025-01-01 on, the last is 2024"):
        baseline(bars(n=400), date(2025, 1, 1))


def test_a_quantile_that_is_no_number_is_never_returned() -> None:
    quantiles = np.zeros((3, 5, 11))
    quantiles[1, 4, 2] = np.nan
    sessions = np.array(["2024-01-02", "2024-01-03", "2024-01-04"], "datetime64[D]")
    with pytest.raises(NonFiniteOutput, match="finite quantiles, got others from 2024-01-03"):
        OriginQuantiles(sessions, quantiles)


@pytest.mark.parametrize("nu", [2.05, 2.5, 4.0, 6.3, 30.0, 500.0])
def test_student_t_quantiles_equal_scipys(nu: float) -> None:
    levels = np.r_[1e-4, GRID, 0.9999]
    expected = stats.t(nu, scale=np.sqrt((nu - 2) / nu)).ppf(levels)
    np.testing.assert_allclose(student_t_quantiles(levels, nu), expected, rtol=1e-10, atol=1e-15)


def naive_garch(returns: np.ndarray, at: int, horizon: int) -> tuple[float, float]:
    """Return mean and standard deviation in percent of the return over the horizon."""
    shocks = 100 * returns - PARAMETERS["mu"]
    weights = 0.94 ** np.arange(75)
    variance = np.average(shocks[:75] ** 2, weights=weights)
    variance = 0.02 + (0.1 + 0.88) * variance
    for shock in shocks[: at + 1]:
        variance = 0.02 + 0.1 * shock**2 + 0.88 * variance
    ahead = [variance]
    while len(ahead) < horizon:
        ahead.append(0.02 + 0.98 * ahead[-1])
    return PARAMETERS["mu"] * horizon, float(np.sqrt(sum(ahead)))


def test_the_garch_filter_equals_its_recursion() -> None:
    returns = np.random.default_rng(4).normal(0, 0.01, 400)
    came = garch_t_quantiles(returns, PARAMETERS, (1, 2, 5), GRID)
    assert came.shape == (400, 3, 11)
    z = stats.t(6, scale=np.sqrt(4 / 6)).ppf(GRID)
    for at in (0, 1, 80, 399):
        for i, horizon in enumerate((1, 2, 5)):
            mean, sigma = naive_garch(returns, at, horizon)
            np.testing.assert_allclose(came[at, i], (mean + sigma * z) / 100, rtol=1e-9)


def test_the_garch_filter_sees_no_return_after_its_origin() -> None:
    returns = np.random.default_rng(4).normal(0, 0.01, 400)
    changed = np.r_[returns[:300], 3 * returns[300:]]
    plain, other = (garch_t_quantiles(r, PARAMETERS, (1, 5), GRID) for r in (returns, changed))
    assert np.array_equal(plain[:300], other[:300])
    assert not np.array_equal(plain[300], other[300])


def test_where_the_garch_filter_starts_is_forgotten_after_a_year() -> None:
    returns = np.random.default_rng(4).normal(0, 0.01, 900)
    whole, tail = (garch_t_quantiles(r, PARAMETERS, (1,), GRID) for r in (returns, returns[-320:]))
    np.testing.assert_allclose(tail[-1], whole[-1], rtol=1e-6)


def test_only_shocks_below_zero_carry_gamma() -> None:
    parameters = PARAMETERS | {"mu": 0.0, "gamma[1]": 0.15}
    rise, fall = np.full(100, 0.5), np.full(100, 0.5)
    rise[-1], fall[-1] = 2.0, -2.0
    gap = conditional_variance(fall, parameters)[-1] - conditional_variance(rise, parameters)[-1]
    assert gap == pytest.approx(0.15 * 4.0)


BY_HAND = {"mu": 0.0, "omega": 0.02, "alpha[1]": 0.1, "beta[1]": 0.8, "gamma[1]": 0.06}


@pytest.mark.parametrize(("shock", "expected"), [(1.0, 0.88), (-1.0, 0.94)])
def test_a_gjr_filter_of_one_shock_is_worked_by_hand(shock: float, expected: float) -> None:
    """It starts at 0.02 + (0.1 + 0.06 / 2 + 0.8) x 1 = 0.95: half of all shocks lie below zero."""
    assert conditional_variance(np.array([shock]), BY_HAND) == pytest.approx([expected])


def test_the_variance_summed_ahead_is_worked_by_hand() -> None:
    """What lasts is 0.1 + 0.8 + 0.06 / 2 = 0.93, or 0.96 where all shocks lie below zero."""
    variance = np.array([1.0])
    np.testing.assert_allclose(summed_variance(variance, BY_HAND, (1, 2, 3)), [[1, 1.95, 2.8535]])
    np.testing.assert_allclose(summed_variance(variance, BY_HAND, (3,), 1.0), [[2.9408]])
