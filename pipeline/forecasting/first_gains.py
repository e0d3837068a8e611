"""First gains: how far a model's quantiles were off on a ticker that it had never seen.

The calibrator's start for a ticker that the bundle does not know: the gains at which each level
would have been missed as often as it should be in the ticker's own past, shrunk to those that the
bundle learned on its own tickers. The rarer the misses of a level, the less its own past counts.
"""

from __future__ import annotations

import numpy as np

from pipeline.bars import Bars, Floats, RawBars
from pipeline.forecasting.bundle import Manifest
from pipeline.forecasting.calibration import MAX_LOG_GAIN, NEUTRAL
from pipeline.forecasting.forecast import forecast_history
from pipeline.forecasting.levels import LEVELS, MEDIAN
from pipeline.forecasting.model import Model
from pipeline.forecasting.windows import MIN_SESSIONS, log_returns_ahead


def learn_first_gains(bars: Bars, model: Model, vix: RawBars | None) -> Floats:
    """Return a ticker's gains (n_horizons, n_levels) from all origins that its bars realise."""
    pooled = pool_log_gains(model.manifest)
    if len(bars) <= MIN_SESSIONS:
        return np.exp(pooled)
    past = forecast_history(bars, model, NEUTRAL, vix)
    horizons = model.manifest.horizons
    realised = log_returns_ahead(bars.close[None], horizons)[0, -len(past.finite) :]
    usable = past.finite & past.plausible
    own = past.log_return_quantiles[usable], realised[usable]
    return np.exp(shrink_to(pooled, *own, model.manifest.calibrator.shrinkage))


def pool_log_gains(manifest: Manifest) -> Floats:
    """Return the mean log gains over a bundle's tickers (n_horizons, n_levels), 0 without any."""
    if not manifest.gains:
        return np.zeros((len(manifest.horizons), len(manifest.levels)))
    mean: Floats = np.log([np.array(gains) for gains in manifest.gains.values()]).mean(axis=0)
    return mean


def shrink_to(pooled: Floats, quantiles: Floats, realised: Floats, shrinkage: float) -> Floats:
    """Return log gains (n_horizons, n_levels) between the pooled ones and those of a past.

    Parameters
    ----------
    pooled : float64 (n_horizons, n_levels)
    quantiles : float64 (n, n_horizons, n_levels), gains not applied
    realised : float64 (n, n_horizons), NaN where not realised
    shrinkage : misses of a level at which its own past counts as much as the pooled gains
    """
    log_gains = pooled.copy()
    tails = np.minimum(LEVELS, 1.0 - np.array(LEVELS))
    reach = quantiles - quantiles[..., MEDIAN, None]
    moved = realised - quantiles[..., MEDIAN]
    for horizon in range(quantiles.shape[1]):
        known = np.isfinite(realised[:, horizon])
        misses = tails * known.sum() / (horizon + 1)  # of targets that do not overlap
        usable = (misses >= 1.0) & (np.abs(reach[known, horizon]) > 0).all(axis=0)
        usable[MEDIAN] = False
        if not usable.any():
            continue
        ratios = moved[known, horizon, None] / reach[known, horizon][:, usable]
        own = np.maximum(_column_quantiles(ratios, 1.0 - tails[usable]), np.exp(-MAX_LOG_GAIN))
        weight = misses[usable] / (misses[usable] + shrinkage)
        log_gains[horizon, usable] += weight * (np.log(own) - pooled[horizon, usable])
    return np.clip(log_gains, -MAX_LOG_GAIN, MAX_LOG_GAIN)


def _column_quantiles(values: Floats, levels: Floats) -> Floats:
    """Return of each column (n, k) the quantile of its own level (k,), linear in between."""
    ordered, position = np.sort(values, axis=0), levels * (len(values) - 1)
    low = position.astype(np.int64)
    column = np.arange(len(levels))
    below, above = ordered[low, column], ordered[np.minimum(low + 1, len(values) - 1), column]
    return np.asarray(below + (position - low) * (above - below))
