"""Benchmarks: scenarios with the published marginals, coupled otherwise.

Whoever has the sorted scenarios of a ticker has its marginal: only their order differs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.bars import Floats
from pipeline.grid import round_decimals
from pipeline.scenarios.paths import draw_paths
from pipeline.scenarios.probability import correlate

GAUSSIAN, INDEPENDENCE = "gaussian_copula", "independence"
CORRELATED = 250  # sessions whose correlations the Gaussian copula has


def draw_own_paths(tickers: Sequence[str], seed: str, n_horizons: int) -> Floats:
    """Return a path of normal scores for each ticker, independent of the others'.

    Returns
    -------
    float64 (n_scenarios, n_tickers, n_horizons)
    """
    return np.stack([draw_paths(f"{seed} {ticker}", n_horizons) for ticker in tickers], axis=1)


def correlate_paths(paths: Floats, close: Floats) -> Floats:
    """Return independent paths under the correlations of the newest 250 returns.

    Parameters
    ----------
    paths : float64 (n_scenarios, n_tickers, n_horizons)
    close : float64 (n_sessions, n_tickers), the last of the origin
    """
    returns = np.diff(np.log(close[-CORRELATED - 1 :]), axis=0)
    values, directions = np.linalg.eigh(correlate(returns))
    root = directions * np.sqrt(np.maximum(values, 0.0)) @ directions.T
    # One product of two matrices: a thousand small ones of hundreds of tickers take seconds.
    return np.asarray(np.tensordot(root, paths, axes=(1, 1)).transpose(1, 0, 2))


def reorder(marginals: Floats, scores: Floats) -> Floats:
    """Return each ticker's and horizon's values in the order of scores of the same shape.

    Parameters
    ----------
    marginals : (n_scenarios, n_tickers, n_horizons), increasing along the first axis
    """
    order = np.argsort(round_decimals(scores), axis=0, kind="stable")
    drawn = np.empty_like(marginals)
    np.put_along_axis(drawn, order, marginals, axis=0)
    return drawn
