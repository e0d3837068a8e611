"""Calibrated: what the online calibrator publishes over a walk-forward backtest."""

from __future__ import annotations

from datetime import MINYEAR, date
from pathlib import Path

import numpy as np

from pipeline.backtest.evaluate import Span, forecast_span
from pipeline.bars import Bars, RawBars
from pipeline.baselines.full_history import HORIZONS, Baseline, OriginQuantiles
from pipeline.forecasting.bundle import load_bundle
from pipeline.forecasting.calibration import calibrate_history
from pipeline.forecasting.model import Model
from pipeline.forecasting.windows import log_returns_ahead
from pipeline.training.walk_forward.run import find_bundle_folder


def calibrate_refits(folder: Path, vix: RawBars | None, begins: int = MINYEAR) -> Baseline:
    """Return the forecaster with the online calibrator on top, from the bundles of each year.

    The gains begin neutral at the first origin and run on over the years, as the models change.

    Parameters
    ----------
    folder : of a finished walk-forward backtest
    begins : a year whose bundle forecasts all before it too, which it had learnt from

    Raises
    ------
    BundleMismatch
        When called for a year whose bundle is missing.
    """

    def load(year: int) -> Model:
        return Model(load_bundle(find_bundle_folder(folder, year)))

    def forecast(bars: Bars, first: date) -> OriginQuantiles:
        last: date = bars.session[-1].item()
        forecasts = [
            forecast_span(bars, load(max(year, begins)), _clip(year, first, last), vix)
            for year in range(first.year, last.year + 1)
        ]
        origins = np.concatenate([year_forecasts.origin_date for year_forecasts in forecasts])
        quantiles = np.concatenate(
            [year_forecasts.log_return_quantiles for year_forecasts in forecasts]
        )
        at = np.searchsorted(bars.session, origins)
        realised = log_returns_ahead(bars.close[None], HORIZONS)[0, at]
        published, _ = calibrate_history(quantiles, realised)
        return OriginQuantiles(origins, published)

    return forecast


def _clip(year: int, first: date, last: date) -> Span:
    return max(first, date(year, 1, 1)), min(last, date(year, 12, 31))
