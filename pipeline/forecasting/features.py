"""Features: twelve causal numbers per session, from the bars up to that session.

Every feature looks back at most WARM_UP sessions and is built from shifted element-wise sums, so
that it has equal bits whatever else is in the panel and wherever the history begins.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import Floats, Sessions
from pipeline.forecasting.panel import Panel

FEATURE_NAMES = (
    "log_close",
    "overnight_return",
    "intraday_return",
    "log_range",
    "log_volatility",
    "log_volatility_5",
    "log_volatility_22",
    "log_volatility_66",
    "log_downside_22",
    "drawdown_66",
    "days_to_next",
    "log_vix",
)
WARM_UP = 66
LOOKBACK = 60
N_FEATURES = len(FEATURE_NAMES)
# A volatility of 0.01 % a session: keeps the logarithm of a bar without range finite.
VARIANCE_FLOOR = 1e-8
THURSDAY, SATURDAY = 3, 5  # of a week from Monday, 0; numpy counts days from a Thursday
# Missing VIX: no volatility index was ever near 1 %, so its logarithm serves as the mask.
MISSING_LOG_VIX = 0.0


def compute_features(panel: Panel) -> NDArray[np.float32]:
    """Return the features of every session that has WARM_UP sessions before it.

    Parameters
    ----------
    panel : Panel of shape (n_tickers, n_sessions)

    Returns
    -------
    float32 (n_tickers, n_sessions - WARM_UP, 12), in the order of FEATURE_NAMES; logarithms of
    prices, volatilities as logarithm of the standard deviation of one session's log return,
    returns as log returns, days as calendar days.

    Notes
    -----
    Ranges: Parkinson (1980); variance per session: Garman and Klass (1980) plus the squared
    overnight return; horizons 1, 5, 22, 66 of the volatility: Corsi (2009), "A simple approximate
    long-memory model of realized volatility".

    Of a bar of one price its variance is the squared return from close to close. That single
    number says little of the day, so that the month's volatility stands for it and for the range.
    """
    close = np.log(panel.close)
    open_ = np.log(panel.open)
    high = np.maximum(np.log(panel.high), np.maximum(open_, close))
    low = np.minimum(np.log(panel.low), np.minimum(open_, close))
    overnight = open_ - _lag(close, 1)
    downside = np.minimum(close - _lag(close, 1), 0.0)
    variance = _garman_klass(open_, high, low, close) + overnight**2
    log_volatility_22, flat = _log_volatility(_mean(variance, 22)), high <= low
    columns = (
        close,
        overnight,
        close - open_,
        np.where(flat, log_volatility_22, _log_volatility((high - low) ** 2 / (4 * np.log(2)))),
        np.where(flat, log_volatility_22, _log_volatility(variance)),
        _log_volatility(_mean(variance, 5)),
        log_volatility_22,
        _log_volatility(_mean(variance, WARM_UP)),
        _log_volatility(_mean(downside**2, 22)),
        close - _max(close, WARM_UP),
        _days_to_next(panel.session),
        np.where(np.isnan(panel.vix), MISSING_LOG_VIX, np.log(panel.vix)),
    )
    shape = (close.shape[0], close.shape[1] - WARM_UP, N_FEATURES)
    features = np.empty(shape, np.float32)
    for i, column in enumerate(columns):
        features[..., i] = column[:, WARM_UP:]
    return features


def _garman_klass(open_: Floats, high: Floats, low: Floats, close: Floats) -> Floats:
    variance: Floats = 0.5 * (high - low) ** 2 - (2 * np.log(2) - 1) * (close - open_) ** 2
    return variance


def _log_volatility(variance: Floats) -> Floats:
    result: Floats = 0.5 * np.log(variance + VARIANCE_FLOOR)
    return result


def _lag(values: Floats, k: int) -> Floats:
    """Shift along the last axis; the first k repeat the first value and are cut as warm-up."""
    return np.concatenate([np.repeat(values[..., :1], k, axis=-1), values[..., :-k]], axis=-1)


def _mean(values: Floats, k: int) -> Floats:
    total = values.copy()
    for lag in range(1, k):
        total[..., lag:] += values[..., :-lag]
    return total / k


def _max(values: Floats, k: int) -> Floats:
    highest = values.copy()
    for lag in range(1, k):
        np.maximum(highest[..., lag:], values[..., :-lag], out=highest[..., lag:])
    return highest


def _days_to_next(session: Sessions) -> Floats:
    """Calendar days to the next day of the week that trades: known without a calendar.

    Monday to Friday trade; where a weekend had sessions of late, the days that had some.
    """
    following = np.busday_offset(session, 1, roll="backward")
    days: Floats = (following - session).astype(np.float64)
    at_weekends = (~np.is_busday(session)).any(axis=-1)
    if at_weekends.any():
        days[at_weekends] = _days_to_next_traded(session[at_weekends], days[at_weekends])
    return days


def _days_to_next_traded(session: Sessions, to_weekday: Floats) -> Floats:
    """Return the days to the next day of the week of which the last LOOKBACK sessions had some.

    Those to the next weekday, `to_weekday`, where none of them was at a weekend.
    """
    weekday = (session.astype(np.int64) + THURSDAY) % 7
    sessions_of = np.cumsum(weekday[..., None] == np.arange(7), axis=-2)  # (n, n_sessions, 7)
    traded = sessions_of.copy()
    traded[:, LOOKBACK:] -= sessions_of[:, :-LOOKBACK]
    after = (weekday[..., None] + np.arange(1, 8)) % 7
    days = 1.0 + np.argmax(np.take_along_axis(traded, after, axis=-1) > 0, axis=-1)
    chosen: Floats = np.where(traded[..., SATURDAY:].any(axis=-1), days, to_weekday)
    return chosen
