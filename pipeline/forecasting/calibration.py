"""Intervals: from calibrated quantiles to prediction intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Annotated

import msgspec
import numpy as np

from pipeline.bars import Flags, Floats
from pipeline.errors import BundleMismatch
from pipeline.forecasting.levels import LEVELS, MEDIAN


@dataclass(frozen=True, slots=True)
class Calibration:
    """Gains by which quantiles move away from the median, per ticker, horizon and level.

    Attributes
    ----------
    gains : ticker -> float64 (n_horizons, n_levels), positive; a ticker without is neutral
    """

    gains: Mapping[str, Floats] = field(default_factory=dict)

    @classmethod
    def from_stored(cls, gains: Mapping[str, Sequence[Sequence[float]]]) -> Calibration:
        """Return the calibration of gains as a bundle's manifest has them."""
        return cls({ticker: np.array(of_ticker) for ticker, of_ticker in gains.items()})

    def gains_of(self, tickers: Sequence[str], n_horizons: int) -> Floats:
        """Return the gains float64 (n_tickers, n_horizons, n_levels), 1 where neutral."""
        neutral = np.ones((n_horizons, len(LEVELS)))
        of_tickers = [self.gains.get(ticker, neutral) for ticker in tickers]
        if any(gains.shape != neutral.shape for gains in of_tickers):
            raise BundleMismatch(
                f"expected gains of {n_horizons} horizons and {len(LEVELS)} levels"
            )
        gains = np.array(of_tickers)
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


# Step of the tracker at horizon 1, in log gain per miss; bounds keep a run of misses from running
# away.
STEP = 0.025
MAX_LOG_GAIN = 0.6931471805  # of factor 2, cut to the grid

Step = Callable[[int], float | Floats]
LogStep = Annotated[float, msgspec.Meta(ge=0, le=1)]
OfLevels = Annotated[
    tuple[LogStep, ...], msgspec.Meta(min_length=len(LEVELS), max_length=len(LEVELS))
]


class Calibrator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How fast the gains of a model's tickers learn.

    `steps` are by level, at horizon 1, in log gain per miss; `shrinkage` the misses of a level at
    which the past of a ticker that the model does not know counts as much as the pooled gains.
    """

    steps: OfLevels = (STEP,) * len(LEVELS)
    shrinkage: Annotated[float, msgspec.Meta(ge=0)] = 4.0

    def step_at(self, horizon: int) -> Floats:
        """Return each level's step: smaller where targets overlap and miss together."""
        return np.array(self.steps) / sqrt(horizon)


USUAL_CALIBRATOR = Calibrator()
# For names never seen: inside the 95 % interval a miss counts the less the more of them there are,
# else it is followed where it is noise, at a cost in CRPS. Chosen on 2015-2018, decision 31.
_OUTER_TO_INNER = (STEP, STEP, STEP / 2, STEP / 4, STEP / 10)
BROAD_CALIBRATOR = Calibrator((*_OUTER_TO_INNER, 0.0, *reversed(_OUTER_TO_INNER)), 16.0)


def update_log_gains(
    log_gains: Floats, issued: Floats, realised: Floats, step: float | Floats
) -> Floats:
    """Return log gains after one more outcome, the online calibrator.

    A level grows by `step` x (1 - its tail probability) when the realised value lies beyond it and
    shrinks by `step` x its tail probability when not, so that in the long run each level is missed
    as often as it should be, whatever the model. One outcome moves a gain by one step at most.

    Parameters
    ----------
    log_gains : float64 (..., n_levels)
    issued : float64 (..., n_levels), the calibrated quantiles that were published
    realised : float64 (...), NaN where not known yet: those gains stay
    step : one, or float64 (..., n_levels)

    Notes
    -----
    Gibbs and Candès (2021), "Adaptive conformal inference under distribution shift", per tail and
    multiplicative in the distance from the median.
    """
    levels = np.array(LEVELS)
    y, beyond = realised[..., None], _find_beyond(issued, realised)
    tail = np.minimum(levels, 1.0 - levels)
    moved = np.where(levels == 0.5, 0.0, step * (beyond - tail))
    updated = np.where(np.isnan(y), log_gains, log_gains + moved)
    return np.clip(updated, -MAX_LOG_GAIN, MAX_LOG_GAIN)


def correct_log_gains(
    log_gains: Floats, issued: Floats, was: Floats, now: Floats, step: float | Floats
) -> Floats:
    """Return log gains as if an outcome that they have learned from had been another.

    Exactly so where no bound was met since: an outcome moves a gain whatever came before and after.

    Parameters
    ----------
    was, now : float64 (...), the realised values; the others as `update_log_gains` has them
    """
    missed = _find_beyond(issued, now).astype(float) - _find_beyond(issued, was)
    moved = np.where(np.array(LEVELS) == 0.5, 0.0, step * missed)
    return np.clip(log_gains + moved, -MAX_LOG_GAIN, MAX_LOG_GAIN)


def _find_beyond(issued: Floats, realised: Floats) -> Flags:
    """Return which levels' quantiles a realised value lies beyond, away from the median."""
    y = np.asarray(realised)[..., None]
    beyond: Flags = np.where(np.array(LEVELS) < 0.5, y < issued, y > issued)
    return beyond


def calibrate_history(
    quantiles: Floats, realised: Floats, step: Step = USUAL_CALIBRATOR.step_at
) -> tuple[Floats, Floats]:
    """Return one ticker's quantiles as the online calibrator would have published them.

    At each origin the gains know every outcome of that day and before, and no later one; they
    begin neutral.

    Parameters
    ----------
    quantiles : float64 (n, n_horizons, n_levels), of consecutive origins in time order
    realised : float64 (n, n_horizons), log return to each horizon, NaN where not realised
    step : of the tracker, by horizon

    Returns
    -------
    published : float64 (n, n_horizons, n_levels)
    gains : float64 (n_horizons, n_levels), as they stand after the last origin
    """
    published = np.empty_like(quantiles)
    log_gains = np.zeros(quantiles.shape[1:])
    for origin in range(len(quantiles)):
        for i in range(min(origin, quantiles.shape[1])):
            # Horizon i + 1 of the origin i + 1 sessions ago is realised today.
            past = origin - i - 1
            log_gains[i] = update_log_gains(
                log_gains[i], published[past, i], realised[past, i], step(i + 1)
            )
        published[origin] = apply_gains(quantiles[origin], np.exp(log_gains))
    return published, np.exp(log_gains)
