"""Backfill: an honest history from given bars, every session with what was known at its close.

Forecasts and baselines of all sessions come from one vectorised pass each; then session follows
session, as the daily run would have gone, with equal numbers. All of it is marked `backfill`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Self

import numpy as np

from pipeline.bars import PRICES, Bars, RawBars
from pipeline.bundle import ModelBundle
from pipeline.chain import Before, Link, newest, read_before, read_issued, rows_of
from pipeline.daily import DailyJob, check_source
from pipeline.errors import DataError, Reason, RequestError, StoreError
from pipeline.forecast import Forecast, forecast_history
from pipeline.intervals import NEUTRAL
from pipeline.issued_baselines import BASELINE_SESSIONS, Quantiles, histories, issued
from pipeline.part import FreshForecaster, Issued, Part, baseline_bars, garch_of, publish
from pipeline.ports import Calendar, Columns, ObjectStore, Reading
from pipeline.record import create_or_adopt, table_key
from pipeline.refresh import refresh_views
from pipeline.revisions import split_since
from pipeline.state import Outstanding, outstanding
from pipeline.tables import concatenated
from pipeline.vintage import HISTORY_SESSIONS, VIX, ReadInfo, Vintage
from pipeline.windows import MIN_SESSIONS

BACKFILL = "backfill"
WRITERS = 8
# Sessions whose objects may be on their way to the store at once.
IN_FLIGHT = 32
MAX_HORIZON = 5

Progress = Callable[[int, int], None]


class HistoricForecaster:
    """Forecasts and baselines of every session of a reading, made in one pass each.

    A ticker whose bars do not all pass as one history is forecast session by session.
    """

    def __init__(self, job: DailyJob, reading: Reading) -> None:
        self._fresh = FreshForecaster(job.model)
        vix = reading.bars.get(VIX)
        self._whole = valid = dict(_valid(reading, job.tickers))
        self._forecasts = {
            ticker: forecast_history(bars, job.model, NEUTRAL, vix)
            for ticker, bars in valid.items()
        }
        self._baselines = {
            ticker: issued(histories(bars), garch_of(self.bundle, ticker))
            for ticker, bars in valid.items()
            if len(bars) >= BASELINE_SESSIONS
        }

    @property
    def bundle(self) -> ModelBundle:
        return self._fresh.bundle

    def forecast(self, bars: Sequence[Bars], vix: RawBars | None) -> Forecast:
        """Return the forecast from the last session of each ticker, gains not applied."""
        made = [self._forecast_of(one) for one in bars if one.ticker in self._forecasts]
        # Before a split prices are quoted otherwise than in the whole history.
        at_hand = [one.last_close[-1] for one in made] == [one.close[-1] for one in bars]
        return _stacked(made) if made and at_hand else self._fresh.forecast(bars, vix)

    def baselines(self, bars: RawBars) -> dict[str, Quantiles]:
        """Return the baselines of one ticker, n = 1; raises InvalidBars as a fresh one does."""
        if bars.ticker not in self._baselines:
            return self._fresh.baselines(bars)
        whole, last = self._whole[bars.ticker], baseline_bars(bars)
        at = int(np.searchsorted(whole.session, last.session[-1]))
        if whole.close[at] != last.close[-1]:
            return self._fresh.baselines(bars)
        at -= BASELINE_SESSIONS - 1
        return {name: made.row(at) for name, made in self._baselines[bars.ticker].items()}

    def _forecast_of(self, bars: Bars) -> Forecast:
        made = self._forecasts[bars.ticker]
        return made.where(made.origin_date == bars.session[-1])


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
    forecaster = HistoricForecaster(job, reading)
    before = read_before(job.store, job.tables, head, sessions[0])
    tables = _Tables(job)
    with _Writer(job.store) as writer:
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


class _Writer:
    """Writes many objects at once, and each manifest when all before it is written."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._pool, self._committer = ThreadPoolExecutor(WRITERS), ThreadPoolExecutor(1)
        self._objects: list[Future[None]] = []
        self._commits: deque[Future[None]] = deque()
        self._last: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Commit what is whole; a session in the making stays off the record."""
        with self._pool, self._committer:
            while self._commits:
                self._commits.popleft().result()

    def write(self, key: str, data: bytes) -> bytes:
        """Write an object soon; a manifest after all objects and manifests before it."""
        if not key.startswith("runs/"):
            self._objects.append(self._pool.submit(self._put, key, data))
            return data
        # After a commit that failed none may follow, or the chain would have a hole.
        whole = [*self._objects, *([self._last] if self._last else [])]
        self._last = self._committer.submit(self._commit, whole, key, data)
        self._commits.append(self._last)
        self._objects = []
        if len(self._commits) > IN_FLIGHT:
            self._commits.popleft().result()
        return data

    def _commit(self, whole: Sequence[Future[None]], key: str, data: bytes) -> None:
        for one in whole:
            one.result()
        self._put(key, data)

    def _put(self, key: str, data: bytes) -> None:
        if create_or_adopt(self._store, key, data) != data:
            raise StoreError(
                f"{self._store.url(key)}: expected nothing or equal bytes, found what another "
                "backfill wrote from other bars or with another model; use another store"
            )


def _as_quoted(raw: RawBars, session: date) -> RawBars:
    """Return the bars up to a session as they were quoted then, with no split after it in them."""
    known, factor = raw.as_of(session), split_since(raw, np.array([session], "datetime64[D]"))[0]
    if factor == 1.0:
        return known
    prices = {name: getattr(known, name) * factor for name in PRICES}
    return replace(known, **prices, volume=known.volume / factor, dividend=known.dividend * factor)


def _valid(reading: Reading, tickers: Sequence[str]) -> Iterator[tuple[str, Bars]]:
    for ticker in tickers:
        if ticker in reading.bars:
            with suppress(DataError):
                bars = Bars.validated(reading.bars[ticker])
                if len(bars) >= MIN_SESSIONS:
                    yield ticker, bars


def _stacked(parts: Sequence[Forecast]) -> Forecast:
    return Forecast(
        tickers=tuple(ticker for one in parts for ticker in one.tickers),
        origin_date=np.concatenate([one.origin_date for one in parts]),
        last_close=np.concatenate([one.last_close for one in parts]),
        horizons=parts[0].horizons,
        log_return_quantiles=np.concatenate([one.log_return_quantiles for one in parts]),
        sigma=np.concatenate([one.sigma for one in parts]),
        finite=np.concatenate([one.finite for one in parts]),
    )
