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

from pipeline.errors import Overtaken, RequestError
from pipeline.forecasting.model import Model
from pipeline.jobs.daily_summary import Outcome, Summary, find_withheld
from pipeline.jobs.remake import finish_claimed
from pipeline.ports import BarSource, Calendar, ObjectStore, Tables
from pipeline.record.chain import check_source
from pipeline.record.forecasters import DirectForecaster
from pipeline.record.grammar import list_keys
from pipeline.record.keys import after_session, table_key
from pipeline.record.manifest import (
    Mode,
    create_or_adopt,
    read_manifests,
)
from pipeline.record.part import PartInputs
from pipeline.record.prior import PriorRecord, read_prior_record
from pipeline.record.publish import publish
from pipeline.record.vintage import HISTORY_SESSIONS, ReadInfo, Vintage
from pipeline.views.refresh import refresh_views
from pipeline.views.track_record import select_headline


@dataclass(frozen=True, slots=True)
class DailyJob:
    """What a daily run works with. `mode` is `live`, or `as_of` for a date of the past."""

    tickers: tuple[str, ...]
    source: BarSource
    calendar: Calendar
    store: ObjectStore
    tables: Tables
    model: Model
    mode: Mode = Mode.LIVE


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """The part that a run is about to publish, and what it needs to know of the record.

    `expected` are the exchange's sessions up to the origin, `target_dates` one per horizon.
    """

    number: int
    expected: Sequence[date]
    target_dates: tuple[date, ...]
    prior: PriorRecord

    @property
    def session(self) -> date:
        return self.expected[-1]


def with_mode(job: DailyJob, at: datetime, now: datetime) -> DailyJob:
    """Return the job, in mode `as_of` if the session closed at `at` is no longer the newest.

    What is made once the next session has closed must never pass as made in time.

    Raises
    ------
    RequestError
        When the session closed at `at` is still to come.
    """
    asked, current = job.calendar.last_closed(at), job.calendar.last_closed(now)
    if asked > current:
        raise RequestError(f"expected a time that has come, got {at.isoformat()}")
    return job if asked == current else replace(job, mode=Mode.AS_OF)


def run(job: DailyJob, at: datetime) -> Summary:
    """Publish what is missing of the session last closed at `at`, an aware datetime.

    Raises
    ------
    ConfigError
        When `at` lies outside the calendar.
    RequestError
        When something is missing of a session that the record has left behind.
    StoreError
        When the store fails or holds what no run wrote.
    """
    while True:
        try:
            return _publish_missing(job, at)
        except Overtaken:
            continue  # The record has moved on by another part: look again.


def _publish_missing(job: DailyJob, at: datetime) -> Summary:
    session = job.calendar.last_closed(at)
    head = finish_claimed(job.store, job.tables, job.calendar)
    manifests = read_manifests(job.store, session)
    check_source(head, job.source.label)
    published = frozenset().union(*(manifest.published for manifest in manifests))
    missing = [ticker for ticker in job.tickers if ticker not in published]
    summary = Summary(Outcome.NOTHING_TO_DO, session, manifests=tuple(manifests))
    if missing:
        _check_order(job.store, session)
        part = _Part(
            len(manifests),
            job.calendar.ending(session, HISTORY_SESSIONS),
            # Where the calendar ends there is nothing to forecast, and nothing is written.
            tuple(job.calendar.following(session, len(job.model.manifest.horizons))),
            read_prior_record(job.store, job.tables, head, session),
        )
        data, summary = _fix_vintage(job, part, missing, summary, at)
        if data is not None:
            summary = _publish(job, part, data, summary)
    record = refresh_views(job.store, job.tables)
    return replace(summary, headline=select_headline(record))


def _check_order(store: ObjectStore, session: date) -> None:
    """Raise RequestError if a later session has begun: what was not issued in time stays unissued.

    A vintage is enough, be its run dead: what that run wrote follows from the record as it was.
    """
    if later := list_keys(store, "bars/", after=after_session("bars", session)):
        raise RequestError(
            f"{session}: expected no later session in the store, found {store.url(later[-1])}; "
            "nothing is added to the record behind its newest session"
        )


def _fix_vintage(
    job: DailyJob, part: _Part, missing: Sequence[str], summary: Summary, at: datetime
) -> tuple[bytes | None, Summary]:
    """Return the part's vintage as it is stored, None where there is nothing to publish.

    Where no run has stored one, the missing tickers are read now, and the first to write wins.
    """
    key = table_key("bars", part.session, part.number)
    if (stored := job.store.read(key)) is not None:
        return stored, summary
    vintage = _read_vintage(job, missing, part.expected, at)
    usable, withheld = vintage.usable(part.expected, part.prior.bars)
    summary = replace(summary, data_lag_sessions=vintage.data_lag(part.expected))
    if not part.number and vintage.nobody_traded(part.expected):
        return None, replace(summary, outcome=Outcome.CLOSED_UNCONFIRMED)
    if not usable and (part.number or part.prior.link is None):
        # Nobody to publish: nothing is added to the session, and no record begins with it.
        return None, replace(summary, outcome=Outcome.INCOMPLETE, withheld=withheld)
    if part.number:
        vintage = vintage.only([bars.ticker for bars in usable])
    return create_or_adopt(job.store, key, vintage.encode(job.tables)), summary


def _read_vintage(
    job: DailyJob, tickers: Sequence[str], expected: Sequence[date], at: datetime
) -> Vintage:
    """Read the missing tickers and the bundle's covariates, which a forecast can do without."""
    symbols = [*tickers, *job.model.manifest.covariates]
    reading = job.source.read(symbols, expected[0], expected[-1])
    failures = {
        ticker: reading.failures[ticker].reason for ticker in tickers if ticker in reading.failures
    }
    info = ReadInfo(tuple(tickers), failures, job.source.label, job.mode, at.astimezone(UTC))
    bars = {symbol: reading.bars[symbol] for symbol in symbols if symbol in reading.bars}
    return Vintage(bars, info)


def _publish(job: DailyJob, part: _Part, data: bytes, summary: Summary) -> Summary:
    """Publish the part of the vintage in `data`, and return what the session comes to."""
    vintage = Vintage.decode(job.tables, data)
    inputs = PartInputs(part.number, part.expected, part.target_dates, vintage, data, part.prior)
    write = partial(create_or_adopt, job.store)
    manifest = publish(inputs, DirectForecaster(job.model), job.tables, write).link.manifest
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
