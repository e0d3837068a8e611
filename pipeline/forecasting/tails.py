"""Tails: the distribution beyond the outer quantile levels, and what is expected of it."""

from __future__ import annotations

from math import log

import numpy as np

from pipeline.bars import Floats
from pipeline.forecasting.levels import LEVELS

OUTER, NEXT = LEVELS[0], LEVELS[1]  # .01 and .025
_SPAN = log(NEXT / OUTER)


def lower_scale(quantiles: Floats) -> Floats:
    """Return the scale of the exponential tail below the lowest level, float64 (...).

    The tail runs through the two lowest levels of the model itself:
    q(p) = q(.01) - scale x ln(.01 / p) for p < .01.

    Parameters
    ----------
    quantiles : float64 (..., n_levels), of the log return, non-decreasing along levels
    """
    scale: Floats = (quantiles[..., 1] - quantiles[..., 0]) / _SPAN
    return scale


def expected_shortfall(quantiles: Floats) -> Floats:
    """Return the expected shortfall at 97.5 %, float64 (...), as a part of the last close.

    The mean loss 1 - exp(r) of the worst 2.5 % of outcomes: .03 is 3 % of what is held, positive
    for a loss. The quantile function is linear between the levels .01 and .025, and exponential
    below (`lower_scale`), so that the mean has a closed form.

    Parameters
    ----------
    quantiles : float64 (..., n_levels), of the log return, non-decreasing along levels

    Notes
    -----
    Acerbi and Tasche (2002), "On the coherence of expected shortfall"; the level is that of the
    Basel Committee (2019), "Minimum capital requirements for market risk". Of a normal
    distribution it is about 1.6 % too large, of Student's t with 5 degrees of freedom 1.4 % too
    small.
    """
    lowest, step = quantiles[..., 0], quantiles[..., 1] - quantiles[..., 0]
    # The mean of exp(r) with r uniform on a step: (exp(step) - 1) / step, 1 where there is none.
    wide = np.where(step > 0, step, 1.0)
    between = np.where(step > 0, np.expm1(wide) / wide, 1.0)
    beyond = 1.0 / (1.0 + lower_scale(quantiles))
    kept = ((NEXT - OUTER) * between + OUTER * beyond) / NEXT
    shortfall: Floats = 1.0 - np.exp(lowest) * kept
    return shortfall
