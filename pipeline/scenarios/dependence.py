"""Dependence: which ranks go together in a scenario, across tickers and horizons.

Ranks of past vectors (Schaake shuffle: Clark et al., 2004; ensemble copula coupling: Schefzik,
Thorarinsdottir and Gneiting, 2013), after each vector is moved from the correlations of its own
time to today's. Correlations are exponentially weighted, of the normal scores at horizon 1
(RiskMetrics; of normal scores as in Patton, 2012, "A review of copula models"). What is moved are
the tickers at each horizon, all alike, so that a path keeps its shape.
"""

from __future__ import annotations

from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import Flags, Floats
from pipeline.grid import round_decimals
from pipeline.scenarios.common_history import find_groups
from pipeline.scenarios.gaps import fill_gaps
from pipeline.scenarios.marginals import N_SCENARIOS
from pipeline.scenarios.paths import draw_paths
from pipeline.scenarios.template import UNITS, Template

Ranks = NDArray[np.int64]
# Of the correlations: weeks and months alike, since either alone scores worse.
DECAYS = (0.94, 0.99)
# A correlation matrix of more tickers than that cannot be had from the few weeks that count.
MOST_RECOLOURED = 16
_SMALLEST = 1e-4  # eigenvalue


def rank_scenarios(template: Template, tickers: tuple[str, ...], seed: str) -> Ranks:
    """Return the rank of each scenario of each ticker and horizon, from 0.

    A function of the template and of the ticker's own name: other tickers drawn beside change
    nothing.

    Parameters
    ----------
    seed : text of which independent paths are a function

    Returns
    -------
    int64 (n_scenarios, n_tickers, n_horizons), a permutation along the first axis
    """
    scores = _couple(template)
    n_horizons = template.levels.shape[2]
    columns = [
        scores[ticker] if ticker in scores else draw_paths(f"{seed} {ticker}", n_horizons)
        for ticker in tickers
    ]
    values = np.stack([np.empty((N_SCENARIOS, n_horizons)), *columns], axis=1)[:, 1:]
    order = np.argsort(round_decimals(values), axis=0, kind="stable")
    ranks: Ranks = np.argsort(order, axis=0, kind="stable")
    return ranks


def _couple(template: Template) -> dict[str, Floats]:
    """Return each coupled ticker's normal scores, float64 (n_scenarios, n_horizons).

    A group is ranked by its own vectors: those of tickers without a common history say nothing.
    """
    places = {ticker: at for at, ticker in enumerate(template.tickers)}
    scores: dict[str, Floats] = {}
    for group in find_groups(template):
        levels = template.levels[:, [places[ticker] for ticker in group]]
        coupled = _couple_group(_normal_scores(levels))
        scores |= {ticker: coupled[:, i] for i, ticker in enumerate(group)}
    return scores


def _couple_group(scores: Floats) -> Floats:
    """Return a group's normal scores, float64 (n_scenarios, n_tickers, n_horizons)."""
    vectors, newer = _split(scores)
    filled = fill_gaps(vectors)
    if 1 < scores.shape[1] <= MOST_RECOLOURED:
        filled = _recolour(filled, newer)
    return filled[np.arange(N_SCENARIOS) % len(filled)]


def _split(scores: Floats) -> tuple[Floats, Floats]:
    """Return the newest vectors that are whole for somebody, and what is newer, at horizon 1."""
    whole: Flags = np.asarray(np.isfinite(scores).all(axis=2))
    rows = np.flatnonzero(whole.any(axis=1))
    vectors = np.where(whole[..., None], scores, np.nan)[rows[-N_SCENARIOS:]]
    newer = scores[rows[-1] + 1 :, :, 0]
    return vectors, newer[np.isfinite(newer).all(axis=1)]


def _recolour(vectors: Floats, newer: Floats) -> Floats:
    """Return the vectors moved from the correlations of their own time to those of today.

    What is left in them of all times is taken out too, so that today's are met.
    """
    correlations = _weigh_correlations(np.concatenate([vectors[:, :, 0], newer]))
    white = _root(correlations[: len(vectors)], inverse=True) @ vectors
    left = _root(_correlate(white[:, :, 0].T @ white[:, :, 0]), inverse=True)
    return np.asarray(_root(correlations[-1]) @ (left @ white))


def _root(correlations: Floats, *, inverse: bool = False) -> Floats:
    """Return symmetric roots (..., k, k): they treat every ticker alike, whatever the order."""
    values, directions = np.linalg.eigh(correlations)
    roots = np.sqrt(np.maximum(values, _SMALLEST))[..., None, :]
    scaled = directions / roots if inverse else directions * roots
    return np.asarray(scaled @ np.swapaxes(directions, -1, -2))


def _correlate(covariances: Floats) -> Floats:
    """Return the correlations in covariances (..., k, k)."""
    variances = np.diagonal(covariances, axis1=-2, axis2=-1)
    deviation = np.sqrt(np.maximum(variances, _SMALLEST))
    return np.asarray(covariances / (deviation[..., :, None] * deviation[..., None, :]))


def _weigh_correlations(scores: Floats) -> Floats:
    """Return the correlations before each row of scores (n, k) and after the last: (n + 1, k, k).

    They begin with those of all rows.
    """
    products = scores[:, :, None] * scores[:, None, :]
    return _correlate(np.mean([_weigh(products, decay) for decay in DECAYS], axis=0))


def _weigh(products: Floats, decay: float) -> Floats:
    """Return exponentially weighted means before each row of products and after the last."""
    weights = decay ** -np.arange(1.0, len(products) + 1)[:, None, None]
    summed = np.cumsum((1.0 - decay) * weights * products, axis=0)
    mean = products.mean(axis=0)
    after: Floats = np.concatenate([mean[None], (mean + summed) / weights])
    return after


def _normal_scores(levels: Floats) -> Floats:
    """Return the standard normal quantiles of levels on the template's grid, NaN of NaN."""
    units = np.nan_to_num(np.rint(levels * UNITS)).astype(np.int64)
    return _scores_of_units()[units]


@cache
def _scores_of_units() -> Floats:
    inverse = NormalDist().inv_cdf
    return np.array([np.nan, *(inverse(unit / UNITS) for unit in range(1, UNITS))])
