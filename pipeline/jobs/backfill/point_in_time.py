"""Point in time: the vintage of each session out of one long reading, as it was quoted then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

import numpy as np

from pipeline.bars import PRICES, RawBars
from pipeline.errors import Reason
from pipeline.jobs.daily_job import DailyJob
from pipeline.jobs.newcomers import FURTHER_BACK
from pipeline.ports import Reading
from pipeline.record.manifest import Mode
from pipeline.record.revisions import split_factor_since
from pipeline.record.vintage import ReadInfo, Vintage, select_currencies


class PointInTimeVintages:
    """The vintage of each session, out of one long reading."""

    def __init__(self, job: DailyJob, reading: Reading, issued_at: datetime) -> None:
        self.reading = reading
        self._asked, self._tickers = (*job.tickers, *job.covariates), job.tickers
        self._label, self._issued_at = job.source.label, issued_at

    def vintage(self, expected: Sequence[date], newcomers: Sequence[str] = ()) -> Vintage:
        """Return the vintage a run at the last of these sessions would have read."""
        session, further = expected[-1], expected[0] - FURTHER_BACK
        longer = {*newcomers, *(self._asked[len(self._tickers) :] if newcomers else ())}
        spans = {
            symbol: _quote(raw, further if symbol in longer else expected[0], session)
            for symbol, raw in self.reading.bars.items()
        }
        bars = {symbol: raw for symbol, raw in spans.items() if len(raw)}
        failures = {ticker: self._failure(ticker) for ticker in self._tickers if ticker not in bars}
        info = ReadInfo(
            asked=self._asked,
            tickers=self._tickers,
            failures=failures,
            source=self._label,
            mode=Mode.BACKFILL,
            issued_at=self._issued_at,
            dialects={s: text for s, text in self.reading.dialects.items() if s in bars},
            currencies=select_currencies(self.reading.currencies, self._tickers),
        )
        return Vintage(bars, info)

    def _failure(self, ticker: str) -> Reason:
        failure = self.reading.failures.get(ticker)
        return failure.reason if failure else Reason.NO_BARS


def _quote(raw: RawBars, first: date, session: date) -> RawBars:
    """Return the bars from `first` to `session` as they were quoted then, splits since undone."""
    bars = raw.between(first, session)
    factor = split_factor_since(raw, np.array([session], "datetime64[D]"))[0]
    if factor == 1.0:
        return bars
    prices = {name: getattr(bars, name) * factor for name in PRICES}
    return replace(bars, **prices, volume=bars.volume / factor, dividend=bars.dividend * factor)
