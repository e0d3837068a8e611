"""The daily function in this process: events in, objects, logs and metrics out."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from handlers.local.invoke import LocalContext
from pipeline.adapters.exchange.calendar import ExchangeCalendar
from pipeline.adapters.folder_store import FolderObjects
from pipeline.adapters.simulated.market import SimulatedMarket
from pipeline.encoding import sha256
from pipeline.errors import IncompleteRun, RequestError, StoreError
from pipeline.jobs.backfill.run import backfill
from pipeline.jobs.fetch import fetch
from tests.support.clock import StoppedDatetime
from tests.support.commands import ColdStart
from tests.support.desk import run_at_a_desk
from tests.support.expected import (
    EVENT_FILE,
    FORECASTS,
    KEYS,
    MANIFEST,
    METRICS,
    SCHEDULE,
    SCHEDULE_INPUT,
    VIEWS,
)
from tests.support.s3_server import BUCKET, S3, s3_server

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2024, 12, 27, 12, tzinfo=UTC)
EVENING = StoppedDatetime(datetime(2025, 6, 5, 23, tzinfo=UTC))
TWO_MINUTES_LATER = StoppedDatetime(datetime(2024, 12, 27, 23, 32, tzinfo=UTC))


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as server:
        yield server


@dataclass(frozen=True)
class Store:
    """A store to run against: where it is, how to reach it, what is in it."""

    url: str
    objects: Callable[[], dict[str, bytes]]
    environ: Mapping[str, str] = field(default_factory=dict)


def folder_store(root: Path) -> Store:
    def objects() -> dict[str, bytes]:
        files = [path for path in root.rglob("*") if path.is_file()]
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(files)}

    return Store(str(root), objects, {"FORECASTER_STORE": str(root)})


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return folder_store(tmp_path / "store")
    server: S3 = request.getfixturevalue("s3")
    url = f"s3://{BUCKET}/{tmp_path.name}"
    environ = {**server.environ, "FORECASTER_STORE": url}
    return Store(url, lambda: server.objects(tmp_path.name), environ)


@pytest.fixture
def folder_of_bars(tmp_path: Path) -> Path:
    """Folder of the simulated market's bars up to 2024-12-27, without IWM's."""
    folder = tmp_path / "bars"
    write_simulated(folder, "SPY", "QQQ", "DIA", "^VIX")
    return folder


def write_simulated(folder: Path, *tickers: str) -> None:
    market = SimulatedMarket(ExchangeCalendar())
    fetch(market, tickers, date(2023, 1, 3), date(2024, 12, 27), FolderObjects(folder))


def emitted(out: str) -> dict[str, list[float]]:
    """Return the metrics in what was printed, cold start left out: name -> values."""
    blobs = [json.loads(line) for line in out.splitlines()]
    metrics: dict[str, list[float]] = {}
    for blob in blobs:
        for directive in blob["_aws"]["CloudWatchMetrics"]:
            assert directive["Namespace"] == "financial-forecaster"
            metrics |= {named["Name"]: blob[named["Name"]] for named in directive["Metrics"]}
    metrics.pop("ColdStart", None)
    return metrics


def logged(err: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in err.splitlines()]


class TestEvents:
    def test_a_schedule_s_event_becomes_forecasts(
        self, store: Store, cold_start: ColdStart, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        daily = cold_start(store.environ)
        monkeypatch.setattr(daily, "datetime", TWO_MINUTES_LATER)
        answer = daily.handler(SCHEDULE, LocalContext())
        objects = store.objects()
        assert answer == {
            "outcome": "published",
            "session": "2024-12-27",
            "published": ["DIA", "IWM", "QQQ", "SPY"],
            "withheld": {},
            "surprises": [],
            "manifests": {MANIFEST: sha256(objects[MANIFEST])},
            "store": store.url,
        }
        assert sorted(objects) == KEYS
        table = pq.read_table(io.BytesIO(objects[FORECASTS]), partitioning=None).to_pydict()
        assert len(table["ticker"]) == 4 * 5
        assert set(table["status"]) == {"ok"}
        assert set(table["issued_at"]) == {TWO_MINUTES_LATER.now(UTC)}
        assert json.loads(objects[MANIFEST])["mode"] == "live"

    def test_the_same_event_again_changes_no_byte(
        self, store: Store, cold_start: ColdStart
    ) -> None:
        daily = cold_start(store.environ)
        daily.handler(SCHEDULE, LocalContext())
        before = store.objects()
        answer = daily.handler(SCHEDULE, LocalContext())
        assert (answer["outcome"], answer["published"]) == ("nothing_to_do", [])
        assert store.objects() == before

    def test_an_input_of_the_schedule_s_own_is_the_same_event(
        self, tmp_path: Path, cold_start: ColdStart, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stores = [folder_store(tmp_path / name) for name in ("one", "two")]
        for event, one in zip((SCHEDULE, SCHEDULE_INPUT), stores, strict=True):
            daily = cold_start(one.environ)
            monkeypatch.setattr(daily, "datetime", TWO_MINUTES_LATER)
            daily.handler(event, LocalContext())
        assert stores[0].objects() == stores[1].objects()

    @pytest.mark.parametrize(
        ("time", "session"),
        [
            ("2024-12-28T23:30:00Z", "2024-12-27"),  # a Saturday
            ("2024-12-25T18:30:00-05:00", "2024-12-24"),  # a holiday
            ("2025-01-09T23:30:00Z", "2025-01-08"),  # a closure announced days ahead
            ("2024-12-24T18:29:59Z", "2024-12-23"),  # a second before an early close counts
            ("2024-12-24T18:30:00+00:00", "2024-12-24"),
        ],
    )
    def test_the_origin_is_the_session_last_closed(
        self, time: str, session: str, cold_start: ColdStart
    ) -> None:
        answer = cold_start().handler({"time": time}, LocalContext())
        assert (answer["session"], answer["withheld"]) == (session, {})

    def test_a_holiday_is_a_quiet_result(self, cold_start: ColdStart) -> None:
        daily = cold_start()
        daily.handler(SCHEDULE, LocalContext())
        answer = daily.handler({**SCHEDULE, "time": "2024-12-29T23:30:00Z"}, LocalContext())
        assert (answer["outcome"], answer["session"]) == ("nothing_to_do", "2024-12-27")

    @pytest.mark.parametrize(
        "event",
        [
            None,
            [],
            "2024-12-27T23:30:00Z",
            {"when": "2024-12-27T23:30:00Z"},
            {"time": None},
            {"time": 1735342200},
            {"time": "yesterday"},
            {"time": "2024-12-27"},
            {"time": "2024-12-27T23:30:00"},
            {"scheduled_time": "<aws.scheduler.scheduled-time>"},
            {"time": "0001-01-01T00:00:00+14:00"},
            {"time": "1990-06-01T23:30:00Z"},
            {"time": "9999-12-31T23:59:59-12:00"},
        ],
        ids=str,
    )
    def test_a_malformed_event_is_refused(self, event: Any, cold_start: ColdStart) -> None:
        with pytest.raises(RequestError, match=r"^event: expected .*, got "):
            cold_start().handler(event, LocalContext())

    def test_a_time_to_come_is_refused(
        self, tmp_path: Path, cold_start: ColdStart, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        daily = cold_start()
        monkeypatch.setattr(daily, "datetime", EVENING)
        with pytest.raises(RequestError, match="expected a time that has come, got 2025-06-06"):
            daily.handler({"time": "2025-06-06T20:30:00Z"}, LocalContext())
        assert not (tmp_path / "store").exists()

    @pytest.mark.parametrize(
        ("event", "session", "mode"),
        [
            ({}, "2025-06-05", "live"),
            ({"time": "2025-06-05T22:30:00Z"}, "2025-06-05", "live"),
            ({"time": "2025-06-04T22:30:00Z"}, "2025-06-04", "as_of"),
        ],
        ids=["now", "as scheduled", "after the next session's close"],
    )
    def test_only_what_is_made_in_time_is_live(
        self,
        event: Any,
        session: str,
        mode: str,
        tmp_path: Path,
        cold_start: ColdStart,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        daily = cold_start()
        monkeypatch.setattr(daily, "datetime", EVENING)
        assert daily.handler(event, LocalContext())["session"] == session
        manifest = (tmp_path / "store" / "runs" / f"{session}.00.json").read_bytes()
        assert json.loads(manifest)["mode"] == mode


class TestAWithheldTicker:
    def test_it_fails_the_call_once_the_others_are_published(
        self, store: Store, folder_of_bars: Path, cold_start: ColdStart, capsys: Any
    ) -> None:
        daily = cold_start(store.environ, FORECASTER_BARS=str(folder_of_bars))
        with pytest.raises(IncompleteRun, match=r"2024-12-27: .*IWM \(unknown_ticker\)"):
            daily.handler(SCHEDULE, LocalContext())
        assert sorted(store.objects()) == KEYS
        metrics = emitted(capsys.readouterr().out)
        assert set(metrics) == METRICS
        assert metrics["forecasts_published"] == [3]
        assert metrics["tickers_withheld"] == [1]
        assert metrics["data_lag_sessions"] == [0]

    def test_a_later_call_adds_what_was_missing(
        self, store: Store, folder_of_bars: Path, cold_start: ColdStart
    ) -> None:
        daily = cold_start(store.environ, FORECASTER_BARS=str(folder_of_bars))
        with pytest.raises(IncompleteRun):
            daily.handler(SCHEDULE, LocalContext())
        before = store.objects()
        write_simulated(folder_of_bars, "IWM")
        answer = daily.handler(SCHEDULE, LocalContext())
        assert (answer["published"], answer["withheld"]) == (["IWM"], {})
        assert list(answer["manifests"]) == [MANIFEST, MANIFEST.replace(".00.", ".01.")]
        after = store.objects()
        assert {key: after[key] for key in KEYS if key not in VIEWS} == {
            key: before[key] for key in KEYS if key not in VIEWS
        }

    def test_the_log_has_the_summary_and_one_error(
        self, folder_of_bars: Path, cold_start: ColdStart, capsys: Any
    ) -> None:
        daily = cold_start(FORECASTER_BARS=str(folder_of_bars))
        with pytest.raises(IncompleteRun):
            daily.handler(SCHEDULE, LocalContext())
        ended, failed = logged(capsys.readouterr().err)
        assert ended["summary"]["withheld"] == {"IWM": "unknown_ticker"}
        assert (failed["level"], failed["exception_name"]) == ("ERROR", "IncompleteRun")
        assert "Traceback" in failed["exception"]


class TestTelemetry:
    def test_a_run_that_realised_forecasts_tells_how_they_fare(
        self, cold_start: ColdStart, capsys: Any
    ) -> None:
        daily = cold_start()
        backfill(daily.job, date(2024, 9, 30), date(2024, 12, 26), NOW, lambda done, total: None)
        daily.handler(SCHEDULE, LocalContext())
        metrics = emitted(capsys.readouterr().out)
        assert set(metrics) == METRICS | {"crps_skill_60"}
        assert -1 < metrics["crps_skill_60"][0] < 1

    def test_a_first_run_emits_every_metric(self, cold_start: ColdStart, capsys: Any) -> None:
        cold_start().handler(SCHEDULE, LocalContext())
        metrics = emitted(capsys.readouterr().out)
        assert set(metrics) == METRICS
        assert metrics["forecasts_published"] == [4]
        assert metrics["tickers_withheld"] == metrics["data_lag_sessions"] == [0]
        assert metrics["run_duration"] > metrics["source_latency"] > [0]

    def test_a_run_that_reads_nothing_claims_no_latency_and_no_lag(
        self, cold_start: ColdStart, capsys: Any
    ) -> None:
        daily = cold_start()
        daily.handler(SCHEDULE, LocalContext())
        capsys.readouterr()
        daily.handler(SCHEDULE, LocalContext())
        metrics = emitted(capsys.readouterr().out)
        assert set(metrics) == METRICS - {"source_latency", "data_lag_sessions"}
        assert metrics["forecasts_published"] == [0]

    def test_a_run_that_breaks_is_logged_once_and_measured(
        self, tmp_path: Path, cold_start: ColdStart, capsys: Any
    ) -> None:
        daily = cold_start()
        (tmp_path / "store").write_bytes(b"a file where the folder was")
        with pytest.raises(StoreError):
            daily.handler(SCHEDULE, LocalContext())
        printed = capsys.readouterr()
        assert "run_duration" in emitted(printed.out)
        assert [line["exception_name"] for line in logged(printed.err)] == ["StoreError"]

    @pytest.mark.parametrize(
        ("event", "correlation_id"),
        [
            (SCHEDULE, SCHEDULE["id"]),
            (SCHEDULE_INPUT, SCHEDULE_INPUT["execution_id"]),
            ({"time": SCHEDULE["time"]}, "the request"),
        ],
        ids=["default event", "own input", "by hand"],
    )
    def test_logs_are_json_under_one_correlation_id(
        self, event: Any, correlation_id: str, cold_start: ColdStart, capsys: Any
    ) -> None:
        context = replace(LocalContext(), aws_request_id="the request")
        cold_start().handler(event, context)
        (line,) = logged(capsys.readouterr().err)
        assert (line["service"], line["level"]) == ("daily", "INFO")
        assert line["correlation_id"] == correlation_id
        assert line["function_request_id"] == "the request"

    def test_a_sampled_call_is_traced_down_to_its_requests_to_s3(
        self, s3: S3, tmp_path: Path
    ) -> None:
        trace = "Root=1-676f3a28-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=1"
        with socket.socket(type=socket.SOCK_DGRAM) as daemon:
            daemon.bind(("127.0.0.1", 0))
            daemon.setblocking(False)
            done = run_at_a_desk(
                EVENT_FILE,
                **s3.environ,
                FORECASTER_STORE=f"s3://{BUCKET}/{tmp_path.name}",
                LAMBDA_TASK_ROOT=str(ROOT),
                _X_AMZN_TRACE_ID=trace,
                AWS_XRAY_DAEMON_ADDRESS=f"127.0.0.1:{daemon.getsockname()[1]}",
            )
            assert done.returncode == 0, done.stderr
            # Each datagram is a line about the format and one about the segment.
            segments = [json.loads(one.split(b"\n", 1)[1]) for one in datagrams(daemon)]
        assert {segment["name"] for segment in segments} == {"s3", "## handler"}
        assert {segment["trace_id"] for segment in segments} == {trace[5:40]}


def datagrams(inbox: socket.socket) -> Iterator[bytes]:
    """Give what has come in."""
    with suppress(BlockingIOError):
        while True:
            yield inbox.recv(65536)
