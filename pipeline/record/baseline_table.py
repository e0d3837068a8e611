"""The baselines table of a part: what each baseline forecasts beside us, or why it does not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipeline.baselines.fixed_window import Quantiles
from pipeline.baselines.names import ISSUED
from pipeline.columns import Columns
from pipeline.errors import DataError
from pipeline.forecasting.forecast import Forecast
from pipeline.record.forecasters import Forecaster
from pipeline.record.tables import Stamp, build_baseline_columns
from pipeline.record.vintage import Vintage


def build_baseline_table(
    vintage: Vintage,
    ours: Forecast,
    withheld: Mapping[str, str],
    forecaster: Forecaster,
    stamp: Stamp,
) -> Columns:
    """Return the baselines table of the tickers we forecast; the others are withheld alike."""
    made: dict[str, dict[str, Quantiles]] = {name: {} for name in ISSUED}
    refused = {name: dict(withheld) for name in ISSUED}
    for ticker in ours.tickers:
        try:
            of_ticker = forecaster.baselines(vintage.bars[ticker])
        except DataError as exc:
            for name in ISSUED:
                refused[name][ticker] = exc.reason
            continue
        for name, quantiles in of_ticker.items():
            made[name][ticker] = quantiles
    forecasts = {name: _as_forecast(ours, found) for name, found in made.items()}
    return build_baseline_columns(forecasts, refused, stamp)


def _as_forecast(ours: Forecast, found: Mapping[str, Quantiles]) -> Forecast:
    rows = np.array([ticker in found for ticker in ours.tickers], bool)
    of = ours.where(rows)
    shape = (len(of.tickers), *ours.log_return_quantiles.shape[1:])
    quantiles = np.array([found[ticker].log_return[0] for ticker in of.tickers]).reshape(shape)
    sigma = np.array([found[ticker].sigma[0] for ticker in of.tickers]).reshape(shape[:2])
    return Forecast(
        tickers=of.tickers,
        origin_date=of.origin_date,
        last_close=of.last_close,
        horizons=ours.horizons,
        log_return_quantiles=quantiles,
        sigma=sigma,
        finite=np.ones(len(of.tickers), bool),
    )
