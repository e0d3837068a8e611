"""Backfill: an honest history from given bars, every session with what was known at its close.

Forecasts and baselines of all sessions come from one vectorised pass each; then session follows
session, as the daily run would have gone, with equal numbers. All of it is marked `backfill`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime

from pipeline.errors import RequestError
from pipeline.jobs.backfill.bulk_writer import BulkWriter
from pipeline.jobs.backfill.point_in_time import PointInTimeVintages
from pipeline.jobs.backfill.precomputed import PrecomputedForecaster
from pipeline.jobs.backfill.session_history import SessionHistory
from pipeline.jobs.backfill.unscored_parts import UnscoredParts
from pipeline.jobs.daily import DailyJob
from pipeline.ports import ObjectStore, Reading
from pipeline.record.chain import Link, check_source, find_head
from pipeline.record.keys import from_session, session_prefix, table_key
from pipeline.record.manifest import Mode
from pipeline.record.part import PartInputs
from pipeline.record.prior import PriorRecord, read_prior_record
from pipeline.record.publish import publish
from pipeline.record.vintage import Vintage
from pipeline.views.refresh import refresh_views

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
    head = find_head(job.store)
    check_source(head, job.source.label)
    history = SessionHistory.of(job.calendar, first, last)
    sessions = _select_missing(job.store, history.sessions_from(first), head)
    if not sessions:
        return 0
    symbols = [*job.tickers, *job.model.manifest.covariates]
    reading = job.source.read(symbols, history.expected(sessions[0])[0], last)
    sessions = _limit_to_bars(sessions, job.tickers, reading)
    issued_at = _read_issued_at(job, sessions[0]) or at.astimezone(UTC)
    vintages = PointInTimeVintages(job, reading, issued_at)
    prior = read_prior_record(job.store, job.tables, head, sessions[0])
    try:
        _publish_each(job, sessions, history, vintages, prior, progress)
    except KeyboardInterrupt:
        refresh_views(job.store, job.tables)
        raise
    refresh_views(job.store, job.tables)
    return len(sessions)


def _publish_each(
    job: DailyJob,
    sessions: Sequence[date],
    history: SessionHistory,
    vintages: PointInTimeVintages,
    prior: PriorRecord,
    progress: Progress,
) -> None:
    forecaster = PrecomputedForecaster(job.model, job.tickers, vintages.reading)
    unscored = UnscoredParts(job)
    horizons = len(job.model.manifest.horizons)
    with BulkWriter(job.store) as writer:
        for done, session in enumerate(sessions, start=1):
            expected, targets = history.expected(session), history.following(session, horizons)
            vintage = vintages.vintage(expected)
            data = vintage.encode(job.tables)
            writer.write(table_key("bars", session, 0), data)
            inputs = PartInputs(0, expected, targets, vintage, data, prior)
            prior = unscored.add(publish(inputs, forecaster, job.tables, writer.write))
            progress(done, len(sessions))


def _limit_to_bars(
    sessions: Sequence[date], tickers: Sequence[str], reading: Reading
) -> list[date]:
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


def _select_missing(store: ObjectStore, sessions: list[date], head: Link | None) -> list[date]:
    """Return the sessions after the record, which no other run may have brought past the first."""
    if head is None or head.manifest.session < sessions[0]:
        return sessions
    mode, manifests = head.manifest.mode, store.keys(session_prefix(sessions[0]))
    if mode is not Mode.BACKFILL or not manifests:
        raise RequestError(
            f"expected a first session after {head.manifest.session}, up to which the record goes, "
            f"got {sessions[0]}; nothing is added behind it, but another store can begin earlier"
        )
    return [session for session in sessions if session > head.manifest.session]


def _read_issued_at(job: DailyJob, session: date) -> datetime | None:
    """Return when an interrupted backfill issued, if it left a vintage from this session on."""
    vintages = job.store.keys("bars/", after=from_session("bars", session))
    data = job.store.read(vintages[0]) if vintages else None
    return Vintage.decode(job.tables, data).info.issued_at if data else None
