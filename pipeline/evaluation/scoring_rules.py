"""Scores of forecasts against realised values: element-wise, pure.

Conventions: pinball loss carries no factor 2; CRPS is 2 x the mean pinball loss over the level
grid; an interval's ends count as inside.
"""

from __future__ import annotations

import numpy as np

from pipeline.bars import Flags, Floats


def pinball_loss(quantile: Floats, realised: Floats, level: Floats | float) -> Floats:
    """Return the pinball loss, element-wise with broadcasting.

    Koenker and Bassett (1978), "Regression quantiles".
    """
    error = realised - quantile
    loss: Floats = np.maximum(level * error, (level - 1.0) * error)
    return loss


def crps(quantiles: Floats, realised: Floats, levels: Floats) -> Floats:
    """Return the continuous ranked probability score on a level grid.

    Parameters
    ----------
    quantiles : float64 (..., n_levels)
    realised : float64 (...)
    levels : float64 (n_levels,)

    Returns
    -------
    float64 (...), 2 x the mean pinball loss over the levels, in units of `realised`

    Notes
    -----
    Gneiting and Ranjan (2011), "Comparing density forecasts using threshold- and
    quantile-weighted scoring rules".
    """
    score: Floats = 2.0 * pinball_loss(quantiles, realised[..., None], levels).mean(axis=-1)
    return score


def interval_score(lower: Floats, upper: Floats, realised: Floats, coverage: float) -> Floats:
    """Return Winkler's interval score: width + 2 / (1 - coverage) x the distance missed by.

    Gneiting and Raftery (2007), "Strictly proper scoring rules, prediction, and estimation".
    """
    missed = np.maximum(lower - realised, 0.0) + np.maximum(realised - upper, 0.0)
    score: Floats = upper - lower + 2.0 / (1.0 - coverage) * missed
    return score


def is_covered(lower: Floats, upper: Floats, realised: Floats) -> Flags:
    """Return whether the realised value lies inside, ends included."""
    inside: Flags = (lower <= realised) & (realised <= upper)
    return inside


def pit(quantiles: Floats, realised: Floats, levels: Floats) -> Floats:
    """Return the probability integral transform: the level at which the realised value lies.

    Linear between the levels; below the lowest or above the highest quantile it is half the
    level, or half of what is left, since the grid says no more.

    Parameters
    ----------
    quantiles : float64 (..., n_levels), non-decreasing
    realised : float64 (...)
    levels : float64 (n_levels,)

    Returns
    -------
    float64 (...) in (0, 1)
    """
    reached = (quantiles <= realised[..., None]).sum(axis=-1)
    left = np.clip(reached - 1, 0, len(levels) - 2)
    low, high = (
        np.take_along_axis(quantiles, at[..., None], axis=-1)[..., 0] for at in (left, left + 1)
    )
    # Equal quantiles have no level between them; the higher one is taken.
    width = np.where(high > low, high - low, 1.0)
    inside = (levels[left + 1] - levels[left]) / width * (realised - low) + levels[left]
    inside = np.where(realised == high, levels[left + 1], inside)
    above = np.where(realised > quantiles[..., -1], (1.0 + levels[-1]) / 2, inside)
    value: Floats = np.where(realised < quantiles[..., 0], levels[0] / 2, above)
    return value
