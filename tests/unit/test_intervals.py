from __future__ import annotations

import numpy as np

from pipeline.intervals import INTERVALS, LEVELS, MEDIAN, NEUTRAL, Calibration, apply_gains

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
