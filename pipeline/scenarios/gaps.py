"""Gaps: what stands in a past vector for tickers that were not yet forecast then.

The outcomes of a later vector that has them, taken together (a hot deck: Andridge and Little, 2010,
"A review of hot deck imputation"), and moved along with what is common to those that both have.
So tickers that came late keep what binds them to each other, and to the others.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import Flags, Floats
from pipeline.scenarios.common_history import MIN_ORIGINS

Rows = NDArray[np.int64]


def fill_gaps(vectors: Floats) -> Floats:
    """Return whole vectors.

    Parameters
    ----------
    vectors : float64 (n, n_tickers, n_horizons), normal scores in time order, NaN at all horizons
        of a ticker that has none; each ticker has some
    """
    missing: Flags = np.isnan(vectors[:, :, 0])
    if not missing.any():
        return vectors
    known = np.nan_to_num(vectors)
    direction = np.linalg.eigh(known[:, :, 0].T @ known[:, :, 0])[1][:, -1]
    filled = vectors.copy()
    for rows, lacking in _group_alike(missing):
        # Of the tickers that these vectors have, in all vectors.
        common = np.einsum("mih,i->mh", known, np.where(missing[rows[0]], 0.0, direction))
        for tickers, donors in _select_donors(missing, lacking):
            taken = donors[np.arange(len(rows)) % len(donors)]
            loadings = _regress(vectors[np.ix_(donors, tickers)][:, :, 0], common[donors, 0])
            moved = (common[rows] - common[taken])[:, None] * loadings[:, None]
            filled[np.ix_(rows, tickers)] = vectors[np.ix_(taken, tickers)] + moved
    return filled


def _group_alike(missing: Flags) -> Iterator[tuple[Rows, Rows]]:
    """Yield the rows that lack the same tickers, and these."""
    patterns, of_row = np.unique(missing, axis=0, return_inverse=True)
    for at, pattern in enumerate(patterns):
        if pattern.any():
            yield np.flatnonzero(of_row == at), np.flatnonzero(pattern)


def _select_donors(missing: Flags, lacking: Rows) -> Iterator[tuple[Rows, Rows]]:
    """Yield tickers and the rows that have all of them: all together, or else one by one."""
    together = np.flatnonzero(~missing[:, lacking].any(axis=1))
    if len(together) >= MIN_ORIGINS:
        yield lacking, together
        return
    for ticker in lacking:
        yield np.array([ticker]), np.flatnonzero(~missing[:, ticker])


def _regress(scores: Floats, common: Floats) -> Floats:
    """Return the slope of each ticker's scores (n, k) on what is common (n,), float64 (k,)."""
    size = common @ common
    slopes: Floats = common @ scores / size if size > 0 else np.zeros(scores.shape[1])
    return slopes
