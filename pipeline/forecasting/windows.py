"""Windows: the last 60 sessions of features at an origin, and what a model learns from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import Floats
from pipeline.forecasting.features import LOOKBACK, WARM_UP

# Bars needed for one window.
MIN_SESSIONS = LOOKBACK + WARM_UP

Windows = NDArray[np.float32]


def latest_windows(features: NDArray[np.float32]) -> Windows:
    """Return the window ending at each ticker's last session.

    Parameters
    ----------
    features : float32 (n_tickers, n_sessions, 12), n_sessions >= 60

    Returns
    -------
    float32 (n_tickers, 60, 12)
    """
    return features[:, -LOOKBACK:]


def all_windows(features: NDArray[np.float32]) -> Windows:
    """Return a view of every window, ending at sessions 59, 60, … of `features`.

    Parameters
    ----------
    features : float32 (n_tickers, n_sessions, 12)

    Returns
    -------
    float32 (n_tickers, n_sessions - 59, 60, 12)
    """
    views = np.lib.stride_tricks.sliding_window_view(features, LOOKBACK, axis=1)
    return views.swapaxes(-1, -2)


def log_returns_ahead(close: Floats, horizons: Sequence[int]) -> Floats:
    """Return the log return from each session to each horizon, the training target.

    Parameters
    ----------
    close : float64 (n_tickers, n_sessions), prices
    horizons : sessions ahead, each >= 1

    Returns
    -------
    float64 (n_tickers, n_sessions, n_horizons), NaN where the target lies after the last session
    """
    log_close = np.log(close)
    ahead = np.full((*close.shape, len(horizons)), np.nan)
    for i, horizon in enumerate(horizons):
        ahead[:, :-horizon, i] = log_close[:, horizon:] - log_close[:, :-horizon]
    return ahead
