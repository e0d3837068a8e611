"""Backfill: an honest history from given bars, every session with what was known at its close.

Forecasts and baselines of all sessions come from one vectorised pass each; then session follows
session, as the daily run would have gone, with equal numbers. All of it is marked `backfill`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime

from pipeline.errors import Overtaken, RequestError
from pipeline.jobs.backfill.bulk_writer import BulkWriter
from pipeline.jobs.backfill.plan import (
    BackfillPlan,
    digest_bars,
    digest_bundle,
    fix_plan,
    read_open_plan,
)
from pipeline.jobs.backfill.point_in_time import PointInTimeVintages
from pipeline.jobs.backfill.precomputed import PrecomputedForecaster
from pipeline.jobs.backfill.session_history import SessionHistory
from pipeline.jobs.backfill.unscored_parts import UnscoredParts
from pipeline.jobs.daily import DailyJob
from pipeline.jobs.remake import finish_claimed
from pipeline.ports import ObjectStore, Reading
from pipeline.record.chain import Link, check_source, find_head
from pipeline.record.grammar import list_keys
from pipeline.record.keys import session_prefix, table_key
from pipeline.record.manifest import Mode
from pipeline.record.part import PartInputs
from pipeline.record.prior import PriorRecord, read_prior_record
from pipeline.record.publish import publish
from pipeline.views.refresh import refresh_views

Progress = Callable[[int, int], None]


def backfill(job: DailyJob, first: date, last: date, at: datetime, progress: Progress) -> int:
    """Publish every session from `first` to `last` that comes after the record; return how many.

    Interrupted, it goes on where it stopped, by the plan that was fixed as it began.

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
        other bars, or another run goes on with the record meanwhile.
    """
    head = find_head(job.store)
    check_source(head, job.source.label)
    sessions: Sequence[date] = job.calendar.between(first, last)
    if not sessions:
        raise RequestError(f"expected a session from {first} to {last}, got none")
    sessions = _select_missing(job.store, sessions, head)
    if not sessions:
        return 0
    plan = read_open_plan(job.store, sessions[0])
    if plan is None:
        return _publish_planned(job, (sessions[0], last), sessions, at, progress)
    within = [session for session in sessions if session <= plan.last]
    done = _publish_planned(job, (plan.first, plan.last), within, at, progress)
    return done + (backfill(job, first, last, at, progress) if last > plan.last else 0)


def _publish_planned(
    job: DailyJob,
    span: tuple[date, date],
    sessions: Sequence[date],
    at: datetime,
    progress: Progress,
) -> int:
    """Publish sessions of a plan, which is that of `span` and of this moment if none is stored.

    What a dead run has claimed is finished first.
    """
    history = SessionHistory.of(job.calendar, *span)
    symbols = [*job.tickers, *job.model.manifest.covariates]
    reading = job.source.read(symbols, history.expected(span[0])[0], span[1])
    newest = _find_newest_bar(sessions[0], job.tickers, reading)
    sessions = [session for session in sessions if session <= newest]
    bundle, last = job.model.bundle, min(span[1], newest)
    plan = BackfillPlan(
        first=span[0],
        last=last,
        issued_at=at.astimezone(UTC),
        source=job.source.label,
        tickers=job.tickers,
        model_version=bundle.version,
        bundle=digest_bundle(bundle),
        bars=digest_bars({symbol: raw.as_of(last) for symbol, raw in reading.bars.items()}),
    )
    plan = fix_plan(job.store, plan)
    head = finish_claimed(job.store, job.tables, job.calendar)
    issued = len(sessions)
    sessions = _select_missing(job.store, sessions, head)
    vintages = PointInTimeVintages(job, reading, plan.issued_at)
    try:
        if sessions:
            prior = read_prior_record(job.store, job.tables, head, sessions[0])
            _publish_each(job, sessions, history, vintages, prior, progress)
    except (KeyboardInterrupt, Overtaken):
        refresh_views(job.store, job.tables)
        raise
    refresh_views(job.store, job.tables)
    return issued


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


def _find_newest_bar(first: date, tickers: Sequence[str], reading: Reading) -> date:
    """Return the session of the newest bar; raises RequestError where it is before `first`."""
    bars = [reading.bars[ticker].session for ticker in tickers if ticker in reading.bars]
    newest: date | None = max(
        (sessions.max().item() for sessions in bars if len(sessions)), default=None
    )
    if newest is None or newest < first:
        raise RequestError(
            f"expected bars from {first} on, got none later than {newest or 'none at all'}"
        )
    return newest


def _select_missing(
    store: ObjectStore, sessions: Sequence[date], head: Link | None
) -> Sequence[date]:
    """Return the sessions after the record, which no other run may have brought past the first."""
    if head is None or head.manifest.session < sessions[0]:
        return sessions
    mode, manifests = head.manifest.mode, list_keys(store, session_prefix(sessions[0]))
    if mode is not Mode.BACKFILL or not manifests:
        raise RequestError(
            f"expected a first session after {head.manifest.session}, up to which the record goes, "
            f"got {sessions[0]}; nothing is added behind it, but another store can begin earlier"
        )
    return [session for session in sessions if session > head.manifest.session]
