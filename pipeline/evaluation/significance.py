"""Significance: is a coverage off its promise, is one forecast better than another.

Numpy and math alone. A sample too small to say anything has statistic 0 and p 1.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, erfc, exp, inf, log, sqrt
from typing import NamedTuple

import numpy as np

from pipeline.bars import Flags, Floats

# Normal quantiles of a one-sided test at 5 % that finds what is there four times in five.
ONE_SIDED_5, POWER_80 = 1.6449, 0.8416
# Too few origins for a t statistic to mean anything.
MIN_DAYS = 30


class Significance(NamedTuple):
    """A test's statistic and the probability of one as far out if nothing were amiss."""

    statistic: float
    p: float


NOTHING_TO_SAY = Significance(0.0, 1.0)


def chi_square_p(statistic: float, degrees: int) -> float:
    """Return the probability that a chi-square of 1 or 2 degrees of freedom exceeds `statistic`.

    Raises
    ------
    ValueError
        For other degrees of freedom.
    """
    if degrees not in (1, 2):
        raise ValueError(f"expected 1 or 2 degrees of freedom, got {degrees}")
    # A likelihood ratio of nearly 1 may come out negative by rounding.
    half = max(statistic, 0.0) / 2.0
    return erfc(sqrt(half)) if degrees == 1 else exp(-half)


def kupiec(covered: Flags, coverage: float) -> Significance:
    """Test unconditional coverage: whether the share of sessions inside is the promised one.

    Kupiec (1995), "Techniques for verifying the accuracy of risk measurement models": the
    likelihood ratio against the empirical share, chi-square with 1 degree of freedom.

    Parameters
    ----------
    covered : bool (n,), whether the realised value lay inside the interval
    coverage : nominal coverage, in (0, 1)
    """
    inside, missed = _count(covered), _count(~covered)
    if len(covered) == 0:
        return NOTHING_TO_SAY
    promised = inside * log(coverage) + missed * log(1.0 - coverage)
    return _likelihood_ratio(_best_likelihood(inside, missed) - promised, 1)


def christoffersen_independence(covered: Flags) -> Significance:
    """Test whether a miss today says anything about a miss at the next session.

    Christoffersen (1998), "Evaluating interval forecasts": a first-order Markov chain against
    independence, chi-square with 1 degree of freedom. For horizon 1 only: intervals of longer
    horizons overlap, so that their misses cluster by construction.

    Parameters
    ----------
    covered : bool (n,), in session order
    """
    before, after = covered[:-1], covered[1:]
    chain = sum(_best_likelihood(_count(after[b]), _count(~after[b])) for b in (before, ~before))
    independent = _best_likelihood(_count(after), _count(~after))
    return _likelihood_ratio(chain - independent, 1)


def christoffersen(covered: Flags, coverage: float) -> Significance:
    """Test conditional coverage: the promised share and independent misses at once.

    The sum of both likelihood ratios, chi-square with 2 degrees of freedom; see
    `christoffersen_independence` for what it asks of `covered` bool (n,).
    """
    share, clusters = kupiec(covered, coverage), christoffersen_independence(covered)
    statistic = share.statistic + clusters.statistic
    return Significance(statistic, chi_square_p(statistic, 2))


def diebold_mariano(loss: Floats, benchmark: Floats, lags: int = 5) -> Significance:
    """Return t and two-sided p of the mean loss difference, negative t where `loss` is lower.

    Diebold and Mariano (1995), "Comparing predictive accuracy", with the Bartlett-kernel
    variance of Newey and West (1987).

    Parameters
    ----------
    loss, benchmark : float64 (n,), losses of the same sessions in time order
    lags : autocovariances counted; at least horizon - 1
    """
    difference = loss - benchmark
    n = len(difference)
    if n < 2 or not difference.any():
        return NOTHING_TO_SAY
    mean = float(difference.mean())
    centred = difference - mean
    weights = 1.0 - np.arange(1, lags + 1) / (lags + 1)
    autocovariances = np.array([centred[k:] @ centred[:-k] for k in range(1, lags + 1)])
    variance = float((centred @ centred + 2.0 * weights @ autocovariances) / n)
    t = mean / sqrt(variance / n) if variance > 0 else inf * mean
    return Significance(t, erfc(abs(t) / sqrt(2.0)))


def hac_lags(n_days: int, horizon: int) -> int:
    """Return the lags of the long-run variance: Newey and West's rule, at least 2 x the horizon."""
    return max(int(4 * (n_days / 100) ** (2 / 9)), 2 * horizon)


def days_to_prove(t: float, n_days: int) -> int | None:
    """Return how many days prove a skill as large as the one that gave `t` in `n_days`.

    Sample size of a one-sided z test at 5 % with power 80 %: n ((1.645 + 0.842) / t)^2.
    None where there is no skill.
    """
    return ceil(n_days * ((ONE_SIDED_5 + POWER_80) / t) ** 2) if t < 0 else None


# A track record asks for the same few of every ticker.
@lru_cache(maxsize=1024)
def coverage_bounds(n: int, coverage: float, probability: float = 0.95) -> tuple[float, float]:
    """Return the empirical coverages between which chance keeps an honest interval.

    The exact binomial distribution of `n` independent sessions, each tail outside the bounds at
    most (1 - probability) / 2.

    Parameters
    ----------
    n : sessions, at least 1
    coverage : nominal coverage, in (0, 1)
    """
    inside = np.arange(1, n + 1)
    steps = np.log((n - inside + 1) / inside * coverage / (1.0 - coverage))
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    share = np.exp(logs - logs.max())
    cumulative = np.cumsum(share) / share.sum()
    tail = (1.0 - probability) / 2.0
    lower, upper = np.searchsorted(cumulative, [tail, 1.0 - tail])
    return float(lower / n), float(upper / n)


def _count(flags: Flags) -> int:
    return int(np.count_nonzero(flags))


def _best_likelihood(inside: int, missed: int) -> float:
    """Return the log likelihood of the counts at their own share, 0 log 0 being 0."""
    n = inside + missed
    return sum(count * log(count / n) for count in (inside, missed) if count)


def _likelihood_ratio(gain: float, degrees: int) -> Significance:
    statistic = max(2.0 * gain, 0.0)
    return Significance(statistic, chi_square_p(statistic, degrees))
