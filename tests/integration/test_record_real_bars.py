"""A year of real bars: the backfill verifies, and daily runs between its sessions equal it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from pipeline.adapters.bar_folder.folder_bars import FolderBars
from pipeline.adapters.exchange.calendar import ExchangeCalendar
from pipeline.adapters.parquet.parquet_tables import ParquetTables
from pipeline.forecasting.model import Model
from pipeline.jobs.backfill.run import backfill
from pipeline.jobs.daily_job import DailyJob
from pipeline.jobs.replay import replay
from pipeline.jobs.verify import verify
from pipeline.record.claims import decode_claim
from pipeline.record.keys import CLAIMS, calibration_key, manifest_key, table_key
from pipeline.record.manifest import Mode
from pipeline.record.state import State
from tests.support.fakes import MemoryObjects
from tests.support.records import run

pytestmark = [pytest.mark.real_bars, pytest.mark.slow]

TICKERS = ("SPY", "QQQ", "DIA", "IWM")
FIRST, LAST = date(2024, 1, 2), date(2024, 12, 31)
QUARTERS = [date(2024, month, day) for month, day in ((1, 16), (4, 2), (7, 5), (10, 1))]
TABLES = ParquetTables()
CALENDAR = ExchangeCalendar()
NOW = datetime(2025, 2, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def job(model: Model, real_bars: Path) -> DailyJob:
    source = FolderBars(real_bars)
    return DailyJob(TICKERS, source, CALENDAR, MemoryObjects(), TABLES, model, mode=Mode.AS_OF)


@pytest.fixture(scope="module")
def year(job: DailyJob) -> MemoryObjects:
    store = MemoryObjects()
    assert backfill(replace(job, store=store), FIRST, LAST, NOW, lambda *_: None) == 252
    return store


def test_a_year_of_real_bars_verifies(year: MemoryObjects) -> None:
    found = verify(year, TABLES, CALENDAR)
    assert (found.findings, found.left_behind, found.manifests) == ((), (), 252)


def test_every_ticker_was_forecast_and_scored_in_every_session(year: MemoryObjects) -> None:
    record = msgspec.json.decode(year.objects["track_record.json"])
    assert (record["withheld"], record["revised"]) == ({}, {})
    figures = record["modes"]["backfill"]
    assert {one["scored"] for one in figures["tickers"].values()} == {251}
    cover = figures["pooled"]["coverage"]["95"]["all"]["coverage"]
    assert 0.92 < cover < 0.98


@pytest.mark.parametrize("session", QUARTERS, ids=str)
def test_a_daily_run_in_between_has_equal_numbers(
    job: DailyJob, year: MemoryObjects, session: date
) -> None:
    before = {k: v for k, v in year.objects.items() if day_of(k, v) < session}
    store = MemoryObjects(before)
    run(replace(job, store=store), datetime.combine(session, time(23), UTC))
    for name in ("forecasts", "baselines"):
        key = table_key(name, session, 0)
        assert_equal_rows(rows(store, name, key), rows(year, name, key))
    scores = [key for key in year.objects if key.startswith("scores/") and str(session) in key]
    assert scores
    assert {key: store.objects[key] for key in scores} == {key: year.objects[key] for key in scores}
    key = calibration_key(session, 0)
    ours, theirs = (State.decode(one.objects[key], key) for one in (store, year))
    assert ours == theirs
    assert store.objects[manifest_key(session, 0)] != year.objects[manifest_key(session, 0)]


@pytest.mark.parametrize("session", QUARTERS, ids=str)
def test_a_session_replays_byte_for_byte(year: MemoryObjects, session: date) -> None:
    assert [one.key for one in replay(year, TABLES, CALENDAR, session) if not one.equal] == []


def day_of(key: str, data: bytes) -> date:
    """The session whose run wrote an object; a bundle came with the first."""
    if key.startswith(CLAIMS):
        return decode_claim(data, key).session
    name = key.rpartition("/")[2]
    dated = key.partition("/")[0] not in {
        "bundles",
        "history.json",
        "index.html",
        "latest.json",
        "scenarios.bin",
        "store.json",
        "track_record.json",
    }
    return date.fromisoformat(name[:10]) if dated else FIRST


def rows(store: MemoryObjects, name: str, key: str) -> Mapping[str, np.ndarray]:
    columns = TABLES.decode(name, store.objects[key])[0]
    return {at: columns[at] for at in columns if at not in {"issued_at", "vintage_sha256"}}


def assert_equal_rows(ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]) -> None:
    assert list(ours) == list(theirs)
    for name in ours.keys() - {"mode"}:
        column = ours[name]
        np.testing.assert_array_equal(column, theirs[name], err_msg=name)
