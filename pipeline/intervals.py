"""Intervals: from calibrated quantiles to prediction intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.bars import Floats

LEVELS = (0.01, 0.025, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.975, 0.99)
MEDIAN = LEVELS.index(0.50)
# Nominal coverage in percent -> positions of the lower and the upper quantile level.
INTERVALS: Mapping[int, tuple[int, int]] = {
    50: (4, 6),
    80: (3, 7),
    90: (2, 8),
    95: (1, 9),
    98: (0, 10),
}


@dataclass(frozen=True, slots=True)
class Calibration:
    """Gains by which quantiles move away from the median, per ticker, horizon and level.

    Attributes
    ----------
    gains : ticker -> float64 (n_horizons, n_levels), positive; a ticker without is neutral
    """

    gains: Mapping[str, Floats] = field(default_factory=dict)

    def of(self, tickers: Sequence[str], n_horizons: int) -> Floats:
        """Return the gains float64 (n_tickers, n_horizons, n_levels), 1 where neutral."""
        neutral = np.ones((n_horizons, len(LEVELS)))
        gains = np.array([self.gains.get(ticker, neutral) for ticker in tickers])
        return gains.reshape(len(tickers), *neutral.shape)


NEUTRAL = Calibration()


def apply_gains(quantiles: Floats, gains: Floats) -> Floats:
    """Stretch each quantile's distance from the median by its gain; levels never cross.

    Parameters
    ----------
    quantiles : float64 (n, n_horizons, n_levels), non-decreasing along levels
    gains : float64 (n, n_horizons, n_levels), positive

    Returns
    -------
    float64 (n, n_horizons, n_levels), non-decreasing along levels
    """
    median = quantiles[..., MEDIAN : MEDIAN + 1]
    # Exactly the input where the gain is 1: a neutral calibration must not cost a bit.
    stretched = quantiles + (gains - 1.0) * (quantiles - median)
    below = np.minimum.accumulate(stretched[..., MEDIAN::-1], axis=-1)[..., ::-1]
    above = np.maximum.accumulate(stretched[..., MEDIAN:], axis=-1)
    return np.concatenate([below, above[..., 1:]], axis=-1)
