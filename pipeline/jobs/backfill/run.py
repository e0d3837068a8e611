"""Backfill: an honest history from given bars, every session with what was known at its close.

Forecasts and baselines of all sessions come from one vectorised pass each; then session follows
session, as the daily run would have gone, with equal numbers. All of it is marked `backfill`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Self

from pipeline.columns import Columns, concatenated
from pipeline.errors import RequestError
from pipeline.jobs.backfill.bulk_writer import BulkWriter
from pipeline.jobs.backfill.point_in_time import BACKFILL, Cutter
from pipeline.jobs.backfill.precomputed import HistoricForecaster
from pipeline.jobs.daily import DailyJob, check_source
from pipeline.ports import Calendar, ObjectStore, Reading
from pipeline.record.chain import Before, Link, newest, read_before, read_issued, rows_of
from pipeline.record.keys import table_key
from pipeline.record.publish import Issued, Part, publish
from pipeline.record.state import Outstanding, outstanding
from pipeline.record.vintage import HISTORY_SESSIONS, Vintage
from pipeline.views.refresh import refresh_views

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
        When there is no session from `first` to `last` or no bar of it, or the record has gone on
        from one of them by other runs, or begun after it.
    StoreError
        When another source began the record, or the store holds what another backfill began from
        other bars.
    """
    head = newest(job.store)
    check_source(job, head)
    history = _History.of(job.calendar, first, last)
    sessions = _missing(job.store, history.sessions_from(first), head)
    if not sessions:
        return 0
    symbols = [*job.tickers, *job.model.manifest.covariates]
    reading = job.source.read(symbols, history.expected(sessions[0])[0], last)
    sessions = _with_bars(sessions, job.tickers, reading)
    cutter = Cutter(job, reading, _begun_at(job, sessions[0]) or at.astimezone(UTC))
    forecaster = HistoricForecaster(job.model, job.tickers, reading)
    before = read_before(job.store, job.tables, head, sessions[0])
    tables = _Tables(job)
    try:
        with BulkWriter(job.store) as writer:
            for done, session in enumerate(sessions, start=1):
                vintage = cutter.vintage(history.expected(session))
                data = vintage.encode(job.tables)
                writer.write(table_key("bars", session, 0), data)
                following = history.following(session, len(job.model.manifest.horizons))
                part = Part(0, history.expected(session), following, vintage, data, before)
                before = tables.after(publish(part, forecaster, job.tables, writer.write))
                progress(done, len(sessions))
    except KeyboardInterrupt:
        refresh_views(job.store, job.tables)
        raise
    refresh_views(job.store, job.tables)
    return len(sessions)


def _with_bars(sessions: list[date], tickers: Sequence[str], reading: Reading) -> list[date]:
    """Return the sessions up to the newest bar of any ticker; raises RequestError without one."""
    bars = [reading.bars[ticker].session for ticker in tickers if ticker in reading.bars]
    ends = [session.max().item() for session in bars if len(session)]
    covered = [session for session in sessions if ends and session <= max(ends)]
    if not covered:
        raise RequestError(
            f"expected bars from {sessions[0]} on, got none later than "
            f"{max(ends) if ends else 'none at all'}"
        )
    return covered


@dataclass(frozen=True, slots=True)
class _History:
    """The exchange's sessions, from the first one needed to those after the last."""

    sessions: Sequence[date]
    last: date

    @classmethod
    def of(cls, calendar: Calendar, first: date, last: date) -> Self:
        inside = calendar.between(first, last)
        before = calendar.ending((inside or [last])[0], HISTORY_SESSIONS)
        return cls([*before[:-1], *inside, *calendar.following(last, MAX_HORIZON)], last)

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


def _missing(store: ObjectStore, sessions: list[date], head: Link | None) -> list[date]:
    """Return the sessions after the record, which no other run may have brought past the first."""
    if head is None or head.manifest.session < sessions[0]:
        return sessions
    if head.manifest.mode != BACKFILL or not store.keys(f"runs/{sessions[0]}."):
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
