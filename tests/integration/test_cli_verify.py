"""`forecaster verify`: sessions made again, noted digests from everywhere, progress."""

from __future__ import annotations

import io
import json
import shutil
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import boto3.session
import pytest

from handlers.telemetry.daily import logger
from pipeline.adapters.parquet.parquet_tables import ParquetTables
from pipeline.encoding import sha256
from pipeline.jobs.daily_summary import RUN_ENDED
from pipeline.jobs.remake_check import Sample
from tests.support.aws_account import aws_account
from tests.support.commands import Forecaster, assert_refused, fill_store
from tests.support.fakes import MemoryObjects
from tests.support.rewriting import rewrite, scaled_intervals

BACKFILL = ("backfill", "--bars", "simulated", "--from", "2025-04-01", "--to", "2025-06-06")
SESSIONS = 47
OLD, LAST = "2025-04-07", "2025-06-06"
TABLES = ParquetTables()
GROUP = "/aws/lambda/financial-forecaster-prod-daily"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that a backfill of the simulated market has filled."""
    return fill_store(tmp_path_factory.mktemp("record"), *BACKFILL)


@pytest.fixture
def store(forecaster: Forecaster, filled: Path) -> Path:
    """A copy of that store, to be changed at will."""
    shutil.copytree(filled, "store")
    return Path("store")


def forge(store: Path, session: str) -> str:
    """Widen the intervals of a session, all digests made to fit; return the key."""
    files = {
        p.relative_to(store).as_posix(): p.read_bytes() for p in store.rglob("*") if p.is_file()
    }
    key = f"forecasts/month={session[:7]}/{session}.00.parquet"
    columns, metadata = TABLES.decode("forecasts", files[key])
    wide = TABLES.encode("forecasts", scaled_intervals(1.5)(dict(columns)), metadata)
    shutil.rmtree(store)
    for at, data in rewrite(MemoryObjects(files).objects, {key: wide}).items():
        (store / at).parent.mkdir(parents=True, exist_ok=True)
        (store / at).write_bytes(data)
    return key


def test_the_sessions_made_again_are_drawn_by_a_seed_that_is_printed(
    forecaster: Forecaster, store: Path
) -> None:
    answer = forecaster("verify")
    assert answer.code == 0
    assert f"{SESSIONS} manifests and " in answer.out
    assert "25 sessions made again, drawn by --seed " in answer.out
    first, second = (forecaster("verify", "--json").document for _ in range(2))
    assert (first["made_again"], second["made_again"]) == (25, 25)
    assert first["seed"] != second["seed"]


def test_deep_makes_all_again_and_names_what_was_rewritten_and_what_was_expected(
    forecaster: Forecaster, store: Path
) -> None:
    assert f"{SESSIONS} sessions made again.\n" in forecaster("verify", "--deep").out
    key = forge(store, OLD)
    answer = forecaster("verify", "--deep")
    assert answer.code == 1
    assert "expected an intact record, found " in answer.err
    assert f"changed  {OLD}  {key}: made again from vintage, bundle and the record before" in (
        answer.out
    )
    assert "lower_50 of SPY 1: expected " in answer.out
    document = forecaster("verify", "--deep", "--json").document
    assert (document["made_again"], document["seed"]) == (SESSIONS, None)
    # The oldest first: scores of later sessions are of the forecasts that were there before.
    found = [(f["session"], f["key"]) for f in document["findings"]]
    assert found[:2] == [(OLD, key), (OLD, f"runs/{OLD}.00.json")]
    assert found == sorted(found, key=lambda finding: finding[0])


def test_the_newest_is_always_looked_at_and_a_finding_can_be_repeated(
    forecaster: Forecaster, store: Path
) -> None:
    forge(store, LAST)
    assert [f["session"] for f in forecaster("verify", "--json").document["findings"]] == [LAST] * 2
    forge(store, OLD)
    sessions = [date.fromisoformat(path.name[:10]) for path in sorted((store / "runs").iterdir())]
    drawn = [date.fromisoformat(OLD) in Sample(seed=seed).draw(sessions) for seed in range(20)]
    assert finds(forecaster, drawn.index(True), OLD)
    assert not finds(forecaster, drawn.index(False), OLD)


def finds(forecaster: Forecaster, seed: int, session: str) -> bool:
    document = forecaster("verify", "--seed", str(seed), "--json").document
    assert document["seed"] == seed
    return session in {finding["session"] for finding in document["findings"]}


def manifests(store: Path) -> dict[str, str]:
    files = sorted((store / "runs").iterdir())
    return {f"runs/{p.name}": sha256(p.read_bytes()) for p in files}


def test_digests_noted_in_a_file_or_on_standard_input_are_compared(
    forecaster: Forecaster, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = manifests(store)
    Path("noted").write_text("".join(f"{key} {digest}\n" for key, digest in noted.items()))
    assert forecaster("verify", "--noted", "noted").code == 0
    forge(store, LAST)
    answer = forecaster("verify", "--noted", "noted", "--json")
    assert answer.code == 1
    messages = [f["message"] for f in answer.document["findings"] if f["problem"] == "changed"]
    assert any(f"noted as sha256 {noted[f'runs/{LAST}.00.json']}" in text for text in messages)
    monkeypatch.setattr("sys.stdin", io.StringIO(Path("noted").read_text()))
    assert f"runs/{LAST}.00.json: noted as" in forecaster("verify", "--noted", "-").out
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert_refused(forecaster("verify", "--noted", "-"), 2, "standard input", "found no digest")


def test_what_run_prints_for_machines_can_be_kept_and_compared(
    forecaster: Forecaster, tmp_path: Path
) -> None:
    kept = ""
    for day in ("2025-06-12", "2025-06-13"):
        answer = forecaster("run", "--bars", "simulated", "--as-of", day, "--json")
        assert list(answer.document["manifests"]) == [f"runs/{day}.00.json"]
        kept += answer.out
    Path("kept.json").write_text(kept)
    assert forecaster("verify", "--noted", "kept.json").code == 0
    Path("kept.json").write_text(
        kept.replace(answer.document["manifests"]["runs/2025-06-13.00.json"], "0" * 64)
    )
    assert "runs/2025-06-13.00.json: noted as sha256 000" in (
        forecaster("verify", "--noted", "kept.json").out
    )


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Gives a client of an account with the log group of a daily function."""
    with aws_account(monkeypatch):
        client = boto3.session.Session().client("logs", region_name="eu-west-1")
        client.create_log_group(logGroupName=GROUP)
        yield client


def put_lines(logs: Any, stream: str, lines: list[str]) -> None:
    logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    now = int(time.time() * 1000)
    events = [{"timestamp": now + i, "message": line} for i, line in enumerate(lines)]
    logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)


def log_line(message: str, **fields: Any) -> str:
    """Return a line as the daily function's logger writes it."""
    record = logger._logger.makeRecord("daily", 20, "daily.py", 1, message, (), None, extra=fields)
    return str(logger.registered_formatter.format(record))


def test_digests_in_the_daily_functions_log_are_compared(
    forecaster: Forecaster, store: Path, logs: Any
) -> None:
    at = ("verify", "--noted", "cloudwatch", "--stage", "prod", "--json")
    assert_refused(forecaster(*at), 2, GROUP, "found no digest")
    noted = manifests(store)
    lines = [
        log_line(RUN_ENDED, summary={"manifests": {key: digest}}) for key, digest in noted.items()
    ]
    for stream in ("one", "two"):
        put_lines(logs, stream, ["START RequestId", log_line("another line"), *lines])
    assert json.loads(lines[0])["summary"]["manifests"]
    assert forecaster(*at).code == 0
    put_lines(
        logs,
        "three",
        [log_line(RUN_ENDED, summary={"manifests": {"runs/2025-07-01.00.json": "f" * 64}})],
    )
    (finding,) = forecaster(*at).document["findings"]
    assert (finding["problem"], finding["key"]) == ("missing", "runs/2025-07-01.00.json")
    nowhere = forecaster("verify", "--noted", "cloudwatch", "--stage", "nowhere")
    assert_refused(
        nowhere, 1, "financial-forecaster-nowhere-daily in eu-west-1", "ResourceNotFound"
    )


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--public-key", "abc"), "expected 64 hex digits or a file of them, got 'abc'"),
        (("--public-key", "store"), "got 'store': Is a directory"),
        (("--noted", "store"), "got 'store': Is a directory"),
        (("--noted", "store/bundles"), "Is a directory"),
        (("--noted", "binary"), "which is no text"),
        (("--public-key", "binary"), "which is no text"),
        (("--public-key", "text"), "got 'text', which holds something else"),
        (("--noted", "text"), "got 'some words'"),
    ],
)
def test_wrong_use_is_refused_in_one_line(
    forecaster: Forecaster, store: Path, args: tuple[str, ...], words: str
) -> None:
    Path("binary").write_bytes(b"\xff\xfe\xff")
    Path("text").write_text("some words")
    assert_refused(forecaster("verify", *args), 2, words)
