"""Filtered historical simulation of several tickers with GARCH(1,1): the industry's scenarios.

Barone-Adesi, Giannopoulos and Vosper (1999), "VaR without correlations for portfolios of derivative
securities": the standardised shocks of one past session hit all tickers at once, which keeps them
together; each ticker's variance then goes on by its own GARCH.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.bars import Floats
from pipeline.baselines.volatility import PERCENT, conditional_variance
from pipeline.scenarios.marginals import N_SCENARIOS
from pipeline.scenarios.paths import draw_orders

ORDERS = "filtered history"  # in which past shocks come again, the same from every origin


@dataclass(frozen=True, slots=True, eq=False)
class FilteredHistory:
    """Returns in percent through GARCH filters, of parameters that stay.

    Attributes
    ----------
    mu, omega, alpha, beta : float64 (n_tickers,)
    variance : float64 (n, n_tickers), of the session after each return
    shocks : float64 (n - 1, n_tickers), standardised, of each return but the first
    """

    mu: Floats
    omega: Floats
    alpha: Floats
    beta: Floats
    variance: Floats
    shocks: Floats

    @classmethod
    def of(cls, returns: Floats, parameters: Sequence[Mapping[str, float]]) -> FilteredHistory:
        """Return log returns float64 (n, n_tickers) through each ticker's own parameters."""
        percent = returns * PERCENT
        pairs = zip(percent.T, parameters, strict=True)
        variance = np.stack([conditional_variance(series, each) for series, each in pairs], axis=1)
        names = ("mu", "omega", "alpha[1]", "beta[1]")
        mu, omega, alpha, beta = (np.array([p[name] for p in parameters]) for name in names)
        shocks = (percent[1:] - mu) / np.sqrt(variance[:-1])
        return cls(mu, omega, alpha, beta, variance, shocks)

    def draw(self, at: int, n_horizons: int) -> Floats:
        """Return scenarios after the first `at` returns: the newest 1,000 shocks, at least one.

        Returns
        -------
        float64 (n_scenarios, n_tickers, n_horizons), log returns
        """
        newest = self.shocks[max(0, at - 1 - N_SCENARIOS) : at - 1]
        orders = draw_orders(ORDERS, n_horizons) % len(newest)
        variance, total = self.variance[at - 1], np.zeros((N_SCENARIOS, len(self.mu)))
        sums = []
        for order in orders.T:
            moves = newest[order] * np.sqrt(variance)
            total = total + self.mu + moves
            variance = self.omega + self.alpha * moves**2 + self.beta * variance
            sums.append(total / PERCENT)
        return np.stack(sums, axis=2)
