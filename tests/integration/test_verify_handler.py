"""The verify function in this process: a record in, counts, an answer or a failure out."""

from __future__ import annotations

import importlib
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from handlers.local.invoke import LocalContext
from pipeline.adapters.exchange.calendar import ExchangeCalendar
from pipeline.adapters.folder_store import FolderObjects
from pipeline.adapters.simulated.market import SimulatedMarket
from pipeline.encoding import sha256, to_json
from pipeline.errors import ConfigError, IncompleteRun, RecordDamaged, RequestError, StoreError
from pipeline.jobs.backfill.run import backfill
from pipeline.record.sharding import ShardStore
from pipeline.record.universe_session import ShardSession, UniverseSession
from pipeline.record.universe_terms import (
    ShardTerms,
    UniverseTerms,
    fix_shard_terms,
    fix_universe_terms,
)
from pipeline.wiring import DEFAULT_BUNDLE, daily_job, open_store
from tests.support.expected import SCHEDULE_INPUT

ROOT = Path(__file__).resolve().parents[2]
FIRST, LAST = date(2025, 6, 2), date(2025, 6, 16)
SESSIONS = 11
Start = Callable[..., Any]


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A backfill's objects."""
    folder = tmp_path_factory.mktemp("record")
    calendar = ExchangeCalendar()
    source, bundle = SimulatedMarket(calendar), DEFAULT_BUNDLE
    job = daily_job(("SPY", "QQQ"), source, calendar, store=open_store(str(folder)), bundle=bundle)
    backfill(job, FIRST, LAST, datetime(2025, 6, 20, 12, tzinfo=UTC), lambda done, total: None)
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def store(record: dict[str, bytes], tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    for key, data in record.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(data)
    return folder


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Gives what imports the function anew, in an environment of these variables alone."""

    def forget() -> None:
        for name in ("handlers.verify", "handlers.telemetry.verify"):
            sys.modules.pop(name, None)
        logging.Logger.manager.loggerDict.pop("verify", None)

    def import_anew(**environ: str) -> Any:
        for name in list(os.environ):
            if name.startswith(("AWS_", "FORECASTER_", "POWERTOOLS_", "LAMBDA_")):
                monkeypatch.delenv(name)
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        forget()
        return importlib.import_module("handlers.verify")

    yield import_anew
    forget()


def counted(out: str) -> dict[str, float]:
    """The metrics that were printed, cold start left out, all of the service `verify`."""
    metrics: dict[str, float] = {}
    for blob in map(json.loads, out.splitlines()):
        (directive,) = blob["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "financial-forecaster"
        names = {named["Name"]: blob[named["Name"]] for named in directive["Metrics"]}
        if "ColdStart" not in names:
            assert sorted(*directive["Dimensions"]) == ["function", "service"]
            assert (blob["service"], blob["function"]) == ("verify", "desk")
            metrics |= {name: value for name, (value,) in names.items()}
    return metrics


def test_an_intact_record_is_counted_and_its_newest_digest_told(
    store: Path, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = start(FORECASTER_STORE=str(store)).handler(SCHEDULE_INPUT, LocalContext())
    newest = max((store / "runs").iterdir())
    assert answer["manifests"] == SESSIONS
    assert answer["newest"] == sha256(newest.read_bytes())
    assert (answer["findings"], answer["store"]) == ([], str(store))
    printed = capsys.readouterr()
    expected = {"record_intact": 1, "record_findings": 0, "manifests_verified": SESSIONS}
    assert counted(printed.out) == expected
    (line,) = [json.loads(line) for line in printed.err.splitlines()]
    assert (line["level"], line["verified"]) == ("INFO", answer)
    assert line["correlation_id"] == SCHEDULE_INPUT["execution_id"]


def test_it_writes_nothing(store: Path, start: Start, record: dict[str, bytes]) -> None:
    start(FORECASTER_STORE=str(store)).handler({}, LocalContext())
    files = {path for path in store.rglob("*") if path.is_file()}
    assert {path.relative_to(store).as_posix(): path.read_bytes() for path in files} == record


def test_what_is_wrong_fails_the_call_names_ten_and_logs_all(
    store: Path, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    vintages = sorted(store.glob("bars/*/*.parquet"))
    for path in vintages:
        path.write_bytes(b"other bars")
    verify = start(FORECASTER_STORE=str(store))
    with pytest.raises(RecordDamaged) as raised:
        verify.handler({}, LocalContext())
    told = str(raised.value)
    printed = capsys.readouterr()
    expected = {"record_intact": 0, "manifests_verified": SESSIONS}
    assert expected.items() <= counted(printed.out).items()
    findings = int(counted(printed.out)["record_findings"])
    assert findings > SESSIONS - 1
    assert f"expected an intact record, found {findings} objects" in told
    assert told.count("changed bars/") == 10
    assert told.endswith(f"and {findings - 10} more")
    logged = [json.loads(line) for line in printed.err.splitlines()]
    assert [line["level"] for line in logged] == ["INFO", "ERROR"]
    assert len(logged[0]["verified"]["findings"]) == findings


def test_one_flipped_byte_is_enough(store: Path, start: Start) -> None:
    path = min(store.glob("forecasts/*/*.parquet"))
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    key = path.relative_to(store).as_posix()
    with pytest.raises(RecordDamaged, match=f"found 1 objects .*: changed {key}$"):
        start(FORECASTER_STORE=str(store)).handler({}, LocalContext())


def test_a_record_that_is_gone_is_no_intact_one(
    tmp_path: Path, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    verify = start(FORECASTER_STORE=str(tmp_path))
    with pytest.raises(RecordDamaged, match="expected a record in .*, found none"):
        verify.handler({}, LocalContext())
    assert counted(capsys.readouterr().out)["record_intact"] == 0


def test_of_a_universe_the_shard_is_verified_that_the_event_names(
    store: Path, tmp_path: Path, start: Start
) -> None:
    root = tmp_path / "universe"
    shutil.copytree(store, root / "shard=0003")
    verify = start(FORECASTER_STORE=str(root))
    answer = verify.handler({"shard": 3, "time": "2025-06-20T12:00:00Z"}, LocalContext())
    assert (answer["manifests"], answer["store"]) == (SESSIONS, str(root / "shard=0003"))
    with pytest.raises(RecordDamaged, match="expected a record in .*shard=0004, found none"):
        verify.handler({"shard": 4}, LocalContext())
    with (
        pytest.warns(match="No application metrics"),
        pytest.raises(RequestError, match="expected `shard`, a number"),
    ):
        verify.handler({"shard": "3"}, LocalContext())


def test_a_store_that_cannot_be_read_is_no_finding(
    start: Start, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verify = start(FORECASTER_STORE="s3://forecasts/store", AWS_EC2_METADATA_DISABLED="true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    with pytest.warns(match="No application metrics"), pytest.raises(StoreError) as raised:
        verify.handler({}, LocalContext())
    assert not isinstance(raised.value, RecordDamaged)
    assert counted(capsys.readouterr().out) == {}


def test_settings_are_told_when_it_starts(start: Start) -> None:
    with pytest.raises(ConfigError, match="FORECASTER_STORE: expected .*, got nothing"):
        start()


def test_every_handler_starts_with_the_files_that_the_image_has(tmp_path: Path) -> None:
    copied = copy_as_docker_would(tmp_path / "image")
    assert "pipeline/jobs/verify.py" in copied
    assert not [path for path in copied if path.startswith(("pipeline/cli", "pipeline/training"))]
    handlers = ("daily", "on_demand", "verify")
    program = "".join(f"import handlers.{name}\n" for name in handlers)
    done = subprocess.run(
        [sys.executable, "-c", program + "print(handlers.verify.__file__)"],
        cwd=tmp_path / "image",
        env={
            "FORECASTER_STORE": "store",
            "FORECASTER_BARS": "simulated",
            "FORECASTER_AUTH": "none",
        },
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "image" / "handlers" / "verify.py")


def copy_as_docker_would(image: Path) -> set[str]:
    """Copy what .dockerignore leaves of the code and the bundle; return the paths."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    copied = set()
    for top in ("handlers", "pipeline", "models"):
        for path in (ROOT / top).rglob("*"):
            key = path.relative_to(ROOT).as_posix()
            if path.is_file() and is_sent(key, rules):
                (image / key).parent.mkdir(parents=True, exist_ok=True)
                (image / key).write_bytes(path.read_bytes())
                copied.add(key)
    return copied


def is_sent(key: str, rules: list[str]) -> bool:
    """Whether docker sends a file: the last rule that matches it or a folder above it decides."""
    above = [key, *map(str, Path(key).parents)]
    sent = True
    for rule in rules:
        pattern = rule.removeprefix("!").removeprefix("**/")
        deep = rule.startswith("**/")
        names = [path.rpartition("/")[2] if deep else path for path in above]
        if any(name != "." and matches(name, pattern) for name in names):
            sent = rule.startswith("!")
    return sent


def matches(path: str, pattern: str) -> bool:
    return path.count("/") == pattern.count("/") and fnmatch(path, pattern)


class ShortOfTime(LocalContext):
    """Lambda ends in a minute, which no shard is begun in."""

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@pytest.fixture
def universe(store: Path) -> Path:
    """A universe of one shard, which is the record."""
    root = store.parent / "universe"
    root.mkdir()
    store.rename(root / "shard=0000")
    terms = UniverseTerms(1, "simulated market (not real prices)", "XNYS")
    fix_universe_terms(FolderObjects(root), terms)
    fix_shard_terms(ShardStore(FolderObjects(root), 0), ShardTerms(0, 1, 2, "a" * 64))
    return root


def test_of_a_universe_every_shard_is_verified(
    universe: Path, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    function = start(FORECASTER_STORE=str(universe))
    answer = function.handler(SCHEDULE_INPUT, LocalContext())
    assert (answer["manifests"], answer["findings"]) == (SESSIONS, [])
    assert counted(capsys.readouterr().out)["record_intact"] == 1
    newest = max((universe / "shard=0000" / "runs").iterdir())
    newest.write_bytes(b"{}")
    with pytest.raises(RecordDamaged, match=f"changed shard=0000/runs/{newest.name}"):
        function.handler(SCHEDULE_INPUT, LocalContext())


def test_a_shard_alone_must_have_what_was_gathered_of_it(universe: Path, start: Start) -> None:
    function = start(FORECASTER_STORE=str(universe))
    event = {"shard": 0, "time": "2025-06-20T12:00:00Z"}
    assert function.handler(event, LocalContext())["manifests"] == SESSIONS
    shard = ShardSession({"runs/2025-06-17.00.json": "a" * 64}, 2, {})
    session = UniverseSession(date(2025, 6, 17), 2, {}, {"0": shard}, (), {})
    FolderObjects(universe).create(session.key, to_json(session))
    with pytest.raises(RecordDamaged, match="missing runs/2025-06-17.00.json"):
        function.handler(event, LocalContext())


def test_shards_that_no_time_was_left_for_are_no_success(
    universe: Path, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    function = start(FORECASTER_STORE=str(universe))
    with pytest.raises(
        IncompleteRun, match="1 were left, from shard=0000 on; at a desk: forecaster"
    ):
        function.handler(SCHEDULE_INPUT, ShortOfTime())
    assert counted(capsys.readouterr().out)["record_intact"] == 0
