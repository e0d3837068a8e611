"""Records of a few sessions on fakes, for tests of what stands on a record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from functools import cache, lru_cache
from typing import Any

import numpy as np

from pipeline.adapters.parquet.parquet_tables import ParquetTables
from pipeline.bars import PRICES, RawBars
from pipeline.columns import Columns, concatenate
from pipeline.forecasting.model import Model
from pipeline.jobs import daily
from pipeline.jobs.backfill.run import backfill
from pipeline.jobs.daily_job import DailyJob
from pipeline.jobs.daily_summary import Summary
from pipeline.ports import BarSource, ObjectStore
from pipeline.record.chain import find_head, walk_back
from pipeline.record.state import State, read_state
from tests.support.builders import raw_bars, weekdays
from tests.support.fakes import FixedCalendar, MemoryObjects, ScriptedSource


class RememberingTables(ParquetTables):
    """Parquet tables that decode equal bytes once; nobody can write into what they give."""

    def decode(self, table: str, data: bytes) -> tuple[dict[str, Any], dict[str, str]]:
        columns, metadata = _decoded(table, data)
        return dict(columns), dict(metadata)


@lru_cache(maxsize=4096)
def _decoded(table: str, data: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    columns, metadata = ParquetTables().decode(table, data)
    for column in columns.values():
        column.flags.writeable = False
    return columns, metadata


TICKERS = ("SPY", "QQQ")
DAYS = weekdays(420, "2024-12-31")
SESSIONS: list[date] = DAYS.tolist()
CALENDAR = FixedCalendar(weekdays(900, "2025-02-28").tolist())
TABLES = RememberingTables()
LONG_AFTER = datetime(2025, 2, 3, 12, tzinfo=UTC)
BarsByTicker = Mapping[str, RawBars]
Change = Callable[[DailyJob], DailyJob]


def market(tickers: Iterable[str] = TICKERS, **changed: RawBars) -> dict[str, RawBars]:
    """Return 420 bars of each ticker, up to the end of 2024."""
    return {t: changed.get(t, raw_bars(t, len(DAYS), session=DAYS)) for t in tickers}


def scaled(raw: RawBars, factor: float, rows: slice = slice(None)) -> RawBars:
    """Return bars whose prices in `rows` are `factor` times what they were."""
    prices = {name: getattr(raw, name).copy() for name in PRICES}
    for values in prices.values():
        values[rows] *= factor
    return replace(raw, **prices)


def with_column(raw: RawBars, name: str, row: int, value: float) -> RawBars:
    """Return bars of which one value is another."""
    values = getattr(raw, name).copy()
    values[row] = value
    return replace(raw, **{name: values})


def without(raw: RawBars, session: date) -> RawBars:
    """Return bars with a hole where a session was."""
    return raw.rows(raw.session != np.datetime64(session))


def evening(session: date, hour: int = 22) -> datetime:
    return datetime.combine(session, time(hour, tzinfo=UTC))


def run(job: DailyJob, at: datetime, now: datetime | None = None) -> Summary:
    """Run at the time that it is for, or at `now`."""
    return daily.run(job, at, now or at)


def job_on(
    model: Model, store: ObjectStore, bars: BarsByTicker | BarSource, **changed: Any
) -> DailyJob:
    source = ScriptedSource.of(*bars.values()) if isinstance(bars, Mapping) else bars
    return replace(DailyJob(TICKERS, source, CALENDAR, store, TABLES, model), **changed)


def run_days(
    model: Model,
    sessions: Iterable[date],
    bars: BarsByTicker | None = None,
    store: Any = None,
    **job: Any,
) -> MemoryObjects:
    """Return the store after a daily run on the evening of each session.

    Undisturbed runs from an empty store are made once, and every caller has a store of its own.
    """
    if bars is None and store is None and not job:
        return MemoryObjects(_undisturbed(model, tuple(sessions)))
    store = MemoryObjects() if store is None else store
    for session in sessions:
        run(job_on(model, store, bars or market(), **job), evening(session))
    return store


@cache
def _undisturbed(model: Model, sessions: tuple[date, ...]) -> Mapping[str, bytes]:
    if not sessions:
        return {}
    store = MemoryObjects(_undisturbed(model, sessions[:-1]))
    run_day(model, store, sessions[-1], market())
    return store.objects


def run_day(
    model: Model, store: ObjectStore, session: date, bars: BarsByTicker, **job: Any
) -> Summary:
    return run(job_on(model, store, bars, **job), evening(session))


def backfilled(
    model: Model,
    first: date,
    last: date,
    bars: BarsByTicker | None = None,
    store: Any = None,
    at: datetime = LONG_AFTER,
) -> MemoryObjects:
    """Return the store after a backfill of the sessions from `first` to `last`.

    From an empty store and undisturbed bars it is made once, and every caller has its own.
    """
    if bars is None and store is None:
        return MemoryObjects(_backfilled(model, first, last))
    store = MemoryObjects() if store is None else store
    backfill(job_on(model, store, bars or market()), first, last, at, lambda done, of: None)
    return store


@cache
def _backfilled(model: Model, first: date, last: date) -> Mapping[str, bytes]:
    return backfilled(model, first, last, store=MemoryObjects()).objects


def table(store: ObjectStore, name: str) -> Columns:
    """Return the rows of every object of a table, in the order of their keys."""
    keys = store.keys(f"{name}/")
    return concatenate([TABLES.decode(name, store.read(key) or b"")[0] for key in keys])


def rows_by_key(columns: Columns, *names: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return the rows by the values of `names`; none of them twice."""
    listed = {name: column.tolist() for name, column in columns.items()}
    rows = [dict(zip(listed, row, strict=True)) for row in zip(*listed.values(), strict=True)]
    found = {tuple(row[name] for name in names): row for row in rows}
    assert len(found) == len(rows)
    return found


FORECAST = ("ticker", "origin_date", "horizon", "model")


def record_of_runs(store: ObjectStore, tables: ParquetTables) -> dict[str, Any]:
    """What the record says, whatever numbers its parts have: all rows but when and of what."""
    links = list(walk_back(store, find_head(store)))[::-1]
    said: dict[str, Any] = {"tickers": [dict(link.manifest.tickers) for link in links]}
    for link in links:
        for key in link.manifest.objects:
            name = key.partition("/")[0]
            if name in ("forecasts", "baselines", "scores"):
                columns = tables.decode(name, store.read(key) or b"")[0]
                rows = {c: v.tolist() for c, v in columns.items() if c != "vintage_sha256"}
                said.setdefault(name, []).append(repr(rows))
    return said


def scores_of(store: ObjectStore) -> dict[tuple[Any, ...], dict[str, Any]]:
    return rows_by_key(table(store, "scores"), *FORECAST)


def states(store: ObjectStore) -> list[State]:
    """Return the state of every part, oldest first."""
    return [read_state(store, link.manifest) for link in walk_back(store, find_head(store))][::-1]


def flipped(data: bytes, at: int, bit: int = 0) -> bytes:
    """Return the data with one bit the other way round."""
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    return bytes(changed)
