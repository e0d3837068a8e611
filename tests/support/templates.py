"""Templates of a plausible market: correlated paths, and the quantiles they are drawn into."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from pipeline.bars import Floats
from pipeline.forecasting.levels import LEVELS
from pipeline.scenarios.template import Template, to_grid
from tests.support.builders import weekdays

TICKERS = ("DIA", "IWM", "QQQ", "SPY")
HORIZONS = 5


def template(
    n: int = 1000,
    tickers: Sequence[str] = TICKERS,
    correlation: float | Sequence[float] = 0.8,
    seed: int = 1,
) -> Template:
    """Return levels of n origins of paths with a correlation, or with one for each origin."""
    random = np.random.default_rng(seed)
    common = random.normal(size=(n, 1, HORIZONS))
    own = random.normal(size=(n, len(tickers), HORIZONS))
    rho = np.broadcast_to(np.asarray(correlation, float), n)[:, None, None]
    steps = np.sqrt(rho) * common + np.sqrt(1.0 - rho) * own
    scores = np.cumsum(steps, axis=2) / np.sqrt(np.arange(1, HORIZONS + 1))
    levels = to_grid(np.vectorize(NormalDist().cdf)(scores))
    return Template(tuple(tickers), weekdays(n, "2024-12-31"), levels)


def quantiles(n_tickers: int = len(TICKERS), width: float = 0.01) -> Floats:
    """Return quantiles of normal log returns (n_tickers, 5, 11), each ticker a little wider."""
    normal = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
    scale = width * (1.0 + 0.2 * np.arange(n_tickers))
    roots = np.sqrt(np.arange(1, HORIZONS + 1))
    return np.round(scale[:, None, None] * roots[:, None] * normal, 10)
