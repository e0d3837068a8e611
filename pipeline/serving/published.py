"""Published: what latest.json says of a ticker, as an answer has it."""

from __future__ import annotations

from msgspec import UNSET

from pipeline.encoding import from_json
from pipeline.errors import NotFound, NotPublished, StoreError
from pipeline.forecasting.levels import INTERVALS
from pipeline.record.keys import LATEST
from pipeline.record.notes import select_notes
from pipeline.serving.answers import PredictAnswer, build_answer
from pipeline.views.documents import Latest, TickerForecast

LIKE = 10  # tickers that are named to who asks for another
COVERAGES = set(map(str, INTERVALS))


def parse_latest(data: bytes) -> Latest:
    """Return what latest.json says; raises StoreError where it is damaged."""
    latest = from_json(data, Latest, LATEST, "the forecasts of a session")
    horizons = (each for forecast in latest.tickers.values() for each in forecast.horizons)
    if any(horizon.intervals.keys() != COVERAGES for horizon in horizons):
        raise StoreError(f"{LATEST}: expected the intervals {sorted(COVERAGES)} of each forecast")
    return latest


def answer_from_latest(latest: Latest, ticker: str) -> PredictAnswer:
    """Return the published forecast of a ticker.

    Raises
    ------
    NotFound
        When the session has no such ticker.
    NotPublished
        When the ticker is withheld.
    """
    forecast = find_ticker(latest, ticker)
    if forecast.last_close is None or not forecast.horizons:
        raise NotPublished(
            f"{ticker}: expected a forecast from {latest.session}, got {forecast.status}; "
            "a later run may publish it"
        )
    return build_answer(
        forecast.horizons,
        last_close=forecast.last_close,
        calibrated=forecast.gains is not None,
        model_version=forecast.model_version,
        ticker=ticker,
        origin_date=latest.session,
        issued_at=forecast.issued_at,
        source=latest.source,
        stale=latest.stale,
        sessions_behind=latest.sessions_behind,
        notes=select_notes(latest.notes, ticker) or UNSET,
        width_change=forecast.width_change or UNSET,
    )


def find_ticker(latest: Latest, ticker: str) -> TickerForecast:
    """Return what is published of a ticker, withheld or not; raises NotFound."""
    if ticker not in latest.tickers:
        like = ", ".join([*latest.tickers][:LIKE])
        raise NotFound(f"ticker: expected one that is published, like {like}; got {ticker}")
    return latest.tickers[ticker]
