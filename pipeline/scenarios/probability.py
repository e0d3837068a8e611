"""Probability: in how many of the scenarios a price comes to lie somewhere."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt

import numpy as np

from pipeline.bars import Floats

Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class PriceRange:
    """Prices from `low` to `high`: both included, or neither where `is_open`."""

    low: float = -inf
    high: float = inf
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """A share of n scenarios, and between what limits 95 % of such draws would have it."""

    share: float
    error: float
    lower: float
    upper: float


def measure_probability(prices: Floats, within: PriceRange, *, touch: bool = False) -> Share:
    """Return the share of scenarios whose last close lies within, or any close where `touch`.

    Parameters
    ----------
    prices : float64 (n_scenarios, n_horizons), closes of one ticker up to the horizon
    """
    asked = prices if touch else prices[:, -1:]
    if within.is_open:
        inside = (asked > within.low) & (asked < within.high)
    else:
        inside = (asked >= within.low) & (asked <= within.high)
    return estimate_share(int(inside.any(axis=1).sum()), len(prices))


def estimate_share(count: int, n: int) -> Share:
    """Return the share of `count` in n draws with its standard error and Wilson's interval.

    Notes
    -----
    Wilson (1927), "Probable inference"; it holds for no draw and for every draw too.
    """
    share, z2 = count / n, Z_95**2
    error = sqrt(share * (1 - share) / n)
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 * sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    lower = 0.0 if count == 0 else centre - half
    upper = 1.0 if count == n else centre + half
    return Share(share, error, lower, upper)


def correlate(log_return: Floats) -> Floats:
    """Return the correlations of tickers, float64 (n_tickers, n_tickers), 0 with what stands still.

    Parameters
    ----------
    log_return : float64 (n_scenarios, n_tickers), to one horizon
    """
    away = log_return - log_return.mean(axis=0)
    scale = np.sqrt((away**2).sum(axis=0))
    units = np.divide(away, scale, out=np.zeros_like(away), where=scale > 0)
    correlations: Floats = units.T @ units
    np.fill_diagonal(correlations, 1.0)
    return np.clip(correlations, -1.0, 1.0)
