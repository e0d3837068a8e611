"""Samplers share the published marginals, differ in what goes together, and see no future."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.backtest.scenarios.samplers import (
    Sampler,
    draw_gaussian,
    draw_independent,
    draw_published,
)
from pipeline.scenarios.marginals import scenario_values
from tests.support.joint import change_after, joint_history

HISTORY = joint_history(700, correlation=0.8)
ROW = 500
SAMPLERS = [draw_published, draw_gaussian, draw_independent]


@pytest.mark.parametrize("draw", SAMPLERS)
def test_marginals_are_the_published_ones(draw: Sampler) -> None:
    values = np.sort(draw(HISTORY, ROW), axis=0)
    expected = scenario_values(HISTORY.quantiles[ROW]).transpose(2, 0, 1)
    assert values == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("draw", "correlation"), [(draw_published, 0.8), (draw_gaussian, 0.8), (draw_independent, 0.0)]
)
def test_tickers_go_together_as_the_sampler_says(draw: Sampler, correlation: float) -> None:
    values = draw(HISTORY, ROW)
    for horizon in (0, 4):
        pairs = np.corrcoef(values[:, :, horizon], rowvar=False)[np.triu_indices(4, 1)]
        assert pairs == pytest.approx(np.full(6, correlation), abs=0.12)


@pytest.mark.parametrize("draw", SAMPLERS)
def test_paths_have_independent_steps(draw: Sampler) -> None:
    values = draw(HISTORY, ROW)
    first, last = values[:, 0, 0], values[:, 0, 4]
    assert np.corrcoef(first, last)[0, 1] == pytest.approx(1 / np.sqrt(5), abs=0.12)


@pytest.mark.parametrize("draw", SAMPLERS)
@pytest.mark.parametrize("row", [0, 30, 500])
def test_nothing_after_the_origin_changes_a_draw(draw: Sampler, row: int) -> None:
    assert np.array_equal(draw(HISTORY, row), draw(change_after(HISTORY, row), row))
