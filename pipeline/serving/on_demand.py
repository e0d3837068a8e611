"""The on-demand use case: one request, one answer, by the spine that the daily run uses."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import UNSET, structs

from pipeline.bars import PRICES, VIX, Bars, RawBars, check_sessions
from pipeline.errors import InvalidBars, InvalidField, NonFiniteOutput, NotPublished, StoreError
from pipeline.forecasting.calibration import NEUTRAL, Calibration
from pipeline.forecasting.forecast import Forecast, forecast, forecast_windows
from pipeline.forecasting.model import Model
from pipeline.forecasting.models import is_proven_on
from pipeline.forecasting.windows import MIN_SESSIONS
from pipeline.record.keys import LATEST
from pipeline.serving.answers import PredictAnswer, answer_from_forecast
from pipeline.serving.cached_views import CachedViews
from pipeline.serving.published import answer_from_latest
from pipeline.serving.requests import (
    BarRow,
    BarsRequest,
    DataRequest,
    Request,
    TickerRequest,
    VixRow,
)

# Stands in where the caller names no ticker; in lower case, so it is none.
UNNAMED = "unnamed"
UNDATED = np.array(["NaT"], "datetime64[D]")


@dataclass(frozen=True, slots=True)
class OnDemand:
    """What answers single requests: a model made once, and the store's views.

    `load_broad` gives the model of tickers that `model` was not proven on, when one is asked for
    first; without it `model` serves all.
    """

    model: Model
    views: CachedViews
    load_broad: Callable[[], Model] | None = None

    def predict(self, request: Request) -> PredictAnswer:
        """Return the forecast that `request` asks for.

        Raises
        ------
        InvalidField
            When bars break a rule, or what was sent leads to no finite forecast.
        NotFound
            When the ticker is none of those that are published.
        NotPublished
            When nothing is published yet, or the ticker is withheld.
        StoreError
            When the store fails, or its view is damaged.
        """
        ticker = UNNAMED if request.ticker is UNSET else request.ticker.upper()
        answer = self._answer(request, ticker)
        if ticker == UNNAMED or self.views.age_of(ticker) is None:
            return answer
        return structs.replace(answer, store_unavailable=True)

    def _answer(self, request: Request, ticker: str) -> PredictAnswer:
        if isinstance(request, TickerRequest):
            return answer_from_latest(self.views.latest_of(ticker), ticker)
        calibration, model = self._calibration(ticker), self.select_model(ticker)
        distribution = _forecast(request, ticker, model, calibration)
        return answer_from_forecast(
            distribution, model.manifest.model_version, ticker in calibration.gains
        )

    def select_model(self, ticker: str) -> Model:
        """Return the model that serves a ticker: that on duty where the caller names none."""
        if self.load_broad is None or ticker == UNNAMED:
            return self.model
        return self.model if is_proven_on(self.model.manifest, ticker) else self.load_broad()

    def _calibration(self, ticker: str) -> Calibration:
        """Return the gains that latest.json carries for the ticker, neutral where it has none."""
        if ticker == UNNAMED:
            return NEUTRAL
        try:
            published = self.views.latest_of(ticker).tickers.get(ticker)
        except NotPublished:
            return NEUTRAL
        if published is None or published.gains is None:
            return NEUTRAL
        if len(published.gains) != len(self.model.manifest.horizons):
            raise StoreError(
                f"{LATEST}: expected gains of {len(self.model.manifest.horizons)} horizons of "
                f"{ticker}, got {len(published.gains)}"
            )
        return Calibration.from_stored({ticker: published.gains})


def _forecast(
    request: DataRequest | BarsRequest, ticker: str, model: Model, calibration: Calibration
) -> Forecast:
    if isinstance(request, DataRequest):
        distribution = _forecast_window(request, ticker, model, calibration)
    else:
        vix = None if request.vix is UNSET else build_vix_bars(request.vix)
        distribution = forecast([select_usable_bars(ticker, request.bars)], model, calibration, vix)
    if not distribution.finite.all():
        raise NonFiniteOutput("expected a finite forecast, got NaN or infinity")
    return distribution


def select_usable_bars(ticker: str, rows: Sequence[BarRow]) -> Bars:
    """Return the last 126 rows as validated bars; raises InvalidField naming the first bad row."""
    raw = _build_raw_bars(ticker, rows)
    try:
        check_sessions(raw)
        return Bars.validate(raw.tail(MIN_SESSIONS))
    except InvalidBars as exc:
        raise _find_first_bad_row(ticker, rows, exc) from exc


def build_vix_bars(rows: Sequence[VixRow]) -> RawBars:
    """Return the VIX's closes as bars of which only the close means anything."""
    session, close = _transpose(rows, 2)
    none = np.zeros(len(rows))
    days = np.array(session, "datetime64[D]")
    closes = np.array(close, np.float64)
    return RawBars(VIX, days, closes, closes, closes, closes, none, none, none)


def _build_raw_bars(ticker: str, rows: Sequence[BarRow]) -> RawBars:
    session, *columns = _transpose(rows, 6)
    names = (*PRICES, "volume")
    numbers = {n: np.array(c, np.float64) for n, c in zip(names, columns, strict=True)}
    none = np.zeros(len(rows))
    days = np.array(session, "datetime64[D]")
    return RawBars(ticker=ticker, session=days, **numbers, dividend=none, split=none)


def _transpose(rows: Sequence[tuple[object, ...]], n: int) -> list[tuple[object, ...]]:
    return list(zip(*rows, strict=True)) or [()] * n


def _find_first_bad_row(ticker: str, rows: Sequence[BarRow], of_all: InvalidBars) -> InvalidField:
    """Return the refusal of the row that ends the shortest head of the rows to break a rule.

    A rule is about a row, or a row and the one before it, so every longer head breaks it too.
    """
    problems = {len(rows): of_all}
    used_from = len(rows) - MIN_SESSIONS

    def breaks(n: int) -> bool:
        raw = _build_raw_bars(ticker, rows[:n])
        try:
            check_sessions(raw)
            if n > used_from:
                Bars.validate(raw.tail(n - used_from))
        except InvalidBars as exc:
            problems[n] = exc
        return n in problems

    last = 1 + bisect_left(range(1, len(rows)), True, key=breaks)
    problem = problems[last]
    received = str(problem).removeprefix(f"{ticker}: ").rpartition("got ")[2]
    expected = f"bars without {problem.reason.replace('_', ' ')}"
    return InvalidField(f"#/bars/{last - 1}", expected, received)


def _forecast_window(
    request: DataRequest, ticker: str, model: Model, calibration: Calibration
) -> Forecast:
    window = np.array([request.data], np.float32)
    anchor = np.exp(window[:, -1, 0].astype(np.float64))
    return forecast_windows(window, (ticker,), UNDATED, anchor, model, calibration)
