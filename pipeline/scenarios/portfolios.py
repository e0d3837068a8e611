"""Portfolios: the fixed books of which scenarios are scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from pipeline.bars import Floats

EQUAL_WEIGHTS = "equal weights"
# What of the value at the origin is in each ticker; the rest is cash.
FIXED: Mapping[str, Mapping[str, float]] = {
    "SPY - IWM": {"SPY": 1.0, "IWM": -1.0},
    "QQQ - SPY": {"QQQ": 1.0, "SPY": -1.0},
    "60 % SPY": {"SPY": 0.6},
}
# The lowest close of the path, over the last close.
LOWEST_OF = "SPY"
LOWEST = f"lowest {LOWEST_OF}"
JOINT = "joint"  # all tickers at once, which no book is
SCORED_HORIZONS = (1, 5)
PATH = max(SCORED_HORIZONS)


def list_scored(
    tickers: Sequence[str], horizons: Sequence[int] = SCORED_HORIZONS
) -> list[tuple[str, int]]:
    """Return what is scored of these tickers, in order: a name and a horizon each."""
    names = [JOINT, *_weigh(tickers)]
    each = [(name, horizon) for name in names for horizon in horizons]
    return [*each, *([(LOWEST, PATH)] if _has_path(tickers, horizons) else [])]


def measure_gains(
    log_return: Floats, tickers: Sequence[str], horizons: Sequence[int] = SCORED_HORIZONS
) -> Floats:
    """Return what each book gains, as a share of the value at the origin, in scored order.

    Parameters
    ----------
    log_return : float64 (n, n_tickers, n_horizons), horizons from 1 to the last that is scored

    Returns
    -------
    float64 (n, n_scored - len(horizons)), all that is scored but the joint
    """
    gains = np.expm1(log_return)
    at = np.array(horizons) - 1
    columns = [
        np.einsum("nkh,k->nh", gains[:, :, at], weights) for weights in _weigh(tickers).values()
    ]
    if _has_path(tickers, horizons):
        path = gains[:, list(tickers).index(LOWEST_OF), :PATH]
        columns.append(path.min(axis=1, keepdims=True))
    return np.concatenate(columns, axis=1)


def _has_path(tickers: Sequence[str], horizons: Sequence[int]) -> bool:
    return LOWEST_OF in tickers and PATH in horizons


def _weigh(tickers: Sequence[str]) -> dict[str, Floats]:
    return {EQUAL_WEIGHTS: np.full(len(tickers), 1 / len(tickers)), **dict(_weigh_fixed(tickers))}


def _weigh_fixed(tickers: Sequence[str]) -> Iterator[tuple[str, Floats]]:
    for name, weights in FIXED.items():
        if set(weights) <= set(tickers):
            yield name, np.array([weights.get(ticker, 0.0) for ticker in tickers])
