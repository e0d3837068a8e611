from __future__ import annotations

from math import exp, log, sqrt
from statistics import NormalDist

import numpy as np
import pytest

from pipeline.forecasting.calibration import (
    BROAD_CALIBRATOR,
    MAX_LOG_GAIN,
    NEUTRAL,
    STEP,
    USUAL_CALIBRATOR,
    Calibration,
    apply_gains,
    calibrate_history,
    correct_log_gains,
    update_log_gains,
)
from pipeline.forecasting.levels import INTERVALS, LEVELS, MEDIAN
from pipeline.forecasting.windows import log_returns_ahead
from tests.support.builders import bars

QUANTILES = np.array([-3.0, -2.0, -1.5, -1.0, -0.4, 0.1, 0.5, 1.0, 1.4, 1.8, 2.5])[None, None]


def test_each_interval_promises_its_coverage() -> None:
    for coverage, (lower, upper) in INTERVALS.items():
        assert round(100 * (LEVELS[upper] - LEVELS[lower])) == coverage


def test_neutral_gains_change_no_bit() -> None:
    quantiles = np.sort(np.random.default_rng(5).normal(size=(7, 5, 11)), axis=-1)
    assert np.array_equal(apply_gains(quantiles, NEUTRAL.gains_of(["SPY"] * 7, 5)), quantiles)


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
    assert calibration.gains_of(["QQQ", "SPY"], 5)[:, 0, 0].tolist() == [1.0, 1.2]


def test_gains_stored_in_a_manifest_are_the_gains_of_their_ticker() -> None:
    rows = [[1.0 + horizon + level / 100 for level in range(11)] for horizon in range(5)]
    gains = Calibration.from_stored({"SPY": rows}).gains_of(["QQQ", "SPY"], 5)
    assert gains.tolist() == [[[1.0] * 11] * 5, rows]


def test_no_tickers_have_no_gains_of_the_same_shape() -> None:
    assert NEUTRAL.gains_of([], 5).shape == (0, 5, 11)


def simulated_outcomes(n: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles of a standard normal, and outcomes that are `scale` times as wide."""
    normal = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
    outcomes = scale * np.random.default_rng(2).normal(size=(n, 5))
    return np.tile(normal, (n, 5, 1)), outcomes


@pytest.mark.parametrize("scale", [0.8, 1.0, 1.25])
def test_the_calibrator_mends_intervals_that_are_too_wide_or_too_narrow(scale: float) -> None:
    quantiles, outcomes = simulated_outcomes(4000, scale)
    published, _ = calibrate_history(quantiles, outcomes)
    for coverage, (lower, upper) in INTERVALS.items():
        inside = (published[..., lower] <= outcomes) & (outcomes <= published[..., upper])
        np.testing.assert_allclose(100 * inside[1000:].mean(), coverage, atol=1.0)


def test_the_calibrator_never_looks_ahead() -> None:
    quantiles, outcomes = simulated_outcomes(60, 1.0)
    plain, _ = calibrate_history(quantiles, outcomes)
    for i in range(5):
        changed = outcomes.copy()
        changed[30, i] = 99.0
        other, _ = calibrate_history(quantiles, changed)
        known_from = 30 + i + 1
        assert np.array_equal(other[:known_from], plain[:known_from])
        assert not np.array_equal(other[known_from], plain[known_from])


def test_a_poisoned_outcome_moves_each_gain_by_one_step_at_most() -> None:
    quantiles, _ = simulated_outcomes(1, 1.0)
    moved = update_log_gains(np.zeros((5, 11)), quantiles[0], np.full(5, 1e9), STEP)
    assert np.abs(moved).max() <= STEP
    assert (moved[:, MEDIAN] == 0).all()


def test_gains_are_bounded_and_stay_where_nothing_is_known() -> None:
    quantiles, _ = simulated_outcomes(1, 1.0)
    gains = np.full((5, 11), MAX_LOG_GAIN)
    assert (
        np.abs(update_log_gains(gains, quantiles[0], np.full(5, 1e9), STEP)).max() == MAX_LOG_GAIN
    )
    assert np.array_equal(update_log_gains(gains, quantiles[0], np.full(5, np.nan), STEP), gains)


# In log gain, of horizons 1 to 5: 0.025 / sqrt(horizon), with a pocket calculator.
STEPS = (0.025, 0.017677669529663688, 0.014433756729740645, 0.0125, 0.011180339887498949)


def test_the_step_of_each_horizon_is_what_it_was_chosen_to_be() -> None:
    usual = [USUAL_CALIBRATOR.step_at(horizon) for horizon in range(1, 6)]
    np.testing.assert_allclose(usual, np.tile(STEPS, (11, 1)).T, rtol=1e-15)


def test_for_names_never_seen_what_a_level_may_gain_is_alike_inside_the_95_interval() -> None:
    steps, tails = BROAD_CALIBRATOR.step_at(5), np.minimum(LEVELS, 1 - np.array(LEVELS))
    np.testing.assert_allclose(steps[[0, 1, 9, 10]], STEPS[4], rtol=1e-15)
    inside = [2, 3, 4, 6, 7, 8]
    np.testing.assert_allclose((steps * tails)[inside], STEPS[4] * 0.025, rtol=1e-12)
    assert steps[MEDIAN] == 0


def test_each_level_moves_by_its_own_step() -> None:
    issued, steps = np.arange(-5.0, 6.0), BROAD_CALIBRATOR.step_at(1)
    above = update_log_gains(np.zeros(11), issued, np.array(9.0), steps)
    back = correct_log_gains(above, issued, np.array(9.0), np.array(-9.0), steps)
    np.testing.assert_allclose(above[6:], [0.001875, 0.005625, 0.011875, 0.024375, 0.02475])
    np.testing.assert_allclose(back, above[::-1], rtol=1e-12)


def test_two_misses_above_and_a_hit_move_the_gains_by_hand() -> None:
    """A miss adds step x (1 - tail), each hit takes step x tail; here the step is 0.01."""
    issued, log_gains = np.arange(-5.0, 6.0), np.zeros(11)
    for realised in (9.0, 0.3, 9.0, np.nan):
        log_gains = update_log_gains(log_gains, issued, np.array(realised), 0.01)
    below = [-0.0003, -0.00075, -0.0015, -0.003, -0.0075]
    above = [0.0125, 0.017, 0.0185, 0.01925, 0.0197]
    np.testing.assert_allclose(log_gains, [*below, 0.0, *above], rtol=1e-12)


def test_of_six_origins_five_are_known_at_horizon_1_and_one_at_horizon_5() -> None:
    """Every outcome lies above all levels: of each, 99 % of a step up and 1 % down."""
    quantiles = np.tile(np.arange(-5.0, 6.0), (6, 5, 1))
    _, gains = calibrate_history(quantiles, np.full((6, 5), 1e9))
    known = (5, 4, 3, 2, 1)
    up = [0.99 * n * step for n, step in zip(known, STEPS, strict=True)]
    down = [-0.01 * n * step for n, step in zip(known, STEPS, strict=True)]
    np.testing.assert_allclose(np.log(gains[:, -1]), up, rtol=1e-12)
    np.testing.assert_allclose(np.log(gains[:, 0]), down, rtol=1e-12)


def test_a_value_at_a_quantile_is_no_miss() -> None:
    """As for the intervals, whose ends count as inside."""
    issued = np.arange(-5.0, 6.0)
    hit = update_log_gains(np.zeros(11), issued, np.array(0.0), 0.01)
    for realised in (-5.0, 5.0):
        at_end = update_log_gains(np.zeros(11), issued, np.array(realised), 0.01)
        outermost = 0 if realised < 0 else -1
        assert at_end[outermost] == hit[outermost] == pytest.approx(-0.0001)


def test_a_gain_ends_at_twice_and_at_half() -> None:
    issued = np.arange(-5.0, 6.0)
    log_gains = np.zeros(11)
    for _ in range(200):
        log_gains = update_log_gains(log_gains, issued, np.array(9.0), 0.1)
    assert np.exp(log_gains[6:]) == pytest.approx(2.0)
    assert np.exp(log_gains[3:5]) == pytest.approx(0.5)


CLOSE = bars(n=200).close
Z = [NormalDist().inv_cdf(level) for level in LEVELS]
# From `naive_gain` below, of the log returns of these bars against a normal of 1 % a session.
GAINS_AFTER_200_SESSIONS = {
    1: {0: 1.07815365561, 4: 1.08464202318, 5: 1.0, 6: 0.888029780458, 10: 1.00025003125},
    5: {0: 1.03468810829, 4: 1.0966255731, 5: 1.0, 6: 0.90680488434, 10: 0.989434884183},
}


def naive_gain(horizon: int, position: int) -> float:
    """The gain of one level after the last session, outcome by outcome and in plain floats."""
    close, level = CLOSE.tolist(), LEVELS[position]
    quantile, tail = 0.01 * sqrt(horizon) * Z[position], min(level, 1 - level)
    gains: list[float] = []
    for today in range(len(close)):
        gain, origin = gains[-1] if gains else 1.0, today - horizon
        if origin >= 0 and level != 0.5:
            realised, limit = log(close[today] / close[origin]), gains[origin] * quantile
            missed = realised < limit if level < 0.5 else realised > limit
            gain *= exp(0.025 / sqrt(horizon) * ((1 - tail) if missed else -tail))
        gains.append(min(max(gain, 0.5), 2.0))
    return gains[-1]


def test_the_gains_after_200_sessions_are_these() -> None:
    of_horizon = 0.01 * np.sqrt(np.arange(1, 6))[:, None] * Z
    realised = log_returns_ahead(CLOSE[None], (1, 2, 3, 4, 5))[0]
    _, gains = calibrate_history(np.tile(of_horizon, (200, 1, 1)), realised)
    for horizon, expected in GAINS_AFTER_200_SESSIONS.items():
        of_level = {position: gains[horizon - 1, position] for position in expected}
        assert of_level == pytest.approx(expected, rel=1e-9)
    naive = [[naive_gain(horizon, position) for position in range(11)] for horizon in range(1, 6)]
    np.testing.assert_allclose(gains, naive, rtol=1e-12)
