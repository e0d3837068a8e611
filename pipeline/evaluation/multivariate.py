"""Scores of scenarios against what was realised: one number for a joint forecast, pure."""

from __future__ import annotations

import numpy as np

from pipeline.bars import Floats

# Scenarios compared with all others at a time: so few that no processor shares them out.
BLOCK = 50


def energy_score(scenarios: Floats, realised: Floats) -> float:
    """Return the mean distance to what was realised, less half that between two scenarios.

    Parameters
    ----------
    scenarios : float64 (n_scenarios, k), equally likely
    realised : float64 (k,)

    Notes
    -----
    Gneiting and Raftery (2007), "Strictly proper scoring rules, prediction, and estimation": with
    k = 1 the CRPS.
    """
    distance = float(np.linalg.norm(scenarios - realised, axis=1).mean())
    return distance - _sum_distances(scenarios - realised) / (2.0 * len(scenarios) ** 2)


def _sum_distances(vectors: Floats) -> float:
    """Return the sum of the distances between all pairs, by one product of matrices a block.

    The product is of the squares too, and of each pair in one order alone.
    """
    squares, ones = (vectors**2).sum(axis=1, keepdims=True), np.ones((len(vectors), 1))
    left = np.concatenate([-2.0 * vectors, squares, ones], axis=1)
    right = np.ascontiguousarray(np.concatenate([vectors, ones, squares], axis=1).T)
    room, summed = np.empty(BLOCK * len(vectors)), 0.0
    for at in range(0, len(vectors), BLOCK):
        rows = left[at : at + BLOCK]
        pairs = room[: len(rows) * (len(vectors) - at)].reshape(len(rows), -1)
        np.matmul(rows, right[:, at:], out=pairs)
        np.maximum(pairs, 0.0, out=pairs)
        # Of a vector and itself rounding may leave something beside 0.
        np.fill_diagonal(pairs, 0.0)
        np.sqrt(pairs, out=pairs)
        summed += 2.0 * float(pairs.sum()) - float(pairs[:, : len(rows)].sum())
    return summed


def variogram_score(scenarios: Floats, realised: Floats, power: float = 0.5) -> float:
    """Return how far the expected differences between two of k are off, squared and summed.

    Scheuerer and Hamill (2015), "Variogram-based proper scoring rules for probabilistic forecasts
    of multivariate quantities": it sees wrong correlations better than the energy score.

    Parameters
    ----------
    scenarios : float64 (n_scenarios, k), equally likely
    realised : float64 (k,)
    """
    summed = 0.0
    for i in range(len(realised) - 1):  # against those after it, so that hundreds need no memory
        expected = (np.abs(scenarios[:, i + 1 :] - scenarios[:, i : i + 1]) ** power).mean(axis=0)
        observed = np.abs(realised[i + 1 :] - realised[i]) ** power
        summed += 2.0 * float(((observed - expected) ** 2).sum())
    return summed


def sample_crps(scenarios: Floats, realised: Floats) -> Floats:
    """Return the CRPS of equally likely values, by sorting.

    Parameters
    ----------
    scenarios : float64 (n_scenarios, k)
    realised : float64 (k,)

    Returns
    -------
    float64 (k,), in units of `realised`
    """
    n = len(scenarios)
    ordered = np.sort(scenarios, axis=0)
    weights = (2.0 * np.arange(1, n + 1) - n - 1.0) / n**2
    score: Floats = np.abs(ordered - realised).mean(axis=0) - weights @ ordered
    return score
