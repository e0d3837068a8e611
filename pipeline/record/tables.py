"""Tables: forecasts and vintages as columns, ready for the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import COLUMNS, Floats, RawBars
from pipeline.columns import Columns, concatenate, group_rows
from pipeline.forecasting.forecast import Forecast
from pipeline.forecasting.levels import INTERVALS, MEDIAN
from pipeline.forecasting.tails import expected_shortfall
from pipeline.grid import round_decimals
from pipeline.record.manifest import OK, Mode
from pipeline.record.manifest import withheld as withheld_status
from pipeline.record.scoring import recover_quantiles


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every row of a run says of its origin in the data, the model, time and mode.

    `others` maps tickers that another model serves to its version.
    """

    origin_date: date
    target_dates: tuple[date, ...]
    model_version: str
    vintage_sha256: str
    issued_at: datetime
    mode: Mode
    others: Mapping[str, str] = field(default_factory=dict)

    def version_of(self, ticker: str) -> str:
        """Return the version of the model that serves a ticker."""
        return self.others.get(ticker, self.model_version)


def build_forecast_columns(
    forecast: Forecast, withheld: Mapping[str, str], stamp: Stamp
) -> dict[str, NDArray[Any]]:
    """Return the forecasts table: a row per ticker and horizon, forecast tickers first.

    Parameters
    ----------
    forecast : n tickers of one origin
    withheld : ticker -> reason; their prices are null
    stamp : with one target date per horizon

    Returns
    -------
    name -> array ((n + n_withheld) * n_horizons,), in the order of the contract
    """
    tickers = [*forecast.tickers, *withheld]
    status = [OK] * len(forecast.tickers) + list(map(withheld_status, withheld.values()))
    n, h = len(tickers), len(forecast.horizons)

    prices = _build_price_columns(forecast, n)
    return {
        "ticker": np.repeat(_as_strings(tickers), h),
        "origin_date": np.full(n * h, stamp.origin_date, "datetime64[D]"),
        "target_date": np.tile(np.array(stamp.target_dates, "datetime64[D]"), n),
        "horizon": np.tile(np.array(forecast.horizons, np.int32), n),
        **prices,
        "sigma": _pad(forecast.sigma, n),
        "es_975": round_decimals(expected_shortfall(recover_quantiles(prices))),
        "status": np.repeat(_as_strings(status), h),
        "mode": np.full(n * h, stamp.mode.value, object),
        "model_version": np.repeat(_as_strings(list(map(stamp.version_of, tickers))), h),
        "vintage_sha256": np.full(n * h, stamp.vintage_sha256, object),
        "issued_at": np.full(n * h, to_instant(stamp.issued_at)),
    }


def _build_price_columns(forecast: Forecast, n: int) -> Columns:
    """Return last close, prediction and the limits of all intervals, for n tickers."""
    last_close = np.broadcast_to(forecast.last_close[:, None], forecast.sigma.shape)
    prices = forecast.prices
    limits = {
        f"{side}_{coverage}": _pad(prices[..., level], n)
        for coverage, levels in INTERVALS.items()
        for side, level in zip(("lower", "upper"), levels, strict=True)
    }
    return {
        "last_close": _pad(last_close, n),
        "prediction": _pad(prices[..., MEDIAN], n),
        **limits,
    }


def _pad(values: Floats, n: int) -> Floats:
    """Return values (n_forecast, n_horizons) as rows of n tickers, NaN for those withheld."""
    padded = np.full((n, values.shape[1]), np.nan)
    padded[: len(values)] = values
    return padded.ravel()


def build_baseline_columns(
    forecasts: Mapping[str, Forecast], withheld: Mapping[str, Mapping[str, str]], stamp: Stamp
) -> Columns:
    """Return the baselines table: the forecasts columns and `model`, baseline by baseline.

    Parameters
    ----------
    made : baseline -> forecast of n tickers; at least one
    withheld : baseline -> ticker -> reason
    """
    parts = []
    for model, forecast in forecasts.items():
        columns = build_forecast_columns(forecast, withheld[model], stamp)
        parts.append(columns | {"model": _as_strings([model] * len(columns["ticker"]))})
    return concatenate(parts)


def bars_to_columns(bars: Sequence[RawBars]) -> Columns:
    """Return the bars table: a row per ticker and session, as read."""
    names = np.array([of_ticker.ticker for of_ticker in bars], object)
    numbers = {
        name: np.concatenate([np.empty(0), *(getattr(ticker_bars, name) for ticker_bars in bars)])
        for name in COLUMNS
    }
    sessions = [np.empty(0, "datetime64[D]"), *(ticker_bars.session for ticker_bars in bars)]
    return {
        "ticker": np.repeat(names, np.array(list(map(len, bars)), np.int64)),
        "session": np.concatenate(sessions),
        **numbers,
    }


def columns_to_bars(columns: Columns) -> dict[str, RawBars]:
    """Return the bars of each ticker of a bars table, rows in their order."""
    return {
        ticker: RawBars(
            ticker=ticker,
            session=columns["session"][rows],
            **{name: columns[name][rows] for name in COLUMNS},
        )
        for ticker, rows in group_rows(columns["ticker"]).items()
    }


def _as_strings(values: Sequence[str]) -> NDArray[Any]:
    return np.array(values, dtype=object)


def to_instant(moment: datetime) -> np.datetime64:
    """Return an aware moment as tables have it, in milliseconds of UTC."""
    return np.datetime64(round(moment.timestamp() * 1000), "ms")
