"""Volatility: recursions that forget, and what GARCH(1,1)-t with stored parameters forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import accumulate
from math import exp, lgamma, pi, sqrt

import numpy as np

from pipeline.bars import Floats

# GARCH's parameters are those of returns in percent, on which fits converge.
PERCENT = 100.0
DECAY = 0.94  # RiskMetrics' for daily returns
BACKCAST = 75  # sessions that start the GARCH filter


def garch_t_quantiles(
    returns: Floats, parameters: Mapping[str, float], horizons: Sequence[int], levels: Floats
) -> Floats:
    """Forecast by GARCH(1,1)-t with given parameters, from the session of every return.

    Parameters
    ----------
    returns : float64 (n,), log returns in session order
    parameters : mu, omega, alpha[1], beta[1], nu of returns in percent
    horizons : sessions ahead, each >= 1
    levels : float64 (n_levels,), increasing

    Returns
    -------
    float64 (n, n_horizons, n_levels); beyond horizon 1 a Student-t of the same nu, scaled to the
    expected variance summed over the horizon
    """
    variance = conditional_variance(returns * PERCENT, parameters)
    z = student_t_quantiles(levels, parameters["nu"])
    summed = summed_variance(variance, parameters, horizons)
    return scale_quantiles(summed, parameters["mu"], horizons, z)


def conditional_variance(percent: Floats, parameters: Mapping[str, float]) -> Floats:
    """Return the variance expected of the session after each return, float64 (n,) in percent^2.

    gamma[1], where given, adds to the weight of the shocks below zero (Glosten, Jagannathan and
    Runkle, 1993).
    """
    shocks = percent - parameters["mu"]
    alpha, gamma = parameters["alpha[1]"], parameters.get("gamma[1]", 0.0)
    news = parameters["omega"] + (alpha + gamma * (shocks < 0)) * shocks**2
    first = shocks[:BACKCAST] ** 2
    weights = DECAY ** np.arange(len(first))
    backcast = float(weights @ first / weights.sum())
    start = parameters["omega"] + (alpha + gamma / 2 + parameters["beta[1]"]) * backcast
    return weight_exponentially(news, parameters["beta[1]"], start)[1:]


def summed_variance(
    variance: Floats,
    parameters: Mapping[str, float],
    horizons: Sequence[int],
    share_below: float = 0.5,
) -> Floats:
    """Return the expected variance of the return over each horizon, float64 (n, n_horizons).

    Parameters
    ----------
    variance : float64 (n,), of the next session
    share_below : part of the variance that comes from shocks below zero
    """
    lasting = parameters["alpha[1]"] + parameters["beta[1]"]
    lasting += parameters.get("gamma[1]", 0.0) * share_below
    steps = range(1, max(horizons))
    ahead = accumulate(steps, lambda v, _: parameters["omega"] + lasting * v, initial=variance)
    summed: Floats = np.cumsum(list(ahead), axis=0)[np.array(horizons) - 1].T
    return summed


def scale_quantiles(summed: Floats, mu: float, horizons: Sequence[int], z: Floats) -> Floats:
    """Return quantiles of the log return (n, n_horizons, n_levels) from variances in percent^2.

    Parameters
    ----------
    summed : float64 (n, n_horizons)
    mu : mean return of a session in percent
    z : float64 (n_levels,), quantiles of unit variance
    """
    mean = mu * np.array(horizons, dtype=np.float64)[:, None]
    quantiles: Floats = (mean + np.sqrt(summed)[..., None] * z) / PERCENT
    return quantiles


def student_t_quantiles(levels: Floats, nu: float) -> Floats:
    """Return quantiles of Student's t scaled to unit variance, nu > 2, float64 (n_levels,).

    With t = sqrt(nu) tan(angle) the distribution is the integral of cos(angle)^(nu - 1), which
    Gauss-Legendre nodes give to rounding; the angle is then bisected.
    """
    nodes, weights = _quadrature_nodes()
    density = exp(lgamma((nu + 1.0) / 2.0) - lgamma(nu / 2.0)) / sqrt(pi)
    distance = np.abs(levels - 0.5)
    low, high = np.zeros(len(levels)), np.full(len(levels), pi / 2.0)
    for _ in range(60):
        middle = (low + high) / 2.0
        mass = density * middle * (np.cos(middle[:, None] * nodes) ** (nu - 1.0) @ weights)
        low = np.where(mass < distance, middle, low)
        high = np.where(mass < distance, high, middle)
    t = np.sign(levels - 0.5) * sqrt(nu) * np.tan(low)
    return np.asarray(t * sqrt((nu - 2.0) / nu))


@cache
def _quadrature_nodes() -> tuple[Floats, Floats]:
    """Return Gauss-Legendre nodes and weights of (0, 1): they take longer than what they serve."""
    nodes, weights = np.polynomial.legendre.leggauss(64)
    return (nodes + 1.0) / 2.0, weights / 2.0


def weight_exponentially(added: Floats, decay: float, start: float) -> Floats:
    """Return start and then, step by step, added + decay x the value before: float64 (n + 1,)."""
    steps = accumulate(added.tolist(), lambda value, new: new + decay * value, initial=start)
    return np.fromiter(steps, np.float64, len(added) + 1)
