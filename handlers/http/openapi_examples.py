"""Examples of requests and answers for the OpenAPI document: invented, and always the same."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from math import cos, exp, sin, sqrt
from statistics import NormalDist
from typing import Any

import msgspec

from handlers.http.problems import to_problem
from pipeline.errors import ForecasterError
from pipeline.forecasting.features import compute_features
from pipeline.forecasting.levels import INTERVALS
from pipeline.forecasting.panel import Panel
from pipeline.forecasting.windows import MIN_SESSIONS
from pipeline.serving.answers import PredictAnswer, build_answer
from pipeline.serving.on_demand import select_usable_bars
from pipeline.serving.requests import BarsRequest
from pipeline.views.documents import HorizonForecast, Latest, TickerForecast, WidthChange

LAST, CLOSE = date(2026, 11, 20), 450.0
TARGETS = tuple(date(2026, 11, day) for day in (23, 24, 25, 27, 30))
VERSION = "2024-12-31-0123456789ab"
ISSUED = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
WIDTH_CHANGE = WidthChange(
    before=date(2026, 11, 19),
    change=0.11,
    causes={
        "last_session": 0.08,
        "week": 0.01,
        "month": 0.0,
        "quarter": 0.0,
        "falls": -0.005,
        "days_to_next": 0.0,
        "vix": 0.035,
        "calibration": -0.01,
    },
)


def bars() -> list[list[Any]]:
    """Return rows of 126 weekdays up to LAST."""
    days = (LAST - timedelta(days=back) for back in range(2 * MIN_SESSIONS))
    sessions = [day for day in days if day.isoweekday() < 6][MIN_SESSIONS - 1 :: -1]
    closes = [CLOSE + 6 * sin(i / 9) + 3 * cos(i / 2) for i in range(MIN_SESSIONS + 1)]
    return [
        [str(session), *_prices(i, closes[i], closes[i + 1])] for i, session in enumerate(sessions)
    ]


def _prices(i: int, before: float, close: float) -> list[float]:
    open_ = before + sin(3 * i)
    high, low = max(open_, close) + 1 + sin(i) / 2, min(open_, close) - 1 - cos(i) / 2
    return [round(price, 2) for price in (open_, high, low, close)] + [round(7e7 + 1e7 * sin(i))]


def window() -> list[list[float]]:
    """Return the window of the bars, rounded as nobody would mind."""
    asked = msgspec.convert({"bars": bars()}, BarsRequest)
    panel = Panel.of([select_usable_bars("SPY", asked.bars)], MIN_SESSIONS)
    return [[round(float(x), 5) for x in row] for row in compute_features(panel)[0]]


def vix() -> list[list[Any]]:
    """Return closes of the VIX for the sessions of the bars."""
    return [[row[0], round(16 + 2 * sin(i / 11), 2)] for i, row in enumerate(bars())]


def predicted(*, of_ticker: bool) -> PredictAnswer:
    """Return an answer: that of a published ticker, or that of a window."""
    targets = TARGETS if of_ticker else (msgspec.UNSET,) * 5
    horizons = tuple(_horizon(h, day) for h, day in enumerate(targets, start=1))
    published = {
        "ticker": "SPY",
        "origin_date": LAST,
        "issued_at": ISSUED,
        "source": "yahoo",
        "width_change": WIDTH_CHANGE,
    }
    return build_answer(
        horizons,
        last_close=CLOSE,
        calibrated=of_ticker,
        model_version=VERSION,
        **(published if of_ticker else {}),
    )


def _horizon(horizon: int, target: Any) -> HorizonForecast:
    sigma = 0.01 * sqrt(horizon)
    z = {coverage: NormalDist().inv_cdf(0.5 + coverage / 200) for coverage in INTERVALS}
    limits = {
        str(coverage): (
            round(CLOSE * exp(-sigma * z[coverage]), 2),
            round(CLOSE * exp(sigma * z[coverage]), 2),
        )
        for coverage in INTERVALS
    }
    return HorizonForecast(
        horizon=horizon,
        target_date=target,
        prediction=CLOSE,
        sigma=round(sigma, 5),
        intervals=limits,
    )


def latest() -> Latest:
    """Return the newest forecasts: one ticker published, one withheld."""
    horizons = tuple(_horizon(h, day) for h, day in enumerate(TARGETS, start=1))
    spy = TickerForecast("ok", VERSION, ISSUED, CLOSE, horizons, width_change=WIDTH_CHANGE)
    return Latest(
        1, LAST, "yahoo", {"IWM": TickerForecast("withheld:stale", VERSION, ISSUED), "SPY": spy}
    )


def problem(error: ForecasterError) -> Any:
    """Return an error as it is answered."""
    return msgspec.to_builtins(to_problem(error)[0])
