"""A store that an earlier version of the code began is continued, verified and replayed.

tests/golden/three_sessions holds three sessions of two simulated tickers, by the bundle in
tests/golden/bundle, written by the first code of schema 3; tests/golden/three_sessions.json the
digests of all that lay there after that code had run two sessions more.
"""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime, time
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.adapters.exchange.calendar import ExchangeCalendar
from pipeline.adapters.folder_store import FolderObjects
from pipeline.adapters.parquet.parquet_tables import ParquetTables
from pipeline.adapters.simulated.market import SimulatedMarket
from pipeline.forecasting.bundle import load_bundle
from pipeline.forecasting.model import Model
from pipeline.jobs.daily import run
from pipeline.jobs.daily_job import DailyJob
from pipeline.jobs.replay import replay
from pipeline.jobs.verify import verify

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
STORED = [date(2025, 6, 27), date(2025, 6, 30), date(2025, 7, 1)]
NEXT = [date(2025, 7, 2), date(2025, 7, 3)]
CALENDAR = ExchangeCalendar()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN / "three_sessions", tmp_path / "three_sessions"))


def test_it_goes_on_with_equal_bytes(folder: Path) -> None:
    model = Model(load_bundle(GOLDEN / "bundle"))
    source, store = SimulatedMarket(CALENDAR), FolderObjects(folder)
    job = DailyJob(("SPY", "QQQ"), source, CALENDAR, store, ParquetTables(), model)
    for session in NEXT:
        at = datetime.combine(session, time(22, 30), UTC)
        run(job, at, at)
    digests = {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert digests == json.loads((GOLDEN / "three_sessions.json").read_text())
    verified = verify(store, ParquetTables(), CALENDAR)
    assert (verified.manifests, verified.findings) == (len(STORED) + len(NEXT), ())


def test_it_is_whole(folder: Path) -> None:
    verified = verify(FolderObjects(folder), ParquetTables(), CALENDAR)
    assert verified.manifests == len(STORED)
    assert verified.findings == verified.left_behind == ()


def test_its_sessions_are_made_again(folder: Path) -> None:
    store = FolderObjects(folder)
    for session in STORED:
        replayed = replay(store, ParquetTables(), CALENDAR, session)
        assert replayed
        assert all(one.equal for one in replayed)
