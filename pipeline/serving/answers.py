"""Answers: what the on-demand function says, one record for all three ways to ask."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType

from pipeline.encoding import Moment
from pipeline.errors import NonFiniteOutput
from pipeline.forecasting.forecast import Forecast
from pipeline.forecasting.levels import INTERVALS, MEDIAN
from pipeline.grid import to_digits
from pipeline.record.notes import Note
from pipeline.views.documents import (
    HorizonForecast,
    Interval,
    Intervals,
    SessionsBehind,
    Stale,
    WidthChange,
)


class PredictAnswer(Struct, frozen=True):
    """A forecast. Its first fields are those of horizon 1, the next session."""

    prediction: Annotated[float, Meta(description="the median price")]
    interval_95: Interval
    confidence_gap: Annotated[float, Meta(description="half the width of interval_95")]
    intervals: Intervals
    horizon: int
    sigma: float
    horizons: tuple[HorizonForecast, ...]
    last_close: float
    calibrated: Annotated[bool, Meta(description="whether gains of the ticker were applied")]
    model_version: str
    ticker: str | UnsetType = UNSET
    origin_date: date | UnsetType = UNSET
    target_date: date | UnsetType = UNSET
    issued_at: Moment | UnsetType = UNSET
    source: str | UnsetType = UNSET
    stale: Stale | UnsetType = UNSET
    sessions_behind: SessionsBehind | UnsetType = UNSET
    notes: tuple[Note, ...] | UnsetType = UNSET
    width_change: WidthChange | UnsetType = UNSET
    store_unavailable: Annotated[
        bool | UnsetType,
        Meta(description="true where the store does not answer and what was kept of it is used"),
    ] = UNSET


def build_answer(horizons: tuple[HorizonForecast, ...], **others: Any) -> PredictAnswer:
    """Return the answer whose first fields are those of the first of `horizons`."""
    first = horizons[0]
    lower, upper = first.intervals["95"]
    return PredictAnswer(
        prediction=first.prediction,
        interval_95=(lower, upper),
        confidence_gap=to_digits((upper - lower) / 2),
        intervals=first.intervals,
        horizon=first.horizon,
        sigma=first.sigma,
        target_date=first.target_date,
        horizons=horizons,
        **others,
    )


def answer_from_forecast(forecast: Forecast, model_version: str, calibrated: bool) -> PredictAnswer:
    """Return the answer of a forecast of one ticker, made just now.

    Raises
    ------
    NonFiniteOutput
        When a price is past the end of all numbers.
    """
    origin = forecast.origin_date[0].item()
    return build_answer(
        build_horizons(forecast),
        last_close=float(forecast.last_close[0]),
        calibrated=calibrated,
        model_version=model_version,
        origin_date=UNSET if origin is None else origin,
    )


def build_horizons(forecast: Forecast, targets: Sequence[date] = ()) -> tuple[HorizonForecast, ...]:
    """Return the horizons of a forecast of one ticker, the first of them with their target dates.

    Raises
    ------
    NonFiniteOutput
        When a price is past the end of all numbers.
    """
    prices, sigmas = forecast.prices[0], forecast.sigma[0].tolist()
    if not np.isfinite(prices).all():
        raise NonFiniteOutput("expected a finite forecast, got NaN or infinity")
    return tuple(
        HorizonForecast(
            horizon=horizon,
            target_date=targets[horizon - 1] if horizon <= len(targets) else UNSET,
            prediction=of_horizon[MEDIAN],
            sigma=sigma,
            intervals={
                str(coverage): (of_horizon[lower], of_horizon[upper])
                for coverage, (lower, upper) in INTERVALS.items()
            },
        )
        for horizon, of_horizon, sigma in zip(
            forecast.horizons, prices.tolist(), sigmas, strict=True
        )
    )
