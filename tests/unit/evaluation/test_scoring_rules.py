from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation.scoring_rules import covered, crps, interval_score, pinball_loss, pit
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
    inside = covered(lower, upper, np.array([-1.0, 1.0, 1.0001, -1.0001]))
    assert inside.tolist() == [True, True, False, False]


def test_pit_reads_the_level_off_the_quantiles() -> None:
    quantiles = np.tile(np.arange(11.0), (4, 1))
    came = pit(quantiles, np.array([5.0, 4.5, -1.0, 99.0]), GRID)
    np.testing.assert_allclose(came, [0.5, 0.375, 0.005, 0.995])


def test_pit_on_a_quantile_is_its_level() -> None:
    quantiles = np.tile(np.arange(11.0), (11, 1))
    np.testing.assert_allclose(pit(quantiles, np.arange(11.0), GRID), GRID, rtol=1e-15)


@pytest.mark.parametrize(
    ("quantiles", "realised", "level"),
    [
        ([-3, -2, -1, -1, -1, 0, 1, 2, 3, 4, 5], -1, 0.25),
        ([-3, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6], -3, 0.025),
        ([-5, -4, -3, -2, -1, 0, 1, 2, 3, 3, 3], 3, 0.99),
        ([0] * 11, 0, 0.99),
        ([0] * 11, -1e-9, 0.005),
        ([0] * 11, 1e-9, 0.995),
    ],
    ids=["inside", "lowest", "highest", "all", "below all", "above all"],
)
def test_pit_on_equal_quantiles_is_the_highest_of_their_levels(
    quantiles: list[float], realised: float, level: float
) -> None:
    found = pit(np.array([quantiles], float), np.array([realised], float), GRID)
    np.testing.assert_allclose(found, [level], rtol=1e-15)
