"""The daily run: publish the forecasts of the last closed session, once, whatever happens.

The first run of a session fixes the vintage by creating it; whoever comes later, at the same time
or after a crash, uses the stored one. All that follows is a pure function of vintage, bundle and
the record so far, so every run writes equal bytes or finds them written. The manifest comes last:
a part is published once it is there.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from functools import partial

from pipeline.errors import DamagedObject, Overtaken, RequestError
from pipeline.jobs.daily_job import DailyJob, with_mode
from pipeline.jobs.daily_summary import Outcome, Summary, find_withheld
from pipeline.jobs.do_without import repair_or_do_without
from pipeline.jobs.fix_part import FixedVintage, OpenPart, fix_part
from pipeline.jobs.remake import finish_claimed
from pipeline.ports import ObjectStore
from pipeline.record.chain import Link
from pipeline.record.manifest import read_manifests
from pipeline.record.objects import create_or_adopt
from pipeline.record.part_inputs import read_inputs
from pipeline.record.prior import read_prior_record
from pipeline.record.publish import publish
from pipeline.record.signatures import with_signatures
from pipeline.record.terms import check_terms, with_terms
from pipeline.record.vintage import HISTORY_SESSIONS
from pipeline.views.realised import read_realised
from pipeline.views.refresh import refresh_views
from pipeline.views.track_record import select_headline


def run(job: DailyJob, at: datetime, now: datetime) -> Summary:
    """Publish what is missing of the session last closed at `at`, in the mode that `now` allows.

    Both are aware datetimes; what this run reads is issued `now`.

    Raises
    ------
    ConfigError
        When `at` lies outside the calendar.
    RequestError
        When the session is still to come, or something is missing of one that the record has left
        behind.
    StoreError
        When the store fails, or is another source's, calendar's, key's or version's, or holds what
        no run wrote.
    """
    job, last = with_mode(job, at, now), ""
    while True:
        try:
            return replace(_publish_missing(job, at, now), repairs=job.repairs)
        except Overtaken as overtaken:
            if str(overtaken) == last:
                raise
            last = str(overtaken)  # The record has moved on by another part: look again.
        except DamagedObject as damaged:
            job = repair_or_do_without(job, damaged)


def _publish_missing(job: DailyJob, at: datetime, now: datetime) -> Summary:
    session = job.calendar.last_closed(at)
    head = check_terms(job.store, job.terms)
    head = finish_claimed(job.store, job.tables, job.calendar, head, job.signer, job.repairs.lost)
    manifests = read_manifests(job.store, session)
    published = frozenset().union(*(manifest.published for manifest in manifests))
    missing = [ticker for ticker in job.tickers if ticker not in published]
    summary = Summary(Outcome.NOTHING_TO_DO, session, manifests=tuple(manifests))
    if missing:
        _check_order(job.store, session, head)
        part = OpenPart(
            manifests[-1].part + 1 if manifests else 0,
            bool(manifests),
            job.calendar.ending(session, HISTORY_SESSIONS),
            # Where the calendar ends there is nothing to forecast, and nothing is written.
            tuple(job.calendar.following(session, len(job.model.manifest.horizons))),
            read_prior_record(
                job.store, job.tables, head, session, job.model_versions, job.repairs
            ),
        )
        fixed, summary = fix_part(job, part, missing, summary, now)
        if fixed is not None:
            summary = _publish(job, part, fixed, summary)
    record = refresh_views(job.store, job.tables)
    realised = read_realised(job.store, job.tables, summary.manifests)
    return replace(summary, headline=select_headline(record), realised=realised)


def _check_order(store: ObjectStore, session: date, head: Link | None) -> None:
    """Raise RequestError if a later session is on the record: what was not issued stays unissued.

    What is claimed is on it by now. A dead run's vintage of a later session alone binds nobody: no
    part follows the newest one but by its claim.
    """
    if head is not None and head.manifest.session > session:
        raise RequestError(
            f"{session}: expected no later session in the store, found "
            f"{store.url(head.manifest.key)}; nothing is added behind its newest session"
        )


def _publish(job: DailyJob, part: OpenPart, fixed: FixedVintage, summary: Summary) -> Summary:
    """Publish the part of a vintage, and return what the session comes to."""
    number, data, vintage, forecaster, fit = fixed
    days, reading = (part.expected, part.target_dates), (vintage, data)
    inputs = read_inputs(job.store, job.tables, number, days, reading, part.prior)
    inputs = replace(inputs, fit=fit)
    write = with_terms(job.store, job.terms, partial(create_or_adopt, job.store))
    write = with_signatures(job.signer, write)
    manifest = publish(inputs, forecaster, job.tables, write).link.manifest
    manifests = (*summary.manifests, manifest)
    withheld = find_withheld(job.tickers, manifests)
    return Summary(
        outcome=Outcome.INCOMPLETE if withheld else Outcome.PUBLISHED,
        session=part.session,
        published=tuple(sorted(manifest.published)),
        withheld=withheld,
        manifests=manifests,
        data_lag_sessions=vintage.data_lag(part.expected),
    )
