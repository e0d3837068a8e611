"""Samplers: the scenarios that are published, and others with the same marginals beside them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.backtest.scenarios.joint_history import STEPS, JointHistory
from pipeline.bars import Floats
from pipeline.scenarios.benchmarks import correlate_paths, draw_own_paths, reorder
from pipeline.scenarios.draw import draw_scenarios
from pipeline.scenarios.marginals import scenario_values

# Draws scenarios from an origin: log returns float64 (n_scenarios, n_tickers, n_horizons).
Sampler = Callable[[JointHistory, int], Floats]


def draw_published(history: JointHistory, row: int) -> Floats:
    """Return the scenarios as the daily run publishes them, of what was known at the origin."""
    at = int(history.at[row])
    cube = draw_scenarios(
        history.tickers,
        history.close[at],
        history.quantiles[row],
        history.session[at].item(),
        history.session[at + STEPS].tolist(),
        history.learn_template(row),
    )
    return cube.log_return.astype(np.float64)


def draw_independent(history: JointHistory, row: int) -> Floats:
    """Return tickers that know nothing of each other, each a path of independent steps."""
    return reorder(_sort_published(history, row), _draw_paths(history, row))


def draw_gaussian(history: JointHistory, row: int) -> Floats:
    """Return paths of normal steps under the correlations of the last 250 sessions' returns."""
    paths = correlate_paths(_draw_paths(history, row), history.close[: history.at[row] + 1])
    return reorder(_sort_published(history, row), paths)


def _draw_paths(history: JointHistory, row: int) -> Floats:
    return draw_own_paths(history.tickers, str(history.origin_date[row]), len(STEPS))


def _sort_published(history: JointHistory, row: int) -> Floats:
    """Return the scenarios of each ticker and horizon in order, as precise as they are stored."""
    values = scenario_values(history.quantiles[row]).transpose(2, 0, 1)
    return values.astype(np.float32).astype(np.float64)
