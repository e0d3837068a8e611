"""The baselines table of a part: what each baseline forecasts beside us, or why it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from pipeline.baselines.fixed_window import Quantiles
from pipeline.baselines.names import ISSUED
from pipeline.columns import Columns
from pipeline.errors import Reason
from pipeline.forecasting.forecast import Forecast
from pipeline.grid import round_decimals
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
    baselines = forecaster.baselines([vintage.bars[ticker] for ticker in ours.tickers])
    refused = {**withheld, **baselines.refused}
    reasons = {name: dict(refused) for name in ISSUED}
    quantiles: dict[str, dict[str, Quantiles]] = {name: {} for name in ISSUED}
    for ticker, of_ticker in baselines.issued.items():
        for name, of_baseline in of_ticker.items():
            quantiles[name][ticker] = of_baseline
    forecasts = {name: _as_forecast(ours, tickers) for name, tickers in quantiles.items()}
    for name, forecast in forecasts.items():
        implausible = np.array(forecast.tickers, object)[~forecast.plausible]
        reasons[name] |= dict.fromkeys(implausible, Reason.IMPLAUSIBLE_OUTPUT)
    plausible = {name: forecast.where(forecast.plausible) for name, forecast in forecasts.items()}
    return build_baseline_columns(plausible, reasons, stamp)


def _as_forecast(ours: Forecast, quantiles: Mapping[str, Quantiles]) -> Forecast:
    """Return our forecast of the tickers that have quantiles, with these in place of ours."""
    like = ours.where(np.array([ticker in quantiles for ticker in ours.tickers], bool))
    log_return = np.array([quantiles[ticker].log_return[0] for ticker in like.tickers])
    sigma = np.array([quantiles[ticker].sigma[0] for ticker in like.tickers])
    return replace(
        like,
        log_return_quantiles=log_return.reshape(like.log_return_quantiles.shape),
        sigma=round_decimals(sigma).reshape(like.sigma.shape),
        finite=np.ones(len(like.tickers), bool),
    )
