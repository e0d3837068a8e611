"""Views: the store's serving views, read as they are, typed, and kept for a short while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET

from pipeline.encoding import from_json
from pipeline.errors import NotFound, NotPublished, StoreError
from pipeline.forecasting.levels import INTERVALS
from pipeline.record.keys import DASHBOARD, LATEST, TRACK_RECORD
from pipeline.record.notes import select_notes
from pipeline.serving.answers import PredictAnswer, build_answer
from pipeline.views.age import show_age, with_age
from pipeline.views.documents import Latest, TickerForecast

COVERAGES = set(map(str, INTERVALS))


def parse_latest(data: bytes) -> Latest:
    """Return what latest.json says; raises StoreError where it is damaged."""
    latest = from_json(data, Latest, LATEST, "the forecasts of a session")
    horizons = (each for forecast in latest.tickers.values() for each in forecast.horizons)
    if any(horizon.intervals.keys() != COVERAGES for horizon in horizons):
        raise StoreError(f"{LATEST}: expected the intervals {sorted(COVERAGES)} of each forecast")
    return latest


def _check_object(data: bytes) -> bytes:
    from_json(data, dict[str, msgspec.Raw], TRACK_RECORD, "an object in JSON")
    return data


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
    )


def find_ticker(latest: Latest, ticker: str) -> TickerForecast:
    """Return what is published of a ticker, withheld or not; raises NotFound."""
    if ticker not in latest.tickers:
        tickers = ", ".join(latest.tickers)
        raise NotFound(f"ticker: expected one of {tickers}, got {ticker}")
    return latest.tickers[ticker]


@dataclass(frozen=True, slots=True)
class CachedViews:
    """The store's views, each read again once what is kept is older than `keep` seconds.

    Attributes
    ----------
    read : gives the bytes under a key of the store, None where there are none
    clock : gives seconds of a clock that never goes back
    now : gives the time, by which forecasts are old or not; without it none is called either
    """

    read: Callable[[str], bytes | None]
    clock: Callable[[], float]
    keep: float = 60.0
    now: Callable[[], datetime] | None = None
    _kept: dict[str, tuple[float, Any]] = field(default_factory=dict)

    def latest(self) -> Latest:
        """Return the newest forecasts; raises NotPublished before the first run."""
        view: Latest = self._read(LATEST, parse_latest)
        return with_age(view, self.now()) if self.now else view

    def track_record(self) -> bytes:
        """Return the scored record in JSON; raises NotPublished before it is first written."""
        record: bytes = self._read(TRACK_RECORD, _check_object)
        return record

    def dashboard(self) -> bytes | None:
        """Return the page of the record, None where the store has none."""
        try:
            page: bytes = self._read(DASHBOARD, bytes)
        except NotPublished:
            return None
        return show_age(page, self.now()) if self.now else page

    def _read(self, key: str, parse: Callable[[bytes], Any]) -> Any:
        read_at, value = self._kept.get(key, (-self.keep, None))
        if self.clock() - read_at >= self.keep:
            data = self.read(key)
            value = None if data is None else parse(data)
            self._kept[key] = self.clock(), value
        if value is None:
            raise NotPublished(f"{key}: expected it in the store, found none yet")
        return value
