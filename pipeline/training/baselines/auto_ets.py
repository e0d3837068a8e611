"""AutoETS: exponential smoothing of the log close, its trend chosen by AICc, by statsforecast.

Hyndman and Khandakar (2008), "Automatic time series forecasting: the forecast package for R".
"""

from __future__ import annotations

from datetime import date

import numpy as np
from statsforecast.models import AutoETS

from pipeline.bars import Bars, Floats
from pipeline.baselines.full_history import HORIZONS, OriginQuantiles, find_first_origin
from pipeline.forecasting.levels import INTERVALS, LEVELS, MEDIAN

REFIT_EVERY = 21
# A year of sessions: more of them make the width, which is constant, worse.
FITTED_SESSIONS = 250
# Additive errors of a logarithm, the trend free, no season.
COMPONENTS = "AZN"


def auto_ets(bars: Bars, first: date) -> OriginQuantiles:
    """Forecast by AutoETS on the last 250 log closes, levels by its normal intervals.

    Chosen and fitted every 21 sessions; between fits its states and the variance of its errors
    follow every session.

    Raises
    ------
    DataError
        When there are fewer than 250 bars up to the first origin.
    """
    start = find_first_origin(bars, first, FITTED_SESSIONS)
    log_close = np.log(bars.close)
    origins = range(start, len(bars), REFIT_EVERY)
    blocks = [_forecast_block(log_close[: origin + REFIT_EVERY], origin) for origin in origins]
    return OriginQuantiles(bars.session[start:], np.concatenate(blocks))


def _forecast_block(log_close: Floats, origin: int) -> Floats:
    """Fit at `origin` and forecast from there to the end, float64 (n, 5, 11)."""
    begin = origin - FITTED_SESSIONS + 1
    model = AutoETS(season_length=1, model=COMPONENTS)
    model.fit(log_close[begin : origin + 1])
    ends = range(origin, len(log_close))
    return np.stack([_quantiles(model, log_close[begin : end + 1]) for end in ends])


def _quantiles(model: AutoETS, log_close: Floats) -> Floats:
    """Return quantiles of the log return over each horizon, float64 (5, 11)."""
    forecast = model.forward(log_close, h=max(HORIZONS), level=list(INTERVALS))
    quantiles = np.empty((len(HORIZONS), len(LEVELS)))
    quantiles[:, MEDIAN] = forecast["mean"]
    for coverage, (lower, upper) in INTERVALS.items():
        quantiles[:, lower], quantiles[:, upper] = (
            forecast[f"lo-{coverage}"],
            forecast[f"hi-{coverage}"],
        )
    moves: Floats = quantiles - log_close[-1]
    return moves
