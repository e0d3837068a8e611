"""A market of correlated normal returns, forecast as it is, and scores of scenarios of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.backtest.scenarios.filtered_history import FilteredHistory
from pipeline.backtest.scenarios.joint_history import JointHistory
from pipeline.bars import Floats
from pipeline.forecasting.windows import log_returns_ahead
from tests.support.builders import weekdays
from tests.support.templates import HORIZONS, TICKERS, quantiles

WIDTH = 0.01
# Of each ticker: no news in its variance, so that what is drawn is what has been.
STILL = {"mu": 0.0, "omega": 1.0, "alpha[1]": 0.0, "beta[1]": 0.0, "nu": 8.0}


def joint_history(
    n: int = 400,
    tickers: Sequence[str] = TICKERS,
    *,
    first: int = 100,
    correlation: float = 0.8,
    seed: int = 3,
) -> JointHistory:
    """Return n sessions, origins from the one numbered `first` on."""
    random = np.random.default_rng(seed)
    common, own = random.normal(size=(n, 1)), random.normal(size=(n, len(tickers)))
    steps = np.sqrt(correlation) * common + np.sqrt(1.0 - correlation) * own
    scale = WIDTH * (1.0 + 0.2 * np.arange(len(tickers)))
    close = 100.0 * np.exp(np.cumsum(scale * steps, axis=0))
    return of_close(close, tickers, first)


def of_close(close: Floats, tickers: Sequence[str], first: int) -> JointHistory:
    """Return closes float64 (n_sessions, n_tickers), each origin forecast alike."""
    at = np.arange(first, len(close))
    realised = log_returns_ahead(close.T, range(1, HORIZONS + 1))[:, at].transpose(1, 0, 2)
    issued = np.tile(quantiles(len(tickers), WIDTH), (len(at), 1, 1, 1))
    session = weekdays(len(close), "2024-12-31")
    return JointHistory.of_arrays(tuple(tickers), session, close, at, issued, realised)


def change_after(history: JointHistory, row: int) -> JointHistory:
    """Return the history with other closes, forecasts and outcomes after an origin."""
    at = history.at[row]
    close = history.close.copy()
    close[at + 1 :] *= np.linspace(1.1, 1.5, len(close) - at - 1)[:, None]
    changed = of_close(close, history.tickers, int(history.at[0]))
    issued = history.quantiles.copy()
    issued[row + 1 :] *= 3.0
    return replace(changed, quantiles=issued)


def still_filter(history: JointHistory, **changed: Any) -> FilteredHistory:
    """Return a filter that takes every session for one as any other."""
    returns = np.diff(np.log(history.close), axis=0)
    return FilteredHistory.of(returns, [STILL | changed] * len(history.tickers))
