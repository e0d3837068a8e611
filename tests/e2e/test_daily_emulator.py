"""The daily function as Lambda runs it: Python 3.13, the locked dependencies, the real runtime."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.adapters.exchange.calendar import ExchangeCalendar
from pipeline.adapters.folder_store import FolderObjects
from pipeline.adapters.parquet.parquet_tables import ParquetTables
from pipeline.adapters.simulated.market import SimulatedMarket
from pipeline.encoding import sha256
from pipeline.jobs.fetch import fetch
from tests.e2e.emulator import ROOT, Emulator, emulator
from tests.support.expected import EVENT_FILE, FORECASTS, KEYS, MANIFEST, METRICS, SCHEDULE
from tests.support.s3_server import BUCKET, S3, s3_server

pytestmark = pytest.mark.emulator


@dataclass(frozen=True)
class Store:
    """A store to run against: how to reach it, what is in it."""

    objects: Callable[[], dict[str, bytes]]
    environ: Mapping[str, str] = field(default_factory=dict)


def folder_store(root: Path) -> Store:
    def objects() -> dict[str, bytes]:
        files = [path for path in root.rglob("*") if path.is_file()]
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(files)}

    return Store(objects, {"FORECASTER_STORE": str(root)})


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as server:
        yield server


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return folder_store(tmp_path / "store")
    server: S3 = request.getfixturevalue("s3")
    environ = {**server.environ, "FORECASTER_STORE": f"s3://{BUCKET}/{tmp_path.name}"}
    return Store(lambda: server.objects(tmp_path.name), environ)


def daily(
    tmp_path: Path, environ: Mapping[str, str], bars: str = "simulated"
) -> AbstractContextManager[Emulator]:
    return emulator(tmp_path, {"FORECASTER_BARS": bars, **environ}, "handlers.daily.handler")


def test_a_schedule_s_event_becomes_forecasts_once(store: Store, tmp_path: Path) -> None:
    with daily(tmp_path, store.environ) as function:
        first = function.invoke(SCHEDULE)
        objects = store.objects()
        again = function.invoke(SCHEDULE)
    assert first == {
        "outcome": "published",
        "session": "2024-12-27",
        "published": ["DIA", "IWM", "QQQ", "SPY"],
        "withheld": {},
        "surprises": [],
        "manifests": {MANIFEST: sha256(objects[MANIFEST])},
        "store": store.environ["FORECASTER_STORE"],
    }
    assert sorted(objects) == KEYS
    table = pq.read_table(io.BytesIO(objects[FORECASTS])).to_pydict()
    assert len(table["ticker"]) == 4 * 5
    assert set(table["status"]) == {"ok"}
    assert (again["outcome"], store.objects()) == ("nothing_to_do", objects)


def test_it_issues_the_same_numbers_as_at_a_desk(tmp_path: Path) -> None:
    deployed, desk = folder_store(tmp_path / "deployed"), folder_store(tmp_path / "desk")
    with daily(tmp_path, deployed.environ) as function:
        function.invoke(SCHEDULE)
    subprocess.run(
        [sys.executable, "-m", "handlers.local.invoke", "daily", EVENT_FILE],
        cwd=ROOT,
        env={**desk.environ, "FORECASTER_BARS": "simulated"},
        check=True,
        capture_output=True,
    )
    ours, theirs = (numbers(store.objects()) for store in (deployed, desk))
    assert list(ours) == list(theirs) != []
    for key, columns in ours.items():
        for name, column in columns.items():
            np.testing.assert_array_equal(column, theirs[key][name], err_msg=f"{key} {name}")


def numbers(objects: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """What two runs issue alike, whenever they run: the tables without times and digests."""
    return {
        key: {
            name: column
            for name, column in ParquetTables().decode(key.partition("/")[0], data)[0].items()
            if name not in {"issued_at", "vintage_sha256"}
        }
        for key, data in sorted(objects.items())
        if key.endswith(".parquet")
    }


def test_logs_metrics_and_files_are_where_lambda_wants_them(tmp_path: Path) -> None:
    with daily(tmp_path, folder_store(tmp_path / "store").environ) as function:
        function.invoke(SCHEDULE)
        written = [path.name.partition("-")[0] for path in (tmp_path / "tmp").iterdir()]
    assert written == ["forecaster"]
    assert "discarded" not in function.out.read_text()  # no trace header comes here
    assert "INIT REPORT" in function.err.read_text()
    (ended,) = [line for line in function.printed if "message" in line]
    assert (ended["message"], ended["service"]) == ("the run ended", "daily")
    assert ended["correlation_id"] == SCHEDULE["id"]
    assert ended["cold_start"] is True
    (cold_start, emitted) = [line for line in function.printed if "_aws" in line]
    assert cold_start["ColdStart"] == [1]
    (directive,) = emitted["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "financial-forecaster"
    assert {metric["Name"] for metric in directive["Metrics"]} == METRICS
    assert emitted["forecasts_published"] == [4]


def test_a_withheld_ticker_fails_the_call_once_the_others_are_published(
    store: Store, tmp_path: Path
) -> None:
    bars = FolderObjects(tmp_path / "bars")
    market = SimulatedMarket(ExchangeCalendar())
    fetch(market, ["SPY", "QQQ", "DIA"], date(2023, 1, 3), date(2024, 12, 27), bars)
    with daily(tmp_path, store.environ, str(bars.root)) as function:
        answers = [function.invoke(SCHEDULE) for _ in range(2)]
        objects = store.objects()
    for answer in answers:
        assert answer["errorType"] == "IncompleteRun"
        assert "withheld IWM (unknown_ticker)" in answer["errorMessage"]
    assert sorted(objects) == KEYS
    statuses = pq.read_table(io.BytesIO(objects[FORECASTS])).column("status").to_pylist()
    assert statuses.count("ok") == 3 * 5
    errors = [line for line in function.printed if line.get("level") == "ERROR"]
    assert [line["exception_name"] for line in errors] == ["IncompleteRun"] * 2
    published = [line["forecasts_published"] for line in function.printed if "_aws" in line]
    assert published == [[3], [0]]


def test_a_malformed_event_fails_its_own_call_only(tmp_path: Path) -> None:
    with daily(tmp_path, folder_store(tmp_path / "store").environ) as function:
        refused: Any = function.invoke({"time": "soon"})
        answered = function.invoke({})
    assert refused["errorType"] == "RequestError"
    assert "got {'time': 'soon'}" in refused["errorMessage"]
    assert answered["outcome"] == "published"


def test_settings_that_are_wrong_fail_the_cold_start_with_every_problem(tmp_path: Path) -> None:
    environ = {"FORECASTER_STORE": "gs://bucket", "FORECASTER_TICKERS": "?"}
    with daily(tmp_path, environ, "/none") as function:
        answer = function.invoke(SCHEDULE)
    assert answer["errorType"] == "ConfigError"
    for name in ("FORECASTER_STORE", "FORECASTER_TICKERS", "FORECASTER_BARS"):
        assert f"{name}: expected" in answer["errorMessage"]
