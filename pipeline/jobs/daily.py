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

import numpy as np

from pipeline.bars import RawBars
from pipeline.errors import Reason, RequestError, StoreError
from pipeline.forecasting.model import Model
from pipeline.jobs.daily_summary import Outcome, Summary
from pipeline.ports import BarSource, Calendar, ObjectStore, Tables
from pipeline.record.chain import Link, newest, read_before
from pipeline.record.forecasters import FreshForecaster
from pipeline.record.keys import table_key
from pipeline.record.manifest import RunManifest, committed, create_or_adopt
from pipeline.record.publish import Part, publish
from pipeline.record.state import read_state
from pipeline.record.vintage import HISTORY_SESSIONS, ReadInfo, Vintage
from pipeline.views.refresh import refresh_views
from pipeline.views.track_record import headline, track_record


@dataclass(frozen=True, slots=True)
class DailyJob:
    """What a daily run works with. `mode` is `live`, or `as_of` for a date of the past."""

    tickers: tuple[str, ...]
    source: BarSource
    calendar: Calendar
    store: ObjectStore
    tables: Tables
    model: Model
    mode: str = "live"


def at_its_time(job: DailyJob, at: datetime, now: datetime) -> DailyJob:
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
    return job if asked == current else replace(job, mode="as_of")


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
    session = job.calendar.last_closed(at)
    check_source(job, newest(job.store))
    before = committed(job.store, session)
    published = frozenset().union(*(manifest.published for manifest in before))
    missing = [ticker for ticker in job.tickers if ticker not in published]
    summary = Summary(Outcome.NOTHING_TO_DO, session, manifests=tuple(before))
    if missing:
        summary = _publish_missing(job, missing, summary, at)
    refresh_views(job.store, job.tables)
    head = newest(job.store)
    return summary if head is None else replace(summary, headline=_headline(job.store, head))


def _publish_missing(
    job: DailyJob, missing: Sequence[str], before: Summary, at: datetime
) -> Summary:
    _check_order(job.store, before.session)
    head = newest(job.store)
    # Where the calendar ends there is nothing to forecast: that comes before anything is written.
    following = tuple(job.calendar.following(before.session, len(job.model.manifest.horizons)))
    expected = job.calendar.ending(before.session, HISTORY_SESSIONS)
    record = read_before(job.store, job.tables, head, before.session)
    part = len(before.manifests)
    data = job.store.read(table_key("bars", before.session, part))
    if data is None:
        vintage = _read(job, missing, expected, at)
        good, refused = vintage.usable(expected, record.bars)
        seen = replace(before, data_lag_sessions=_lag(vintage, expected))
        if not part and _nobody_traded(vintage, expected):
            return replace(seen, outcome=Outcome.CLOSED_UNCONFIRMED)
        if part and not good:
            return replace(seen, outcome=Outcome.INCOMPLETE, withheld=refused)
        if part:
            vintage = vintage.only([bars.ticker for bars in good])
        key = table_key("bars", before.session, part)
        data = create_or_adopt(job.store, key, vintage.encode(job.tables))
    stored = Vintage.decode(job.tables, data)
    issued = publish(
        Part(part, expected, following, stored, data, record),
        FreshForecaster(job.model),
        job.tables,
        partial(create_or_adopt, job.store),
    )
    manifest = issued.link.manifest
    manifests = (*before.manifests, manifest)
    withheld = _withheld(job.tickers, manifests)
    return Summary(
        outcome=Outcome.INCOMPLETE if withheld else Outcome.PUBLISHED,
        session=before.session,
        published=tuple(sorted(manifest.published)),
        withheld=withheld,
        manifests=manifests,
        data_lag_sessions=_lag(stored, expected),
    )


def _check_order(store: ObjectStore, session: date) -> None:
    """Raise RequestError if a later session has begun: what was not issued in time stays unissued.

    A vintage is enough, be its run dead: what that run wrote follows from the record as it was.
    """
    if later := store.keys("bars/", after=f"{table_key('bars', session, 0)[:-11]}~"):
        raise RequestError(
            f"{session}: expected no later session in the store, found {store.url(later[-1])}; "
            "nothing is added to the record behind its newest session"
        )


def check_source(job: DailyJob, head: Link | None) -> None:
    """Raise StoreError if another source began the record: two of them make no one record."""
    if head is not None and head.manifest.source != job.source.label:
        raise StoreError(
            f"{head.manifest.session}: expected {head.manifest.source} to go on with the record, "
            f"got {job.source.label}; another source needs another store"
        )


def _headline(store: ObjectStore, head: Link) -> dict[str, float]:
    return headline(track_record(read_state(store, head.manifest), head))


def _read(job: DailyJob, tickers: Sequence[str], expected: Sequence[date], at: datetime) -> Vintage:
    """Read the missing tickers and the bundle's covariates, which a forecast can do without."""
    symbols = [*tickers, *job.model.manifest.covariates]
    reading = job.source.read(symbols, expected[0], expected[-1])
    failures = {
        ticker: reading.failures[ticker].reason for ticker in tickers if ticker in reading.failures
    }
    info = ReadInfo(tuple(tickers), failures, job.source.label, job.mode, at.astimezone(UTC))
    bars = {symbol: reading.bars[symbol] for symbol in symbols if symbol in reading.bars}
    return Vintage(bars, info)


def _nobody_traded(vintage: Vintage, expected: Sequence[date]) -> bool:
    """Whether every ticker ends exactly one session early: the exchange was closed, unannounced."""
    newest = [_newest(bars) for bars in vintage.ticker_bars()]
    return not vintage.info.failures and all(one == expected[-2] for one in newest)


def _lag(vintage: Vintage, expected: Sequence[date]) -> int | None:
    newest = [one for bars in vintage.ticker_bars() if (one := _newest(bars)) is not None]
    return sum(session > min(newest) for session in expected) if newest else None


def _newest(bars: RawBars) -> date | None:
    sessions = bars.session[np.isfinite(bars.close)]
    newest: date | None = sessions.max().item() if len(sessions) else None
    return newest


def _withheld(tickers: Sequence[str], manifests: Sequence[RunManifest]) -> dict[str, str]:
    """Return the reason of every ticker that no part published."""
    last = {ticker: status for manifest in manifests for ticker, status in manifest.tickers.items()}
    published = set().union(*(manifest.published for manifest in manifests))
    return {
        ticker: last.get(ticker, Reason.SOURCE_UNAVAILABLE).removeprefix("withheld:")
        for ticker in tickers
        if ticker not in published
    }
