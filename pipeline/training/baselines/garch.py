"""GARCH(1,1) with Student-t errors: the baseline to beat, fitted by the arch package.

Bollerslev (1987), "A conditionally heteroskedastic time series model for speculative prices and
rates of return", with a constant mean. Fits are arch's; between them numpy filters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import numpy as np
from arch import arch_model

from pipeline.bars import Bars, Floats
from pipeline.baselines.full_history import HORIZONS, LEVEL_GRID, OriginQuantiles, find_first_origin
from pipeline.baselines.volatility import PERCENT, garch_t_quantiles

REFIT_EVERY = 21
MIN_BARS = 251

Parameters = Mapping[str, float]
# Fits returns in percent; the parameters of the fit before are kept where none converges.
Fit = Callable[[Floats, Parameters | None], Parameters]
# Forecasts from the session of every return: float64 (n, 5, 11).
Filter = Callable[[Floats, Parameters], Floats]


def garch_t(bars: Bars, first: date) -> OriginQuantiles:
    """Forecast by GARCH(1,1)-t, refitted every 21 sessions on all returns so far.

    Beyond horizon 1 the Student-t is scaled to the variance summed over the horizon.

    Raises
    ------
    DataError
        When there are fewer than 251 bars up to the first origin.
    """
    return refit_and_filter(bars, first, _fit, _filter)


def fit_garch_t(returns: Floats, before: Parameters | None = None) -> Parameters:
    """Return mu, omega, alpha[1], beta[1] and nu fitted to log returns float64 (n,), in percent.

    Where the fit does not converge, those of `before`.
    """
    return _fit(returns * PERCENT, before)


def refit_and_filter(bars: Bars, first: date, fit: Fit, forecast: Filter) -> OriginQuantiles:
    """Fit at the first origin and every 21 sessions, filter through the origins between.

    Raises
    ------
    DataError
        When there are fewer than 251 bars up to the first origin.
    """
    start = find_first_origin(bars, first, MIN_BARS)
    returns = np.diff(np.log(bars.close))  # returns[i] ends at session i + 1
    parameters: Parameters | None = None
    blocks = []
    for origin in range(start, len(bars), REFIT_EVERY):
        parameters = fit(returns[:origin] * PERCENT, parameters)
        returns_so_far = returns[: origin + REFIT_EVERY - 1]
        blocks.append(forecast(returns_so_far, parameters)[origin - 1 :])
    return OriginQuantiles(bars.session[start:], np.concatenate(blocks))


def fit_or_keep(model: Any, before: Parameters) -> Parameters:
    """Return the parameters of arch's fit of `model`, or `before` if it does not converge."""
    with np.errstate(divide="ignore", invalid="ignore"):  # a price that does not move
        fit = model.fit(disp="off", show_warning=False)
    if fit.convergence_flag != 0 or not np.isfinite(fit.params).all():
        return before
    return {name: float(value) for name, value in fit.params.items()}


def guess_parameters(percent: Floats) -> dict[str, float]:
    """Return usual GARCH parameters at the level of these returns, for want of a fit."""
    alpha, beta = 0.05, 0.90
    omega = float(percent.var()) * (1.0 - alpha - beta)
    return {"mu": float(percent.mean()), "omega": omega, "alpha[1]": alpha, "beta[1]": beta}


def _fit(percent: Floats, before: Parameters | None) -> Parameters:
    model = arch_model(percent, vol="GARCH", p=1, q=1, dist="t", rescale=False)
    return fit_or_keep(model, before or guess_parameters(percent) | {"nu": 8.0})


def _filter(returns: Floats, parameters: Parameters) -> Floats:
    return garch_t_quantiles(returns, parameters, HORIZONS, LEVEL_GRID)
