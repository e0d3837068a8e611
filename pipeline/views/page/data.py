"""Data: the numbers behind the page's charts and downloads, as small as they can be said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from pipeline.forecasting.levels import INTERVALS
from pipeline.record.manifest import reason_of
from pipeline.views.documents import HorizonForecast, TickerForecast
from pipeline.views.history import PastForecast
from pipeline.views.page.sources import PageSources
from pipeline.views.page.words import MADE
from pipeline.views.reasons import describe_reason

# Columns of a forecast: its target, then its quantiles in ascending order.
_WIDE_FIRST = sorted(INTERVALS, reverse=True)


class _Numbered:
    """Gives each value the number by which rows name it."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}

    def number(self, value: str) -> int:
        return self.values.setdefault(value, len(self.values))


def build_data(sources: PageSources) -> Mapping[str, Any]:
    """Return what the page's script reads: days, times and modes once, rows by their numbers."""
    days, times, modes = _Numbered(), _Numbered(), _Numbered()
    tickers = [
        {
            "t": ticker,
            "withheld": _explain(forecast),
            "last": forecast.last_close,
            "currency": forecast.currency,
            "model": forecast.model_version,
            "issued": forecast.issued_at.isoformat(),
            "fan": [_fan_row(horizon) for horizon in forecast.horizons],
            "past": _number_rows(list_past(sources, ticker), days, times, modes),
        }
        for ticker, forecast in sources.tickers.items()
    ]
    return {
        "session": str(sources.latest.session),
        "source": sources.latest.source,
        "mode": MADE[sources.runs[-1].mode] if sources.runs else "",
        "next": [str(day) for day in sources.latest.next_sessions],
        "coverages": _WIDE_FIRST,
        "days": list(days.values),
        "times": list(times.values),
        "modes": list(modes.values),
        "tickers": tickers,
    }


def list_past(
    sources: PageSources, ticker: str
) -> Sequence[tuple[date, float, PastForecast | None]]:
    """Return (session, close, what was forecast of it) of the last sessions, oldest first."""
    forecast, bars = sources.tickers[ticker], sources.bars.get(ticker)
    closes: dict[date, float] = {}
    if bars is not None:
        closes |= zip(bars.session.tolist(), bars.close.tolist(), strict=True)
    if forecast.last_close is not None:
        closes[sources.latest.session] = forecast.last_close
    rows = {row.target_date: row for row in sources.past_of(ticker)}
    closes |= {target: row.realised_close for target, row in rows.items()}
    past = [(day, close, rows.get(day)) for day, close in sorted(closes.items())]
    return past[-sources.sessions_shown :]


def _number_rows(
    past: Sequence[tuple[date, float, PastForecast | None]],
    days: _Numbered,
    times: _Numbered,
    modes: _Numbered,
) -> Mapping[str, list[Any]]:
    """Return the past by columns: day, close, lower, upper, issued, mode, in sample.

    Surprises are few: they are named by their rows.
    """
    rows = [row for _, _, row in past]
    return {
        "d": [days.number(str(day)) for day, _, _ in past],
        "c": [close for _, close, _ in past],
        "l": [row.lower_95 if row else None for row in rows],
        "u": [row.upper_95 if row else None for row in rows],
        "i": [times.number(row.issued_at.isoformat()) if row else None for row in rows],
        "m": [modes.number(MADE[row.mode]) if row else None for row in rows],
        "s": [int(row.in_sample) if row else None for row in rows],
        "x": [k for k, row in enumerate(rows) if row and row.surprise],
    }


def _fan_row(horizon: HorizonForecast) -> list[Any]:
    return [str(horizon.target_date), *list_quantiles(horizon), horizon.sigma]


def list_quantiles(horizon: HorizonForecast) -> list[float]:
    """Return the prices at all levels, in ascending order."""
    lower = [horizon.intervals[str(coverage)][0] for coverage in _WIDE_FIRST]
    upper = [horizon.intervals[str(coverage)][1] for coverage in reversed(_WIDE_FIRST)]
    return [*lower, horizon.prediction, *upper]


def _explain(forecast: TickerForecast) -> str | None:
    reason = reason_of(forecast.status)
    return None if reason is None else describe_reason(reason)
