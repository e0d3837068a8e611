"""Builders of valid records, so that a test states only what it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from pipeline.backtest import concatenated, scored
from pipeline.bars import Bars, RawBars
from pipeline.intervals import LEVELS
from pipeline.ports import Columns


def weekdays(n: int, last: str = "2024-12-27") -> np.ndarray:
    """Return n weekdays ending at `last`, datetime64[D]."""
    return np.busday_offset(last, np.arange(-n + 1, 1), roll="backward")


def raw_bars(ticker: str = "SPY", n: int = 200, *, seed: int = 7, **columns: Any) -> RawBars:
    """Return n bars of a plausible random walk; any column can be replaced."""
    random = np.random.default_rng([seed, *ticker.encode()])
    close = 400 * np.exp(np.cumsum(random.normal(0, 0.01, n)))
    open_ = close * np.exp(random.normal(0, 0.003, n))
    made = {
        "session": weekdays(n),
        "open": open_,
        "high": np.maximum(open_, close) * np.exp(np.abs(random.normal(0, 0.003, n))),
        "low": np.minimum(open_, close) * np.exp(-np.abs(random.normal(0, 0.003, n))),
        "close": close,
        "volume": random.integers(1e6, 1e8, n).astype(float),
        "dividend": np.zeros(n),
        "split": np.zeros(n),
    }
    return RawBars(ticker=ticker, **(made | columns))


def bars(ticker: str = "SPY", n: int = 200, *, seed: int = 7, **columns: Any) -> Bars:
    """Return validated bars of a plausible random walk."""
    return Bars.validated(raw_bars(ticker, n, seed=seed, **columns))


def scores_table(
    scales: Mapping[str, float], tickers: Sequence[str] = ("SPY", "QQQ"), n: int = 600
) -> Columns:
    """Return scores of models that forecast a normal return of `scale` percent a session.

    The bars of `bars` have a deviation of 1 %, so that a scale of 1.0 is the truth.
    """
    z = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
    of_horizon = 0.01 * np.sqrt(np.arange(1, 6))[:, None] * z
    parts = [
        scored(one, one.session, np.tile(scale * of_horizon, (len(one), 1, 1)), model, "made")
        for one in (bars(ticker, n) for ticker in tickers)
        for model, scale in scales.items()
    ]
    return concatenated(parts)
