"""The daily run: publish the forecasts of the last closed session, once, whatever happens.

The first run of a session fixes the vintage by creating it; whoever comes later, at the same time
or after a crash, uses the stored one. All that follows is a pure function of vintage, bundle and
the record so far, so every run writes equal bytes or finds them written. The manifest comes last:
a part is published once it is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial

from pipeline.errors import DamagedObject, Overtaken, RequestError
from pipeline.jobs.daily_job import DailyJob, with_mode
from pipeline.jobs.daily_summary import Outcome, Summary, find_withheld
from pipeline.jobs.do_without import repair_or_do_without
from pipeline.jobs.fill_holes import fill_vintage
from pipeline.jobs.newcomers import read_bars
from pipeline.jobs.remake import finish_claimed
from pipeline.ports import ObjectStore
from pipeline.record.chain import Link
from pipeline.record.forecasters import DirectForecaster
from pipeline.record.manifest import read_manifests
from pipeline.record.objects import create_or_adopt
from pipeline.record.part_inputs import read_inputs
from pipeline.record.part_vintage import Asked, find_vintage, fix_vintage
from pipeline.record.prior import PriorRecord, read_prior_record
from pipeline.record.publish import find_unpublished, is_recorded, publish
from pipeline.record.renamed import select_renamed
from pipeline.record.signatures import with_signatures
from pipeline.record.terms import check_terms, with_terms
from pipeline.record.vintage import HISTORY_SESSIONS, ReadInfo, Vintage, select_currencies
from pipeline.views.realised import read_realised
from pipeline.views.refresh import refresh_views
from pipeline.views.track_record import select_headline


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """The part that a run is about to publish, and what it needs to know of the record.

    `first` is the number it has, unless dead runs have used it up. `later` parts hold only what the
    session still lacks. `expected` are the exchange's sessions up to the origin, `target_dates` one
    per horizon.
    """

    first: int
    later: bool
    expected: Sequence[date]
    target_dates: tuple[date, ...]
    prior: PriorRecord

    @property
    def session(self) -> date:
        return self.expected[-1]


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
        part = _Part(
            manifests[-1].part + 1 if manifests else 0,
            bool(manifests),
            job.calendar.ending(session, HISTORY_SESSIONS),
            # Where the calendar ends there is nothing to forecast, and nothing is written.
            tuple(job.calendar.following(session, len(job.model.manifest.horizons))),
            read_prior_record(
                job.store, job.tables, head, session, job.model_versions, job.repairs
            ),
        )
        fixed, summary = _fix_vintage(job, part, missing, summary, now)
        if fixed is not None:
            summary = _publish(job, part, *fixed, summary)
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


def _fix_vintage(
    job: DailyJob, part: _Part, missing: Sequence[str], summary: Summary, now: datetime
) -> tuple[tuple[int, bytes] | None, Summary]:
    """Return the part's number and its vintage as it is stored, None for nothing to record.

    Where no run that asked alike has stored one, the missing tickers are read now.
    """
    asked = Asked(job.source.label, job.mode, (*missing, *job.covariates), now)
    at = (job.store, job.tables, part.session)
    number, stored = find_vintage(*at, part.first, asked)
    if stored is not None:
        return (number, stored), summary
    vintage, forecaster = _read_vintage(job, missing, part, now), DirectForecaster(job.models)
    vintage = fill_vintage(job.store, job.tables, vintage, part.expected, part.prior)
    summary = replace(summary, data_lag_sessions=vintage.data_lag(part.expected))
    if not part.later and vintage.nobody_traded(part.expected):
        return None, replace(summary, outcome=Outcome.CLOSED_UNCONFIRMED)
    known = (vintage, part.expected, part.target_dates[0], part.prior, forecaster)
    withheld = find_unpublished(*known)
    fit = [ticker for ticker in missing if ticker not in withheld]
    if not fit and (part.later or not is_recorded(*known)):
        return None, replace(summary, outcome=Outcome.INCOMPLETE, withheld=withheld)
    if part.later:
        vintage = vintage.only(fit)
    return fix_vintage(*at, number, asked, vintage.encode(job.tables)), summary


def _read_vintage(job: DailyJob, tickers: Sequence[str], part: _Part, now: datetime) -> Vintage:
    """Read the missing tickers and the bundle's covariates, which a forecast can do without."""
    symbols = (*tickers, *job.covariates)
    reading = read_bars(job, tickers, part.prior, part.expected[0], part.session)
    failures = {
        ticker: reading.failures[ticker].reason for ticker in tickers if ticker in reading.failures
    }
    bars = {symbol: reading.bars[symbol] for symbol in symbols if symbol in reading.bars}
    info = ReadInfo(
        asked=symbols,
        tickers=tuple(tickers),
        failures=failures,
        source=job.source.label,
        mode=job.mode,
        issued_at=now.astimezone(UTC),
        dialects={symbol: text for symbol, text in reading.dialects.items() if symbol in bars},
        currencies=select_currencies(reading.currencies, tickers),
        second_source=reading.second_source,
        second_closes=reading.second_closes,
        renamed=select_renamed(job.renamed, tickers, part.prior),
    )
    return Vintage(bars, info)


def _publish(job: DailyJob, part: _Part, number: int, data: bytes, summary: Summary) -> Summary:
    """Publish the part of the vintage in `data`, and return what the session comes to."""
    vintage = Vintage.decode(job.tables, data)
    days, reading = (part.expected, part.target_dates), (vintage, data)
    inputs = read_inputs(job.store, job.tables, number, days, reading, part.prior)
    write = with_terms(job.store, job.terms, partial(create_or_adopt, job.store))
    write = with_signatures(job.signer, write)
    manifest = publish(inputs, DirectForecaster(job.models), job.tables, write).link.manifest
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
