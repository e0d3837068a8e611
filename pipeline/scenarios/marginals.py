"""Marginals: the published quantiles as a whole distribution, linear between levels, with tails.

Beyond the outer levels both tails are exponential, through the two outermost levels of each side:
the tails that the expected shortfall is computed from (`tails.expected_shortfall`).
"""

from __future__ import annotations

import numpy as np

from pipeline.bars import Floats
from pipeline.forecasting.levels import LEVELS, MEDIAN
from pipeline.forecasting.tails import OUTER, lower_scale
from pipeline.grid import round_decimals

N_SCENARIOS = 1000
LEVEL_GRID = np.array(LEVELS)
# The levels of equally likely scenarios, each in the middle of its share.
SCENARIO_LEVELS = (np.arange(N_SCENARIOS) + 0.5) / N_SCENARIOS
# Steps of a scenario's log return: between two lie fewer scenarios than one, even at the median.
_STEPS_IN_HALF = 450
_SMALLEST_STEP = 1e-10
_STEPS = np.array([float(f"{digit}e{e}") for e in range(-10, 1) for digit in (1, 2, 5)])


def scenario_values(quantiles: Floats) -> Floats:
    """Return the log returns at the levels of the scenarios, increasing.

    They are on a decimal grid of the ticker's own width: a step is at most 1/450 of what half of
    all outcomes span at the first horizon.

    Parameters
    ----------
    quantiles : float64 (n_tickers, n_horizons, n_levels), of the log return, non-decreasing

    Returns
    -------
    float64 (n_tickers, n_horizons, n_scenarios)
    """
    values = np.empty((*quantiles.shape[:-1], N_SCENARIOS))
    for at in np.ndindex(*quantiles.shape[:-1]):
        values[at] = np.interp(SCENARIO_LEVELS, LEVEL_GRID, quantiles[at])
    lower, upper = SCENARIO_LEVELS < OUTER, SCENARIO_LEVELS > 1.0 - OUTER
    depth = np.log(OUTER / SCENARIO_LEVELS[lower])
    values[..., lower] = quantiles[..., :1] - lower_scale(quantiles)[..., None] * depth
    values[..., upper] = quantiles[..., -1:] + _upper_scale(quantiles)[..., None] * depth[::-1]
    step = _choose_step(quantiles)[:, None, None]
    rounded: Floats = round_decimals(np.rint(round_decimals(values) / step) * step)
    return rounded


def _choose_step(quantiles: Floats) -> Floats:
    """Return the largest 1, 2 or 5 times a power of ten that is fine enough, by ticker."""
    half = quantiles[:, 0, MEDIAN + 1] - quantiles[:, 0, MEDIAN - 1]
    at = np.searchsorted(_STEPS, half / _STEPS_IN_HALF, side="right") - 1
    return np.asarray(_STEPS[np.maximum(at, 0)])


def transform_outcomes(quantiles: Floats, realised: Floats) -> Floats:
    """Return the probability integral transform, tails included: the level of each outcome.

    The inverse of what scenarios are drawn from. The PIT of the scores says of an outcome beyond
    the outer levels only that it was one.

    Parameters
    ----------
    quantiles : float64 (n, n_levels), of the log return, non-decreasing along levels
    realised : float64 (n,), log returns

    Returns
    -------
    float64 (n,) in (0, 1)
    """
    reached = np.clip((quantiles <= realised[:, None]).sum(axis=1) - 1, 0, len(LEVELS) - 2)
    rows = np.arange(len(quantiles))
    low, high = quantiles[rows, reached], quantiles[rows, reached + 1]
    share = np.clip((realised - low) / np.where(high > low, high - low, 1.0), 0.0, 1.0)
    levels = LEVEL_GRID[reached] + share * (LEVEL_GRID[reached + 1] - LEVEL_GRID[reached])
    below, above = quantiles[:, 0] - realised, realised - quantiles[:, -1]
    levels = np.where(below > 0, _tail(below, lower_scale(quantiles)), levels)
    return np.where(above > 0, 1.0 - _tail(above, _upper_scale(quantiles)), levels)


def _upper_scale(quantiles: Floats) -> Floats:
    return lower_scale(-quantiles[..., ::-1])


def _tail(distance: Floats, scale: Floats) -> Floats:
    """Return the probability of outcomes further out than `distance` beyond an outer level."""
    far = np.maximum(distance, 0.0) / np.maximum(scale, _SMALLEST_STEP)
    return OUTER * np.exp(-np.minimum(far, 20.0))
