"""The scenarios of a ticker are its published distribution, tails included."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.forecasting.levels import LEVELS
from pipeline.forecasting.tails import expected_shortfall
from pipeline.scenarios.marginals import (
    N_SCENARIOS,
    SCENARIO_LEVELS,
    scenario_values,
    transform_outcomes,
)
from tests.support.templates import quantiles


def test_values_have_the_published_quantiles_within_one_rank() -> None:
    published = quantiles()
    values = scenario_values(published)
    for level, at in zip(LEVELS, np.moveaxis(published, -1, 0), strict=True):
        below = (values <= at[..., None]).sum(axis=-1)
        assert np.abs(below - level * N_SCENARIOS).max() <= 1


def test_values_increase_and_go_beyond_the_outer_levels() -> None:
    published = quantiles()
    values = scenario_values(published)
    assert (np.diff(values, axis=-1) >= 0).all()
    assert (values[..., 0] < published[..., 0]).all()
    assert (values[..., -1] > published[..., -1]).all()


def test_mean_of_the_worst_is_the_published_expected_shortfall() -> None:
    published = quantiles()
    worst = -np.expm1(scenario_values(published)[..., :25]).mean(axis=-1)
    assert worst == pytest.approx(expected_shortfall(published), rel=0.01)


def test_values_lie_on_a_coarse_grid_of_their_own_width() -> None:
    narrow, wide = scenario_values(quantiles(1, 0.004)), scenario_values(quantiles(1, 0.04))
    for values, step in ((narrow, 1e-5), (wide, 1e-4)):
        assert np.abs(values / step - np.rint(values / step)).max() < 1e-6


def test_quantiles_of_no_width_are_drawn_as_they_are() -> None:
    flat = np.zeros((1, 5, 11))
    assert (scenario_values(flat) == 0).all()
    outcomes = transform_outcomes(flat[0], np.array([0.0, -1.0, 1.0, 0.0, 0.0]))
    assert ((outcomes > 0) & (outcomes < 1)).all()
    assert outcomes[1] < 0.01
    assert outcomes[2] > 0.99


def test_levels_of_outcomes_are_the_inverse_of_what_is_drawn() -> None:
    published = quantiles(1)[0, 0]
    values = scenario_values(quantiles(1))[0, 0]
    levels = transform_outcomes(np.tile(published, (N_SCENARIOS, 1)), values)
    assert np.abs(levels - SCENARIO_LEVELS).max() < 0.001


def test_outcomes_beyond_the_outer_levels_are_told_apart() -> None:
    published = np.tile(quantiles(1)[0, 0], (3, 1))
    levels = transform_outcomes(published, published[:, 0] - np.array([0.0, 0.002, 0.01]))
    assert levels[0] == pytest.approx(0.01)
    assert levels[0] > levels[1] > levels[2] > 0
    mirrored = transform_outcomes(published, published[:, -1] + np.array([0.0, 0.002, 0.01]))
    assert mirrored == pytest.approx(1 - levels)
