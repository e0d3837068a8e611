from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation.scoring_rules import crps, interval_score, is_covered, pinball_loss, pit
from pipeline.forecasting.levels import LEVELS

GRID = np.array(LEVELS)


def naive_pinball(quantile: float, realised: float, level: float) -> float:
    if realised >= quantile:
        return level * (realised - quantile)
    return (1 - level) * (quantile - realised)


@pytest.mark.parametrize("realised", [-3.0, 0.0, 1.0, 2.5])
@pytest.mark.parametrize("level", [0.01, 0.5, 0.975])
def test_pinball_loss_equals_its_definition(realised: float, level: float) -> None:
    came = pinball_loss(np.array([1.0]), np.array([realised]), level)
    assert came[0] == pytest.approx(naive_pinball(1.0, realised, level))


def test_crps_is_twice_the_mean_pinball_loss_over_the_levels() -> None:
    quantiles = np.sort(np.random.default_rng(1).normal(size=(3, 11)), axis=1)
    realised = np.array([-5.0, 0.1, 4.0])
    naive = [
        2 * np.mean([naive_pinball(q, y, p) for q, p in zip(row, GRID, strict=True)])
        for row, y in zip(quantiles, realised, strict=True)
    ]
    np.testing.assert_allclose(crps(quantiles, realised, GRID), naive)


@pytest.mark.parametrize(
    ("realised", "score"), [(0.0, 2.0), (1.0, 2.0), (1.5, 2.0 + 40 * 0.5), (-3.0, 2.0 + 40 * 2.0)]
)
def test_interval_score_is_the_width_and_forty_times_the_miss_at_95(
    realised: float, score: float
) -> None:
    came = interval_score(np.array([-1.0]), np.array([1.0]), np.array([realised]), 0.95)
    assert came[0] == pytest.approx(score)


def test_the_ends_of_an_interval_are_inside() -> None:
    lower, upper = np.full(4, -1.0), np.full(4, 1.0)
    inside = is_covered(lower, upper, np.array([-1.0, 1.0, 1.0001, -1.0001]))
    assert inside.tolist() == [True, True, False, False]


def test_pit_reads_the_level_off_the_quantiles() -> None:
    quantiles = np.tile(np.arange(11.0), (4, 1))
    came = pit(quantiles, np.array([5.0, 4.5, -1.0, 99.0]), GRID)
    np.testing.assert_allclose(came, [0.5, 0.375, 0.005, 0.995])


def test_pit_at_a_quantile_is_its_level_to_the_very_ends() -> None:
    quantiles = np.tile(np.arange(11.0), (6, 1))
    levels = pit(quantiles, np.array([0.0, 0.5, 1.0, 9.0, 9.5, 10.0]), GRID)
    np.testing.assert_allclose(levels, [0.01, 0.0175, 0.025, 0.975, 0.9825, 0.99])


def test_pit_at_equal_quantiles_is_the_highest_of_their_levels() -> None:
    quantiles = np.array([[0, 0, 0, 0, 1, 1, 1, 2, 3, 3, 3]] * 4 + [[2] * 11] * 3, float)
    realised = np.array([0.0, 1.0, 1.5, 3.0, 2.0, 1.9, 2.1])
    expected = [0.10, 0.75, 0.825, 0.99, 0.99, 0.005, 0.995]
    np.testing.assert_allclose(pit(quantiles, realised, GRID), expected)
