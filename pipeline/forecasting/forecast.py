"""The Forecast record and the spine: bars to features to windows to quantiles to intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import Bars, Flags, Floats, RawBars, Sessions
from pipeline.forecasting.calibration import Calibration, apply_gains
from pipeline.forecasting.features import compute_features
from pipeline.forecasting.levels import INTERVALS, MEDIAN
from pipeline.forecasting.model import Model
from pipeline.forecasting.panel import Panel
from pipeline.forecasting.windows import MIN_SESSIONS, Windows, all_windows, latest_windows
from pipeline.grid import round_decimals, round_digits

# Beyond it no close of a week has ever been, of anything that goes on trading.
MAX_LOG_RETURN = 3.0
# What a forecast has one row of for each pair, beside the tickers.
ARRAYS = ("origin_date", "last_close", "log_return_quantiles", "sigma", "finite")


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Distributions of the price at each horizon, for n pairs of ticker and origin.

    Prices and sigma are on the grid.

    Attributes
    ----------
    tickers : n names
    origin_date : datetime64[D] (n,)
    last_close : float64 (n,), price at the origin
    horizons : sessions ahead, n_horizons of them
    log_return_quantiles : float64 (n, n_horizons, n_levels), calibrated, non-decreasing
    sigma : float64 (n, n_horizons), standard deviation of the log return over the horizon
    finite : bool (n,), False where the model answered NaN or infinity
    """

    tickers: tuple[str, ...]
    origin_date: Sessions
    last_close: Floats
    horizons: tuple[int, ...]
    log_return_quantiles: Floats
    sigma: Floats
    finite: Flags

    @classmethod
    def concat(cls, parts: Sequence[Forecast]) -> Forecast:
        """Return forecasts of equal horizons as one, pairs in the order given; at least one."""
        arrays: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts]) for name in ARRAYS
        }
        tickers = tuple(ticker for part in parts for ticker in part.tickers)
        return replace(parts[0], tickers=tickers, **arrays)

    def take(self, rows: NDArray[np.intp]) -> Forecast:
        """Return the pairs in these rows, in this order."""
        arrays: dict[str, Any] = {name: getattr(self, name)[rows] for name in ARRAYS}
        return replace(self, tickers=tuple(np.array(self.tickers, object)[rows]), **arrays)

    def row(self, n: int) -> Forecast:
        """Return one pair."""
        arrays: dict[str, Any] = {name: getattr(self, name)[n : n + 1] for name in ARRAYS}
        return replace(self, tickers=self.tickers[n : n + 1], **arrays)

    def where(self, rows: Flags) -> Forecast:
        """Return the pairs for which `rows` bool (n,) is True."""
        return self.take(np.flatnonzero(rows))

    def calibrate(self, calibration: Calibration) -> Forecast:
        """Return the forecast with each ticker's gains applied."""
        gains = calibration.gains_of(self.tickers, len(self.horizons))
        return replace(self, log_return_quantiles=apply_gains(self.log_return_quantiles, gains))

    @property
    def prices(self) -> Floats:
        """Quantiles of the price, float64 (n, n_horizons, n_levels)."""
        return round_digits(self.last_close[:, None, None] * np.exp(self.log_return_quantiles))

    @property
    def plausible(self) -> Flags:
        """Whether what is said of a pair can be published at all, bool (n,).

        Sigma is not negative, quantiles ascend within a factor of 20 of the last close, and their
        prices are numbers.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            ascending = (np.diff(self.log_return_quantiles, axis=-1) >= 0).all(axis=(1, 2))
            near = (np.abs(self.log_return_quantiles) <= MAX_LOG_RETURN).all(axis=(1, 2))
            prices = np.isfinite(self.prices).all(axis=(1, 2))
        return np.asarray(ascending & near & prices & (self.sigma >= 0).all(axis=1))

    @property
    def median(self) -> Floats:
        """The prediction: median price, float64 (n, n_horizons)."""
        return self.prices[..., MEDIAN]

    def interval(self, coverage: int) -> tuple[Floats, Floats]:
        """Return the prediction interval of `coverage` percent: lower, upper (n, n_horizons)."""
        lower, upper = INTERVALS[coverage]
        return self.prices[..., lower], self.prices[..., upper]


def forecast(
    bars: Sequence[Bars], model: Model, calibration: Calibration, vix: RawBars | None = None
) -> Forecast:
    """Forecast from the last session of each ticker.

    Raises
    ------
    InvalidBars
        When a ticker has fewer bars than one window needs (126).
    """
    panel = Panel.of(bars, MIN_SESSIONS, vix)
    windows = latest_windows(compute_features(panel))
    tickers = tuple(ticker_bars.ticker for ticker_bars in bars)
    return forecast_windows(
        windows, tickers, panel.session[:, -1], panel.close[:, -1], model, calibration
    )


def forecast_history(
    bars: Bars, model: Model, calibration: Calibration, vix: RawBars | None = None
) -> Forecast:
    """Forecast from every session of one ticker that has a full window; raises InvalidBars."""
    panel = Panel.of([bars], max(len(bars), MIN_SESSIONS), vix)
    windows = all_windows(compute_features(panel))[0]
    origins, closes = panel.session[0, -len(windows) :], panel.close[0, -len(windows) :]
    return forecast_windows(
        windows, (bars.ticker,) * len(windows), origins, closes, model, calibration
    )


def forecast_windows(
    windows: Windows,
    tickers: tuple[str, ...],
    origin_date: Sessions,
    last_close: Floats,
    model: Model,
    calibration: Calibration,
) -> Forecast:
    """Forecast n windows float32 (n, 60, 12), each of its ticker, origin and last close (n,)."""
    prediction = model.predict(windows)
    return Forecast(
        tickers=tickers,
        origin_date=origin_date,
        last_close=round_digits(last_close),
        horizons=model.manifest.horizons,
        log_return_quantiles=prediction.log_return_quantiles,
        sigma=round_decimals(prediction.sigma),
        finite=prediction.finite,
    ).calibrate(calibration)
