"""Samplers: the scenarios that are published, and others with the same marginals beside them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.backtest.scenarios.joint_history import STEPS, JointHistory
from pipeline.bars import Floats
from pipeline.scenarios.draw import draw_scenarios
from pipeline.scenarios.marginals import scenario_values
from pipeline.scenarios.paths import draw_paths
from pipeline.scenarios.template import Template

# Draws scenarios from an origin: log returns float64 (n_scenarios, n_tickers, n_horizons).
Sampler = Callable[[JointHistory, int], Floats]
CORRELATED = 250  # sessions whose correlations the Gaussian copula has


def draw_published(history: JointHistory, row: int) -> Floats:
    """Return the scenarios as the daily run publishes them, of what was known at the origin."""
    return _draw(history, row, history.learn_template(row))


def draw_independent(history: JointHistory, row: int) -> Floats:
    """Return tickers that know nothing of each other, each a path of independent steps."""
    return _draw(history, row, Template.empty(len(STEPS)))


def draw_gaussian(history: JointHistory, row: int) -> Floats:
    """Return paths of normal steps under the correlations of the last 250 sessions' returns."""
    at, name = history.at[row], str(history.origin_date[row])
    returns = np.diff(np.log(history.close[max(0, at - CORRELATED) : at + 1]), axis=0)
    correlation = np.atleast_2d(np.corrcoef(returns, rowvar=False))
    values, directions = np.linalg.eigh(correlation)
    root = directions * np.sqrt(np.maximum(values, 0.0)) @ directions.T
    paths = [draw_paths(f"{name} {ticker}", len(STEPS)) for ticker in history.tickers]
    order = np.argsort(root @ np.stack(paths, axis=1), axis=0, kind="stable")
    ranks = np.argsort(order, axis=0, kind="stable")
    sorted_values = scenario_values(history.quantiles[row]).transpose(2, 0, 1)
    return np.take_along_axis(sorted_values, ranks, axis=0)


def _draw(history: JointHistory, row: int, template: Template) -> Floats:
    at = int(history.at[row])
    cube = draw_scenarios(
        history.tickers,
        history.close[at],
        history.quantiles[row],
        history.session[at].item(),
        history.session[at + STEPS].tolist(),
        template,
    )
    return cube.log_return.astype(np.float64)
