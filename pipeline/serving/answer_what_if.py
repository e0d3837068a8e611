"""Answer what if: a forecast from a session assumed, over HTTPS and on the command line."""

from __future__ import annotations

from math import log

from msgspec import UNSET, UnsetType

from pipeline.bars import VIX
from pipeline.errors import InvalidBars, InvalidField, NonFiniteOutput, NotPublished, StoreError
from pipeline.forecasting.calibration import NEUTRAL, Calibration
from pipeline.forecasting.model import Model
from pipeline.grid import to_digits
from pipeline.scenarios.what_if import AssumedBar, assume_bar, forecast_after
from pipeline.serving.answers import build_horizons
from pipeline.serving.question_answers import Assumed, WhatIfAnswer
from pipeline.serving.questions import WhatIfRequest
from pipeline.serving.scenario_tickers import refuse_withheld
from pipeline.views.documents import HorizonForecast, TickerForecast
from pipeline.views.scenario_view import ScenarioView

GIVEN = "given"
TYPICAL = (
    "typical: the size of the return, and the median of what the last 125 sessions' ranges had "
    "beyond the way from open to close"
)


def answer_what_if(
    view: ScenarioView, published: TickerForecast, model: Model, request: WhatIfRequest
) -> WhatIfAnswer:
    """Return the forecast from an assumed session beside the published one.

    Raises
    ------
    InvalidField
        When no market can have made the assumed bar, or no finite forecast follows from it.
    NotPublished
        When the ticker is withheld, or its bars are not kept for this.
    StoreError
        When its gains are not those of the model's horizons.
    """
    ticker = request.ticker.upper()
    bars = view.bars.get(ticker)
    if published.last_close is None or not published.horizons:
        raise refuse_withheld(view, ticker, published.status)
    if bars is None:
        raise NotPublished(
            f"{ticker}: expected its bars beside the scenarios, found none; they are kept in "
            "sessions of up to 500 tickers"
        )
    gains = published.gains
    if gains is not None and len(gains) != len(model.manifest.horizons):
        raise StoreError(
            f"{ticker}: expected gains of {len(model.manifest.horizons)} horizons, got {len(gains)}"
        )
    calibration = NEUTRAL if gains is None else Calibration.from_stored({ticker: gains})
    range_ = None if request.range is UNSET else request.range
    assumed = assume_bar(bars, view.cube.target_dates[0], request.change, range_)
    try:
        after = forecast_after(bars, assumed, view.bars.get(VIX), model, calibration)
    except InvalidBars as exc:
        raise InvalidField("#/return", "a bar that a market can have made", str(exc)) from exc
    if not (after.finite & after.plausible).all():
        raise NonFiniteOutput("expected a finite forecast, got NaN or infinity")
    horizons = build_horizons(after, view.cube.target_dates[1:])
    return WhatIfAnswer(
        ticker=ticker,
        hypothetical=True,
        assumed=_describe_assumed(assumed),
        last_close=published.last_close,
        origin_date=view.cube.origin_date,
        published=published.horizons,
        horizons=horizons,
        width_ratio=_compare_widths(horizons[0], published.horizons[0]),
        model_version=model.manifest.model_version,
        calibrated=gains is not None,
        source=view.source,
    )


def _describe_assumed(bar: AssumedBar) -> Assumed:
    return Assumed(
        session=bar.session,
        open=to_digits(bar.open),
        high=to_digits(bar.high),
        low=to_digits(bar.low),
        close=to_digits(bar.close),
        range=to_digits(bar.range),
        range_is=TYPICAL if bar.is_typical else GIVEN,
    )


def _compare_widths(ours: HorizonForecast, theirs: HorizonForecast) -> float | UnsetType:
    """Return the width of our 95 % interval of the log return over theirs, if they have one."""
    (lower, upper), (low, high) = ours.intervals["95"], theirs.intervals["95"]
    if not 0 < low < high:
        return UNSET
    return to_digits(log(upper / lower) / log(high / low))
