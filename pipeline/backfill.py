"""Backfill: an honest history from given bars, every session with what was known at its close.

Forecasts and baselines of all sessions come from one vectorised pass each; then session follows
session, as the daily run would have gone, with equal numbers. All of it is marked `backfill`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Self

import numpy as np

from pipeline.bars import PRICES, RawBars
from pipeline.bulk_writer import BulkWriter
from pipeline.chain import Before, Link, newest, read_before, read_issued, rows_of
from pipeline.daily import DailyJob, check_source
from pipeline.errors import Reason, RequestError
from pipeline.historic import HistoricForecaster
from pipeline.part import Issued, Part, publish
from pipeline.ports import Calendar, Columns, Reading
from pipeline.record import table_key
from pipeline.refresh import refresh_views
from pipeline.revisions import split_since
from pipeline.state import Outstanding, outstanding
from pipeline.tables import concatenated
from pipeline.vintage import HISTORY_SESSIONS, ReadInfo, Vintage

BACKFILL = "backfill"
MAX_HORIZON = 5

Progress = Callable[[int, int], None]


def backfill(job: DailyJob, first: date, last: date, at: datetime, progress: Progress) -> int:
    """Publish every session from `first` to `last` that comes after the record; return how many.

    Interrupted, it goes on where it stopped.

    Parameters
    ----------
    first, last : `last` is a session
    at : aware, the time of this backfill: what it issues, it issues now
    progress : called with (sessions done, sessions in all)

    Raises
    ------
    RequestError
        When there is no session from `first` to `last`, or the record has gone on from one of
        them by other runs.
    StoreError
        When another source began the record, or the store holds what another backfill began from
        other bars.
    """
    head = newest(job.store)
    check_source(job, head)
    history = _History.of(job.calendar, first, last)
    sessions = _missing(history.sessions_from(first), head)
    if not sessions:
        return 0
    symbols = [*job.tickers, *job.model.manifest.covariates]
    reading = job.source.read(symbols, history.expected(sessions[0])[0], last)
    cutter = _Cutter(job, reading, _begun_at(job, sessions[0]) or at.astimezone(UTC))
    forecaster = HistoricForecaster(job.model, job.tickers, reading)
    before = read_before(job.store, job.tables, head, sessions[0])
    tables = _Tables(job)
    with BulkWriter(job.store) as writer:
        for done, session in enumerate(sessions, start=1):
            vintage = cutter.vintage(history.expected(session))
            data = vintage.encode(job.tables)
            writer.write(table_key("bars", session, 0), data)
            horizons = len(job.model.manifest.horizons)
            following = history.following(session, horizons)
            part = Part(0, history.expected(session), following, vintage, data, before)
            before = tables.after(publish(part, forecaster, job.tables, writer.write))
            progress(done, len(sessions))
    refresh_views(job.store, job.tables)
    return len(sessions)


@dataclass(frozen=True, slots=True)
class _History:
    """The exchange's sessions, from the first one needed to those after the last."""

    sessions: Sequence[date]
    last: date

    @classmethod
    def of(cls, calendar: Calendar, first: date, last: date) -> Self:
        # More sessions than weekdays there are not; those before are the first one's history.
        weekdays = max(int(np.busday_count(first, last)), 0) + 1
        before = calendar.ending(last, weekdays + HISTORY_SESSIONS)
        return cls([*before, *calendar.following(last, MAX_HORIZON)], last)

    def sessions_from(self, first: date) -> list[date]:
        found = [session for session in self.sessions if first <= session <= self.last]
        if not found:
            raise RequestError(f"expected a session from {first} to {self.last}, got none")
        return found

    def expected(self, session: date) -> Sequence[date]:
        end = bisect_right(self.sessions, session)
        return self.sessions[end - HISTORY_SESSIONS : end]

    def following(self, session: date, n: int) -> tuple[date, ...]:
        end = bisect_right(self.sessions, session)
        return tuple(self.sessions[end : end + n])


def _missing(sessions: list[date], head: Link | None) -> list[date]:
    """Return the sessions after the record, which no other run may have brought past the first."""
    if head is None or head.manifest.session < sessions[0]:
        return sessions
    if head.manifest.mode != BACKFILL:
        raise RequestError(
            f"expected a first session after {head.manifest.session}, up to which the record goes, "
            f"got {sessions[0]}; nothing is added behind it, but another store can begin earlier"
        )
    return [session for session in sessions if session > head.manifest.session]


def _begun_at(job: DailyJob, session: date) -> datetime | None:
    """Return when an interrupted backfill issued, if it left a vintage from this session on."""
    left = job.store.keys("bars/", after=table_key("bars", session, 0).removesuffix(".00.parquet"))
    data = job.store.read(left[0]) if left else None
    return Vintage.decode(job.tables, data).info.issued_at if data else None


class _Cutter:
    """Cuts the vintage of each session out of one long reading."""

    def __init__(self, job: DailyJob, reading: Reading, issued_at: datetime) -> None:
        self._tickers, self._reading = job.tickers, reading
        self._label, self._issued_at = job.source.label, issued_at

    def vintage(self, expected: Sequence[date]) -> Vintage:
        """Return the vintage a run at the last of these sessions would have read."""
        quoted = {s: _as_quoted(raw, expected[-1]) for s, raw in self._bars.items()}
        cut = {s: raw.since(expected[0]) for s, raw in quoted.items()}
        bars = {symbol: raw for symbol, raw in cut.items() if len(raw)}
        failures = {ticker: self._failure(ticker) for ticker in self._tickers if ticker not in bars}
        info = ReadInfo(self._tickers, failures, self._label, BACKFILL, self._issued_at)
        return Vintage(bars, info)

    @property
    def _bars(self) -> Mapping[str, RawBars]:
        return self._reading.bars

    def _failure(self, ticker: str) -> Reason:
        failure = self._reading.failures.get(ticker)
        return failure.reason if failure else Reason.NO_BARS


class _Tables:
    """What is still to be scored, kept in memory instead of read back from the store."""

    def __init__(self, job: DailyJob) -> None:
        self._job = job
        self._recent: dict[tuple[date, int], tuple[Columns, Columns]] = {}

    def after(self, issued: Issued) -> Before:
        """Return what the record says after a part, whose bars one reading cannot revise."""
        run = issued.link.manifest
        self._recent[run.session, run.part] = issued.forecasts, issued.baselines
        waiting = outstanding(issued.state, run)
        rows = [self._rows(one) for one in waiting]
        needed = {(one.session, one.part) for one in waiting}
        self._recent = {at: kept for at, kept in self._recent.items() if at in needed}
        return Before(
            link=issued.link,
            state=issued.state,
            issued=concatenated(rows) if rows else None,
        )

    def _rows(self, one: Outstanding) -> Columns:
        kept = self._recent.get((one.session, one.part))
        if kept is None:
            return read_issued(self._job.store, self._job.tables, one)
        return rows_of(one, *kept)


def _as_quoted(raw: RawBars, session: date) -> RawBars:
    """Return the bars up to a session as they were quoted then, with no split after it in them."""
    known, factor = raw.as_of(session), split_since(raw, np.array([session], "datetime64[D]"))[0]
    if factor == 1.0:
        return known
    prices = {name: getattr(known, name) * factor for name in PRICES}
    return replace(known, **prices, volume=known.volume / factor, dividend=known.dividend * factor)
