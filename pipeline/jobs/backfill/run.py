"""Backfill: an honest history from given bars, every session with what was known at its close.

Forecasts and baselines of all sessions come from one vectorised pass each; then session follows
session, as the daily run would have gone, with equal numbers. All of it is marked `backfill`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from pipeline.errors import DamagedObject, Overtaken, RequestError
from pipeline.jobs.backfill.bulk_writer import BulkWriter
from pipeline.jobs.backfill.planning import build_plan, find_newest_bar
from pipeline.jobs.backfill.point_in_time import PointInTimeVintages
from pipeline.jobs.backfill.precomputed import PrecomputedForecaster
from pipeline.jobs.backfill.session_history import SessionHistory
from pipeline.jobs.backfill.unscored_parts import UnscoredParts
from pipeline.jobs.daily_job import DailyJob
from pipeline.jobs.do_without import repair_or_do_without
from pipeline.jobs.newcomers import list_newcomers, read_history
from pipeline.jobs.remake import finish_claimed
from pipeline.ports import Calendar, ObjectStore
from pipeline.record.chain import Link, count_recorded, read_link
from pipeline.record.grammar import list_keys
from pipeline.record.keys import RUNS, table_key
from pipeline.record.manifest import Mode
from pipeline.record.part_inputs import read_inputs
from pipeline.record.part_vintage import FreeNumbers
from pipeline.record.plan import BackfillPlan, find_begun, find_plan, fix_plan
from pipeline.record.plausible_close import select_fit
from pipeline.record.prior import PriorRecord, read_prior_record
from pipeline.record.publish import find_unpublished, is_recorded, publish
from pipeline.record.signatures import with_signatures
from pipeline.record.terms import check_terms, with_terms
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
        from one of them by other runs, or begun after it, or sessions of a backfill that was
        interrupted would be left out.
    StoreError
        When another source began the record, or the store holds what another backfill began from
        other bars, or another run goes on with the record meanwhile.
    """
    while True:
        try:
            return _publish_missing(job, first, last, at, progress)
        except DamagedObject as damaged:
            job = repair_or_do_without(job, damaged)


def _publish_missing(
    job: DailyJob, first: date, last: date, at: datetime, progress: Progress
) -> int:
    head = check_terms(job.store, job.terms)
    sessions: Sequence[date] = job.calendar.between(first, last)
    if not sessions:
        raise RequestError(f"expected a session from {first} to {last}, got none")
    sessions = _select_missing(job.store, sessions, head)
    if not sessions:
        refresh_views(job.store, job.tables)
        return 0
    begun = find_begun(job.store, job.tables, head, job.repairs.lost)
    if begun is not None and head is not None:
        _require_no_gap(job.calendar, head.manifest.session, begun, sessions[0])
    if begun is None or begun.last < sessions[0]:
        return _publish_planned(job, sessions, head, None, at, progress)
    within = [session for session in sessions if session <= begun.last]
    done = _publish_planned(job, within, head, begun, at, progress)
    after = begun.last + timedelta(days=1)
    return done + (backfill(job, after, last, at, progress) if last >= after else 0)


def _require_no_gap(calendar: Calendar, newest: date, begun: BackfillPlan, first: date) -> None:
    """Raise RequestError where a first session leaves out some of a backfill that has begun."""
    left = [session for session in calendar.between(begun.first, begun.last) if session > newest]
    if left and left[0] < first:
        raise RequestError(
            f"expected a first session up to {left[0]}, got {first}: the backfill from "
            f"{begun.first} to {begun.last} is not finished, and nothing can be added behind what "
            "is issued; the same backfill again finishes it"
        )


def _publish_planned(
    job: DailyJob,
    sessions: Sequence[date],
    head: Link | None,
    begun: BackfillPlan | None,
    at: datetime,
    progress: Progress,
) -> int:
    """Publish sessions by the plan that was begun, or by one of them all and of this moment."""
    span = (begun.first, begun.last) if begun else (sessions[0], sessions[-1])
    history = SessionHistory.of(job.calendar, *span)
    reading = read_history(job, history.expected(span[0])[0], span[1])
    newest = find_newest_bar(sessions[0], job.tickers, reading)
    sessions = [session for session in sessions if session <= newest]
    plan = build_plan(job, (span[0], min(span[1], newest)), reading, at)
    plan = fix_plan(job.store, plan, begun)
    vintages = PointInTimeVintages(job, reading, plan.issued_at)
    head = finish_claimed(job.store, job.tables, job.calendar, head, job.signer, job.repairs.lost)
    try:
        if left := _select_missing(job.store, sessions, head):
            prior = read_prior_record(
                job.store, job.tables, head, left[0], job.model_versions, job.repairs
            )
            _publish_each(job, left, history, vintages, prior, progress)
    except (KeyboardInterrupt, Overtaken):
        refresh_views(job.store, job.tables)
        raise
    refresh_views(job.store, job.tables)
    issued = count_recorded(job.store, sessions)
    if head is None and not issued:
        raise RequestError(
            f"expected bars fit for a forecast in a session from {sessions[0]} to {newest}, got "
            "none; nothing was recorded"
        )
    return issued


def _publish_each(
    job: DailyJob,
    sessions: Sequence[date],
    history: SessionHistory,
    vintages: PointInTimeVintages,
    prior: PriorRecord,
    progress: Progress,
) -> None:
    """Publish the sessions in order, but those that go not on the record."""
    forecaster = PrecomputedForecaster(job.models, job.tickers, vintages.reading)
    numbers = FreeNumbers(job.store, sessions[0])
    unscored = UnscoredParts(job)
    horizons = len(job.model.manifest.horizons)
    with BulkWriter(job.store) as writer:
        write = with_signatures(job.signer, with_terms(job.store, job.terms, writer.write))
        for done, session in enumerate(sessions, start=1):
            expected, targets = history.expected(session), history.following(session, horizons)
            vintage = vintages.vintage(expected, list_newcomers(job, job.tickers, prior))
            fit = select_fit(vintage, expected, targets[0], prior)
            withheld = find_unpublished(vintage, fit, session, prior, forecaster)
            if is_recorded(vintage, session, prior, withheld):
                data = vintage.encode(job.tables)
                number = numbers.choose(session, data)
                write(table_key("bars", session, number), data)
                days, reading = (expected, targets), (vintage, data)
                inputs = read_inputs(job.store, job.tables, number, days, reading, prior)
                inputs = replace(inputs, fit=fit)
                prior = unscored.add(publish(inputs, forecaster, job.tables, write))
            progress(done, len(sessions))


def _select_missing(
    store: ObjectStore, sessions: Sequence[date], head: Link | None
) -> Sequence[date]:
    """Return the sessions after the record, which no other run may have brought past the first."""
    if head is None or head.manifest.session < sessions[0]:
        return sessions
    following = list_keys(store, RUNS, after=f"{RUNS}{sessions[0]}")
    run = read_link(store, following[0]).manifest  # the first from that session on
    plan = find_plan(store, run.session, run.mode, run.issued_at)
    if head.manifest.mode is not Mode.BACKFILL or plan is None or plan.first > sessions[0]:
        raise RequestError(
            f"expected a first session after {head.manifest.session}, up to which the record goes, "
            f"got {sessions[0]}; nothing is added behind it, but another store can begin earlier"
        )
    return [session for session in sessions if session > head.manifest.session]
