"""Baselines of numpy alone: persistence and EWMA, with the record every baseline answers in.

A baseline answers from every origin of one ticker at once, and each answer sees the bars up to
its origin only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import Bars, Floats, Sessions
from pipeline.baselines.volatility import DECAY, weight_exponentially
from pipeline.errors import DataError, NonFiniteOutput, Reason
from pipeline.forecasting.levels import LEVELS, MEDIAN

HORIZONS = (1, 2, 3, 4, 5)
LEVEL_GRID = np.array(LEVELS)

ROLLING_SESSIONS = 250
EWMA_WARM_UP = 22  # sessions that start the EWMA and give no z
POOLED_Z = 1000  # newest z behind the quantiles
SMALLEST_VARIANCE = 1e-16  # of a price that does not move
CHUNK = 128  # rows sorted at a time: they stay in the cache


@dataclass(frozen=True, slots=True, eq=False)
class OriginQuantiles:
    """One ticker's forecasts, one row per origin.

    Attributes
    ----------
    origin_date : datetime64[D] (n,)
    log_return_quantiles : float64 (n, 5, 11), horizons 1..5, non-decreasing along levels

    Raises
    ------
    NonFiniteOutput
        On construction, when a quantile is NaN or infinite.
    """

    origin_date: Sessions
    log_return_quantiles: Floats

    def __post_init__(self) -> None:
        finite = np.isfinite(self.log_return_quantiles).all(axis=(1, 2))
        if not finite.all():
            origin = self.origin_date[int(np.argmin(finite))]
            raise NonFiniteOutput(f"expected finite quantiles, got others from {origin}")


Baseline = Callable[[Bars, date], OriginQuantiles]


def persistence(bars: Bars, first: date) -> OriginQuantiles:
    """Forecast the last close, with quantiles of the last 250 returns over the horizon.

    The median is 0, and no level crosses it.

    Raises
    ------
    DataError
        When there are fewer than 255 bars up to the first origin.
    """
    start = find_first_origin(bars, first, ROLLING_SESSIONS + HORIZONS[-1])
    log_close = np.log(bars.close)
    past = [_trailing_returns(log_close, horizon) for horizon in HORIZONS]
    quantiles = np.stack(
        [_rolling_quantiles(returns, start, ROLLING_SESSIONS) for returns in past], axis=1
    )
    quantiles[..., : MEDIAN + 1] = np.minimum(quantiles[..., : MEDIAN + 1], 0.0)
    quantiles[..., MEDIAN:] = np.maximum(quantiles[..., MEDIAN:], 0.0)
    quantiles[..., MEDIAN] = 0.0
    return OriginQuantiles(bars.session[start:], quantiles)


def ewma(bars: Bars, first: date) -> OriginQuantiles:
    """Forecast by exponentially weighted volatility, decay 0.94, filtered historical quantiles.

    The quantiles are those of past returns over the horizon in units of the volatility at their
    own origin: the last 1000, or as many as there are.

    Raises
    ------
    DataError
        When there are fewer than 277 bars up to the first origin.
    """
    start = find_first_origin(bars, first, EWMA_WARM_UP + ROLLING_SESSIONS + HORIZONS[-1])
    log_close = np.log(bars.close)
    squares = np.diff(log_close) ** 2
    variance = weight_exponentially(
        (1.0 - DECAY) * squares, DECAY, float(squares[:EWMA_WARM_UP].mean())
    )
    sigma = np.sqrt(np.maximum(variance, SMALLEST_VARIANCE))
    quantiles = np.empty((len(bars) - start, len(HORIZONS), len(LEVELS)))
    for i, horizon in enumerate(HORIZONS):
        z = _trailing_returns(log_close, horizon)
        z[horizon:] /= sigma[:-horizon]
        z[: EWMA_WARM_UP + horizon] = np.nan
        quantiles[:, i] = _rolling_quantiles(z, start, POOLED_Z)
    return OriginQuantiles(bars.session[start:], sigma[start:, None, None] * quantiles)


def find_first_origin(bars: Bars, first: date, min_bars: int) -> int:
    """Return the index of the first session from `first` on.

    Raises
    ------
    DataError
        When there is none, or fewer than `needed` bars lie up to it.
    """
    at = int(np.searchsorted(bars.session, np.datetime64(first, "D")))
    if at == len(bars):
        raise DataError(
            f"{bars.ticker}: expected a session from {first} on, the last is {bars.session[-1]}",
            Reason.NO_BARS,
        )
    if at + 1 < min_bars:
        raise DataError(
            f"{bars.ticker}: expected at least {min_bars} bars up to {bars.session[at]}, "
            f"got {at + 1}",
            Reason.NOT_ENOUGH_HISTORY,
        )
    return at


def _trailing_returns(log_close: Floats, horizon: int) -> Floats:
    """Return the log return over `horizon` that ends at each session, NaN where none does."""
    ending = np.full(len(log_close), np.nan)
    ending[horizon:] = log_close[horizon:] - log_close[:-horizon]
    return ending


def _rolling_quantiles(values: Floats, start: int, window: int) -> Floats:
    """Return quantiles of the last `window` values up to each position from `start` on.

    NaN values are left out; at least one is none.

    Returns
    -------
    float64 (n - start, n_levels), linear between the order statistics
    """
    padded = np.concatenate([np.full(window - 1, np.nan), values])[start:]
    rows = np.lib.stride_tricks.sliding_window_view(padded, window)
    cumulative = np.concatenate([[0], np.cumsum(~np.isnan(padded))])
    counts = cumulative[window:] - cumulative[:-window]
    parts = (slice(i, i + CHUNK) for i in range(0, len(rows), CHUNK))
    return np.concatenate([row_quantiles(rows[part], counts[part]) for part in parts])


def row_quantiles(rows: Floats, counts: NDArray[np.int64]) -> Floats:
    """Return quantiles of rows (n, window) that hold `counts` (n,) numbers, the rest NaN."""
    ordered = np.sort(rows, axis=1)  # NaN last
    position = LEVEL_GRID * (counts[:, None] - 1)
    low = position.astype(np.int64)
    high = np.minimum(low + 1, counts[:, None] - 1)
    below, above = (np.take_along_axis(ordered, at, axis=1) for at in (low, high))
    return np.asarray(below + (position - low) * (above - below))
