"""Template of a bundle: the levels of outcomes in forecasts of models that had not seen them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import msgspec
import numpy as np

from pipeline.bars import Bars
from pipeline.baselines.full_history import HORIZONS, Baseline
from pipeline.forecasting.bundle import ModelBundle
from pipeline.forecasting.windows import log_returns_ahead
from pipeline.scenarios.marginals import transform_outcomes
from pipeline.scenarios.template import Template, overlay, pack

# Of more tickers a bundle brings none: it would be larger than the model, and the record soon has
# its own.
MOST_TICKERS = 7


def learn_template(bars: Sequence[Bars], forecast: Baseline, first: date) -> Template:
    """Return the newest levels of what `forecast` says from every origin from `first` on.

    Parameters
    ----------
    forecast : quantiles as they would have been published, of each ticker
    """
    each = [_learn_ticker(ticker_bars, forecast, first) for ticker_bars in bars]
    return overlay(each, len(HORIZONS)).newest()


def with_template(bundle: ModelBundle, template: Template) -> ModelBundle:
    """Return the bundle with a template of few tickers: the same model, same version."""
    if not 0 < len(template.tickers) <= MOST_TICKERS:
        return bundle
    return replace(
        bundle, manifest=msgspec.structs.replace(bundle.manifest, template=pack(template))
    )


def _learn_ticker(bars: Bars, forecast: Baseline, first: date) -> Template:
    issued = forecast(bars, first)
    at = np.searchsorted(bars.session, issued.origin_date)
    realised = log_returns_ahead(bars.close[None], HORIZONS)[0, at]
    origin, step = np.nonzero(np.isfinite(realised))
    levels = transform_outcomes(issued.log_return_quantiles[origin, step], realised[origin, step])
    ticker = np.full(len(levels), bars.ticker, object)
    horizon = (step + 1).astype(np.int32)
    return Template.of_rows(ticker, issued.origin_date[origin], horizon, levels, len(HORIZONS))
