"""Risk: what a book of positions gains and loses in the scenarios, and what each ticker adds.

Losses are positive in VaR and ES, and the level is the share of outcomes that lose less. All is
counted in the scenarios alone, so that a query of their table gives the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import Floats

TAIL_LEVELS = (0.95, 0.975, 0.99)
NEAR = 0.05  # share of the scenarios, about a VaR, that say whose loss it is


@dataclass(frozen=True, slots=True, eq=False)
class TailRisk:
    """VaR and ES at one level of one horizon, each with its standard error.

    Attributes
    ----------
    var_shares, es_shares : float64 (n_tickers,), Euler contributions: they add up to `var`, `es`
    """

    var: float
    var_error: float
    es: float
    es_error: float
    var_shares: Floats
    es_shares: Floats


@dataclass(frozen=True, slots=True, eq=False)
class RankedGains:
    """What a book gains in each scenario, the worst first.

    Attributes
    ----------
    of_tickers : float64 (n_scenarios, n_tickers)
    of_book : float64 (n_scenarios,), ascending
    scenarios : int64 (n_scenarios,), their numbers
    """

    of_tickers: Floats
    of_book: Floats
    scenarios: NDArray[np.int64]

    def quantile(self, level: float) -> float:
        """Return a quantile of the gain, linear between scenarios as numpy and pandas have it."""
        return _interpolate(self.of_book, level)


def rank_gains(log_return: NDArray[np.float32], amounts: Floats) -> RankedGains:
    """Return what a book gains in each scenario, to one horizon.

    Parameters
    ----------
    log_return : float32 (n_scenarios, n_tickers), to the horizon
    amounts : float64 (n_tickers,), value of each position at the origin, negative where short
    """
    gains = amounts * np.expm1(log_return.astype(np.float64))
    book = gains.sum(axis=1)
    order = np.argsort(book, kind="stable")
    return RankedGains(gains[order], book[order], order)


def measure_tail(ranked: RankedGains, level: float) -> TailRisk:
    """Return VaR and ES of a book at a level, and each ticker's contribution.

    VaR is the quantile of the losses, linear between them as numpy, pandas and DuckDB have it; ES
    the mean of the worst scenarios, 1 less the level of them.

    Notes
    -----
    Euler contributions: Tasche (1999), "Risk contributions and performance measurement". That to
    VaR is a ticker's expected loss where the book loses just VaR: a straight line through the
    scenarios near it, which adds up exactly. Errors: of VaR Woodruff (1952), of ES Manistre and
    Hancock (2005), both as of independent draws.
    """
    var = -ranked.quantile(1 - level)
    weights = _weigh_worst(len(ranked.of_book), level)
    worst = -ranked.of_book[: len(weights)]
    es = float(weights @ worst)
    return TailRisk(
        var=var,
        var_error=_estimate_var_error(ranked, level),
        es=es,
        es_error=_estimate_es_error(worst - es, weights, es - var, level),
        var_shares=_attribute_var(ranked, level, var),
        es_shares=-(weights @ ranked.of_tickers[: len(weights)]),
    )


def _interpolate(ascending: Floats, level: float) -> float:
    place = min(max(level, 0.0), 1.0) * (len(ascending) - 1)
    below = min(int(place), len(ascending) - 1)
    above = min(below + 1, len(ascending) - 1)
    low, high = float(ascending[below]), float(ascending[above])
    return low + (place - below) * (high - low)


def _weigh_worst(n: int, level: float) -> Floats:
    """Return the weights of the worst scenarios, which add up to 1; the last may count in part."""
    # A level is a decimal: 1000 x (1 - .975) is 25, not a hair more.
    tail = max(round(n * (1 - level), 9), 1.0)
    counted = int(np.ceil(tail))
    weights = np.ones(counted)
    weights[-1] = tail - (counted - 1)
    return weights / tail


def _attribute_var(ranked: RankedGains, level: float, var: float) -> Floats:
    """Return the expected loss of each ticker where the book loses VaR, float64 (n_tickers,)."""
    n = len(ranked.of_book)
    around = max(2, round(n * NEAR))
    # VaR lies between the two in the middle, or is one of them.
    first = max(min(int((n - 1) * (1 - level)) - (around - 2) // 2, n - around), 0)
    losses, book = (
        -ranked.of_tickers[first : first + around],
        -ranked.of_book[first : first + around],
    )
    centre, means = book.sum() / len(book), losses.sum(axis=0) / len(book)
    away = book - centre
    widest = max(-away.min(), away.max())
    if widest <= 0.0:
        return np.asarray(means)
    away /= widest  # whose squares are then no too small numbers
    slopes: Floats = (away @ (losses - means)) / (away @ away)
    shares: Floats = means + (var - centre) / widest * slopes
    return shares


def _estimate_var_error(ranked: RankedGains, level: float) -> float:
    """Return half the distance between the quantiles a binomial deviation below and above."""
    step = sqrt(level * (1 - level) / len(ranked.of_book))
    return (ranked.quantile(1 - level + step) - ranked.quantile(1 - level - step)) / 2


def _estimate_es_error(away: Floats, weights: Floats, beyond: float, level: float) -> float:
    """Return the standard error of a mean of worst losses whose number is drawn too.

    `away` are these losses less their mean, which lies `beyond` VaR.
    """
    return sqrt((float(weights @ away**2) + level * beyond**2) * float(weights[0]))
