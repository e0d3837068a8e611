"""GARCH(1,1) with Student-t errors: the baseline to beat, by the arch package.

Bollerslev (1987), "A conditionally heteroskedastic time series model for speculative prices and
rates of return", with a constant mean.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from arch import arch_model

from pipeline.bars import Floats

# arch converges on returns in percent.
PERCENT = 100.0


def garch_t_parameters(returns: Floats) -> Mapping[str, float]:
    """Return mu, omega, alpha[1], beta[1] and nu fitted to log returns float64 (n,), in percent."""
    fit = _model(returns * PERCENT).fit(disp="off", show_warning=False)
    return {name: float(value) for name, value in fit.params.items()}


def garch_t_quantiles(
    returns: Floats, first: int, levels: Floats, refit_every: int = 21
) -> tuple[Floats, Floats]:
    """Forecast quantiles of the next session's log return, origin by origin.

    Parameters
    ----------
    returns : float64 (n,), log returns in session order
    first : index of the first origin; its forecast uses returns[: first + 1]
    levels : float64 (n_levels,)
    refit_every : sessions between two maximum-likelihood fits on all returns so far

    Returns
    -------
    quantiles : float64 (n - first, n_levels), of returns[origin + 1]
    sigma : float64 (n - first,)
    """
    percent = returns * PERCENT
    starts = range(first, len(percent), refit_every)
    blocks = [_block(percent[: start + refit_every], start, levels) for start in starts]
    quantiles = np.concatenate([block for block, _ in blocks]) / PERCENT
    sigma = np.concatenate([block for _, block in blocks]) / PERCENT
    return quantiles, sigma


def _block(percent: Floats, start: int, levels: Floats) -> tuple[Floats, Floats]:
    """Fit on all returns up to origin `start`, then filter through the origins that follow."""
    model = _model(percent[: start + 1])
    fit = model.fit(disp="off", show_warning=False)
    mean, omega, alpha, beta, nu = fit.params.to_numpy()
    variance = np.empty(len(percent) - start)
    before = fit.conditional_volatility[-1] ** 2
    for i, shock in enumerate(percent[start:] - mean):
        before = omega + alpha * shock**2 + beta * before
        variance[i] = before
    sigma: Floats = np.sqrt(variance)
    z: Floats = model.distribution.ppf(levels, [nu])
    return mean + sigma[:, None] * z, sigma


def _model(percent: Floats):  # type: ignore[no-untyped-def]  # arch has no types
    return arch_model(percent, vol="GARCH", p=1, q=1, dist="t", rescale=False)
