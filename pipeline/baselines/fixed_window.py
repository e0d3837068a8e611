"""Issued baselines: what persistence, EWMA and GARCH(1,1)-t forecast from the bars of one vintage.

Each sees the last 300 sessions, or as many as there are, and nothing else, so that one origin or
twenty years of them, in one pass, have equal bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from pipeline.bars import Bars, Floats
from pipeline.baselines.full_history import (
    EWMA_WARM_UP,
    HORIZONS,
    LEVEL_GRID,
    ROLLING_SESSIONS,
    SMALLEST_VARIANCE,
    row_quantiles,
)
from pipeline.baselines.names import EWMA, GARCH_T, PERSISTENCE
from pipeline.baselines.volatility import (
    BACKCAST,
    DECAY,
    PERCENT,
    scale_quantiles,
    student_t_quantiles,
    summed_variance,
)
from pipeline.forecasting.levels import MEDIAN
from pipeline.forecasting.windows import MIN_SESSIONS

BASELINE_SESSIONS = 300
LEAST_SESSIONS = MIN_SESSIONS  # a ticker that can be forecast has baselines
POOLED = ("mu", "alpha[1]", "beta[1]", "nu")
MOST_LASTING = 0.995  # alpha + beta of pooled parameters: more has no variance to come back to

# Of GARCH(1,1)-t; without omega they are pooled, and the variance is the ticker's own.
Parameters = Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Quantiles:
    """A baseline's forecasts from n origins of one ticker.

    Attributes
    ----------
    log_return : float64 (n, 5, 11), non-decreasing along levels
    sigma : float64 (n, 5), standard deviation of the log return over the horizon
    """

    log_return: Floats
    sigma: Floats

    def row(self, at: int) -> Quantiles:
        """Return the forecast of one origin, as n = 1."""
        return Quantiles(self.log_return[at : at + 1], self.sigma[at : at + 1])


def slide_histories(bars: Bars) -> Floats:
    """Return the log closes each origin sees, float64 (n - 299, 300), newest last."""
    closes = np.log(bars.close)
    return np.lib.stride_tricks.sliding_window_view(closes, BASELINE_SESSIONS)


def issue_baselines(log_close: Floats, garch: Parameters | None) -> dict[str, Quantiles]:
    """Return the forecasts of every baseline from n origins of one ticker.

    Parameters
    ----------
    log_close : float64 (n, 126 to 300), log closes up to each origin
    garch : GARCH(1,1)-t's parameters of the ticker, or pooled; without, that baseline is left out
    """
    forecasts = {PERSISTENCE: _persistence(log_close), EWMA: _ewma(log_close)}
    return forecasts if garch is None else forecasts | {GARCH_T: _garch_t(log_close, garch)}


def pool_parameters(stored: Mapping[str, Parameters]) -> Parameters | None:
    """Return parameters for a ticker that has none: the medians, without omega; None of none.

    A fit on the ticker's own year or two would be worse.
    """
    if not stored:
        return None
    pooled = {name: float(np.median([of[name] for of in stored.values()])) for name in POOLED}
    most = MOST_LASTING - pooled["alpha[1]"]
    return pooled | {"beta[1]": min(pooled["beta[1]"], most)}


def _persistence(log_close: Floats) -> Quantiles:
    """Forecast the last close, with quantiles of the last 250 returns over the horizon."""
    past = [_log_returns(log_close, horizon)[:, -ROLLING_SESSIONS:] for horizon in HORIZONS]
    quantiles = np.stack([_quantiles(returns) for returns in past], axis=1)
    quantiles[..., :MEDIAN] = np.minimum(quantiles[..., :MEDIAN], 0.0)
    quantiles[..., MEDIAN:] = np.maximum(quantiles[..., MEDIAN:], 0.0)
    quantiles[..., MEDIAN] = 0.0
    return Quantiles(quantiles, np.stack([returns.std(axis=1) for returns in past], axis=1))


def _ewma(log_close: Floats) -> Quantiles:
    """Forecast by RiskMetrics' volatility and the quantiles of past returns in its units."""
    squares = _log_returns(log_close, 1) ** 2
    start = squares[:, :EWMA_WARM_UP].mean(axis=1)
    variance = _weight_exponentially((1.0 - DECAY) * squares, DECAY, start)
    sigma = np.sqrt(np.maximum(variance, SMALLEST_VARIANCE))
    z = [
        _quantiles((_log_returns(log_close, horizon) / sigma[:, :-horizon])[:, EWMA_WARM_UP:])
        for horizon in HORIZONS
    ]
    newest = sigma[:, -1:]
    return Quantiles(newest[..., None] * np.stack(z, axis=1), newest * np.sqrt(HORIZONS))


def _garch_t(log_close: Floats, garch: Parameters) -> Quantiles:
    """Forecast by GARCH(1,1)-t with stored parameters; see `volatility.garch_t_quantiles`.

    To pooled ones comes the omega by which each origin's variance returns to that of its returns.
    """
    shocks = _log_returns(log_close, 1) * PERCENT - garch["mu"]
    lasting = garch["alpha[1]"] + garch["beta[1]"]
    omega: Any = garch.get("omega", (1.0 - lasting) * (shocks**2).mean(axis=1))
    news = np.expand_dims(omega, -1) + garch["alpha[1]"] * shocks**2
    weights = DECAY ** np.arange(BACKCAST)
    backcast = (shocks[:, :BACKCAST] ** 2 * weights).sum(axis=1) / weights.sum()
    start = omega + lasting * backcast
    variance = _weight_exponentially(news, garch["beta[1]"], start)[:, -1]
    summed = summed_variance(variance, {**garch, "omega": omega}, HORIZONS)
    z = _student_t(garch["nu"])
    quantiles = scale_quantiles(summed, garch["mu"], HORIZONS, z)
    return Quantiles(quantiles, np.sqrt(summed) / PERCENT)


# Of a stored nu, origin after origin.
@lru_cache(maxsize=1024)
def _student_t(nu: float) -> Floats:
    return student_t_quantiles(LEVEL_GRID, nu)


def _log_returns(log_close: Floats, horizon: int) -> Floats:
    """Return the log returns over `horizon`, float64 (n, m - horizon), newest last."""
    returns: Floats = log_close[:, horizon:] - log_close[:, :-horizon]
    return returns


def _quantiles(values: Floats) -> Floats:
    return row_quantiles(values, np.full(len(values), values.shape[1]))


def _weight_exponentially(added: Floats, decay: float, start: Floats) -> Floats:
    """Return start and then, step by step, added + decay x the value before: (n, m + 1)."""
    values = np.empty((len(added), added.shape[1] + 1))
    values[:, 0] = start
    for step in range(added.shape[1]):
        values[:, step + 1] = added[:, step] + decay * values[:, step]
    return values
