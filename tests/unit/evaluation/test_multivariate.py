"""Scores of joint forecasts: what they are of few scenarios, and that they reward the truth."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation.multivariate import energy_score, sample_crps, variogram_score


def draw(correlation: float, n: int, seed: int = 4) -> np.ndarray:
    random = np.random.default_rng(seed)
    common, own = random.normal(size=(n, 1)), random.normal(size=(n, 3))
    return np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own


def test_two_scenarios_by_hand() -> None:
    scenarios, realised = np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([0.0, 0.0])
    assert energy_score(scenarios, realised) == pytest.approx(2.5 - 2.5 / 2)
    assert variogram_score(scenarios, realised) == pytest.approx(2 * 0.5**2)
    assert sample_crps(scenarios, realised) == pytest.approx([1.5 - 0.75, 2.0 - 1.0])


def test_with_one_ticker_the_energy_score_is_the_crps() -> None:
    scenarios = draw(0.5, 250)
    for k in range(3):
        column, realised = scenarios[:, k : k + 1], np.array([0.7])
        expected = sample_crps(column, realised)[0]
        assert energy_score(column, realised) == pytest.approx(expected)


@pytest.mark.parametrize("score", [energy_score, variogram_score])
def test_the_true_correlation_scores_best(score: object) -> None:
    outcomes = draw(0.9, 400, seed=5)

    def mean_of(correlation: float) -> float:
        scenarios = draw(correlation, 500)
        return float(np.mean([score(scenarios, outcome) for outcome in outcomes]))  # type: ignore[operator]

    assert mean_of(0.9) < min(mean_of(0.3), mean_of(0.999))


def test_scenarios_that_are_all_the_outcome_score_nothing() -> None:
    outcome = np.array([1.0, 2.0])
    same = np.tile(outcome, (5, 1))
    assert energy_score(same, outcome) == variogram_score(same, outcome) == 0
    assert sample_crps(same, outcome) == pytest.approx([0, 0])
