"""Evidence: an e-value against "no better than a baseline", valid whenever one looks.

A gambler bets at even odds that our CRPS comes out lower. While we are no better, whatever the
stake, the capital is not expected to grow, so that it passes 20 with probability 1/20 at most,
however often one looks. Henzi and Ziegel (2022), "Valid sequential inference on probability
forecast performance"; Choe and Ramdas (2024), "Comparing sequential forecasters".
"""

from __future__ import annotations

import numpy as np

from pipeline.bars import Floats
from pipeline.forecasting.levels import LEVELS

# Stakes as shares of what may be lost; capital is spread over them evenly, and each keeps its own.
STAKES = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75])
NO_EVIDENCE = (0.0,) * len(STAKES)


def largest_difference(ours: Floats, theirs: Floats) -> Floats:
    """Return what two CRPS can differ by at most whatever comes, known before it does.

    The pinball loss at level a changes by no more than max(a, 1 - a) times the quantile.

    Parameters
    ----------
    ours, theirs : float64 (..., n_levels), quantiles of the same log return

    Returns
    -------
    float64 (...)
    """
    levels = np.array(LEVELS)
    bound: Floats = 2.0 * (np.maximum(levels, 1.0 - levels) * np.abs(ours - theirs)).mean(axis=-1)
    return bound


def place_bet(log_wealth: Floats, gain: float, bound: float) -> Floats:
    """Return the log capital of every stake after one session.

    Parameters
    ----------
    log_wealth : float64 (n_stakes,)
    gain : the baseline's CRPS minus ours, summed over the session's forecasts
    bound : what `gain` can be at most, summed likewise; where it is 0 there is nothing to bet on
    """
    if bound <= 0.0:
        return log_wealth
    # Rounding may put a gain a hair beyond its bound.
    share = float(np.clip(gain / bound, -1.0, 1.0))
    return np.asarray(log_wealth + np.log1p(STAKES * share))


def e_value(log_wealth: Floats) -> float:
    """Return the capital a start of 1 has become: evidence that we are better."""
    return float(np.exp(log_wealth).mean())
