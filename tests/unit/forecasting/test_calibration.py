from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from pipeline.forecasting.calibration import (
    MAX_LOG_GAIN,
    NEUTRAL,
    STEP,
    Calibration,
    apply_gains,
    calibrated_history,
    step_at,
    updated_log_gains,
)
from pipeline.forecasting.levels import INTERVALS, LEVELS, MEDIAN

QUANTILES = np.array([-3.0, -2.0, -1.5, -1.0, -0.4, 0.1, 0.5, 1.0, 1.4, 1.8, 2.5])[None, None]


def test_each_interval_promises_its_coverage() -> None:
    for coverage, (lower, upper) in INTERVALS.items():
        assert round(100 * (LEVELS[upper] - LEVELS[lower])) == coverage


def test_neutral_gains_change_no_bit() -> None:
    quantiles = np.sort(np.random.default_rng(5).normal(size=(7, 5, 11)), axis=-1)
    assert np.array_equal(apply_gains(quantiles, NEUTRAL.of(["SPY"] * 7, 5)), quantiles)


def test_a_gain_stretches_its_side_away_from_the_median() -> None:
    gains = np.ones((1, 1, 11))
    gains[..., :MEDIAN] = 2.0
    came = apply_gains(QUANTILES, gains)[0, 0]
    np.testing.assert_allclose(came[:MEDIAN], 0.1 + 2 * (QUANTILES[0, 0, :MEDIAN] - 0.1))
    assert np.array_equal(came[MEDIAN:], QUANTILES[0, 0, MEDIAN:])


def test_gains_that_would_cross_levels_leave_them_ordered() -> None:
    gains = np.ones((1, 1, 11))
    gains[..., 6], gains[..., 4] = 9.0, 9.0
    came = apply_gains(QUANTILES, gains)
    assert (np.diff(came) >= 0).all()
    assert came[0, 0, MEDIAN] == QUANTILES[0, 0, MEDIAN]


def test_a_ticker_without_gains_is_neutral() -> None:
    calibration = Calibration({"SPY": np.full((5, 11), 1.2)})
    assert calibration.of(["QQQ", "SPY"], 5)[:, 0, 0].tolist() == [1.0, 1.2]


def simulated_outcomes(n: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles of a standard normal, and outcomes that are `scale` times as wide."""
    normal = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
    outcomes = scale * np.random.default_rng(2).normal(size=(n, 5))
    return np.tile(normal, (n, 5, 1)), outcomes


@pytest.mark.parametrize("scale", [0.8, 1.0, 1.25])
def test_the_calibrator_mends_intervals_that_are_too_wide_or_too_narrow(scale: float) -> None:
    quantiles, outcomes = simulated_outcomes(4000, scale)
    published, _ = calibrated_history(quantiles, outcomes)
    for coverage, (lower, upper) in INTERVALS.items():
        inside = (published[..., lower] <= outcomes) & (outcomes <= published[..., upper])
        np.testing.assert_allclose(100 * inside[1000:].mean(), coverage, atol=1.0)


def test_the_calibrator_never_looks_ahead() -> None:
    quantiles, outcomes = simulated_outcomes(60, 1.0)
    plain, _ = calibrated_history(quantiles, outcomes)
    for i in range(5):
        changed = outcomes.copy()
        changed[30, i] = 99.0
        other, _ = calibrated_history(quantiles, changed)
        known_from = 30 + i + 1
        assert np.array_equal(other[:known_from], plain[:known_from])
        assert not np.array_equal(other[known_from], plain[known_from])


@pytest.mark.parametrize(
    ("horizon", "step"),
    [(1, 0.025), (2, 0.01767766952966), (3, 0.01443375672974), (4, 0.0125), (5, 0.01118033988750)],
)
def test_the_step_of_each_horizon_is_this_number(horizon: int, step: float) -> None:
    assert step_at(horizon) == pytest.approx(step, rel=1e-12)


def test_a_poisoned_outcome_moves_each_gain_by_one_step_at_most() -> None:
    quantiles, _ = simulated_outcomes(1, 1.0)
    moved = updated_log_gains(np.zeros((5, 11)), quantiles[0], np.full(5, 1e9), STEP)
    assert np.abs(moved).max() <= STEP
    assert (moved[:, MEDIAN] == 0).all()


def test_gains_are_bounded_and_stay_where_nothing_is_known() -> None:
    quantiles, _ = simulated_outcomes(1, 1.0)
    gains = np.full((5, 11), MAX_LOG_GAIN)
    assert (
        np.abs(updated_log_gains(gains, quantiles[0], np.full(5, 1e9), STEP)).max() == MAX_LOG_GAIN
    )
    assert np.array_equal(updated_log_gains(gains, quantiles[0], np.full(5, np.nan), STEP), gains)
