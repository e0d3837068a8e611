"""`forecaster compact`: finished months in one file a table, in a folder, a shard and on S3."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.commands import Forecaster
from tests.support.record_commands import assert_refused, files
from tests.support.s3_server import BUCKET, s3_server

ROOT = Path(__file__).resolve().parents[3]
SPAN = ("backfill", "--bars", "simulated", "--from", "2025-05-28", "--to", "2025-06-03")
MONTH = ("--month", "2025-05")


def test_a_month_is_written_once_and_checked(forecaster: Forecaster, tmp_path: Path) -> None:
    folder = tmp_path / "universe" / "shard=0007"  # a shard is a store like any other
    at = ("--store", str(folder))
    assert forecaster(*SPAN, *at).code == 0
    before = files(folder)
    answer = forecaster("compact", *MONTH, "--check", *at)
    assert_refused(answer, 1, "4 files are not")
    assert answer.out.count("Missing") == 4
    answer = forecaster("compact", *MONTH, *at)
    assert (answer.code, answer.out.count("Written")) == (0, 4)
    assert "forecasts/month=2025-05/2025-05.parquet: 60 rows of 3 objects" in answer.out
    after = files(folder)
    assert {key: after[key] for key in before} == before
    document = forecaster("compact", "--check", "--json", *at).document
    assert {of["outcome"] for of in document["tables"]} == {"equal"}
    assert forecaster("verify", *at).code == 0
    assert files(folder) == after


def test_readers_find_the_same_rows_as_in_the_originals(
    forecaster: Forecaster, tmp_path: Path
) -> None:
    at = ("--store", str(tmp_path))
    assert forecaster(*SPAN, *at).code == 0
    assert forecaster("compact", *MONTH, *at).code == 0
    for name in ("forecasts", "baselines", "scores", "scenario_scores"):
        originals, compacted = (
            f"read_parquet('{tmp_path}/{folder}/{name}/month=2025-05/*.parquet')"
            for folder in (".", "compact")
        )
        for one, other in ((originals, compacted), (compacted, originals)):
            query = f"SELECT count(*) FROM (FROM {one} EXCEPT ALL FROM {other})"
            assert duckdb.sql(query).fetchall() == [(0,)], name


def test_the_documented_query_reads_each_row_once(
    forecaster: Forecaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    at = ("--store", "demo/store")
    assert forecaster(*SPAN, *at).code == 0
    assert forecaster("compact", *at).code == 0
    text = (ROOT / "docs" / "readers.md").read_text("utf-8").partition("## Whole months")[2]
    names: dict[str, Any] = {}
    exec(re.search(r"```python\n(.*?)```", text, re.S)[1], names)
    rows = names["forecasts"].fetchall()
    assert len(set(rows)) == len(rows) == 5 * 4 * 5  # sessions, tickers, horizons


def test_on_s3_as_in_a_folder(
    forecaster: Forecaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_server() as s3:
        for name, value in s3.environ.items():
            monkeypatch.setenv(name, value)
        at = ("--store", f"s3://{BUCKET}/desk/store/shard=0007")
        assert forecaster(*SPAN, *at).code == 0
        before = s3.objects("desk/store/shard=0007")
        assert forecaster("compact", *MONTH, *at).code == 0
        after = s3.objects("desk/store/shard=0007")
        assert {key: after[key] for key in before} == before
        assert len(after.keys() - before.keys()) == 4
        assert forecaster("compact", "--check", *at).code == 0
        assert forecaster("verify", *at).code == 0


def test_what_cannot_be_compacted_is_said(forecaster: Forecaster, tmp_path: Path) -> None:
    at = ("--store", str(tmp_path))
    assert forecaster(*SPAN, *at).code == 0
    assert_refused(forecaster("compact", "--month", "2025-06", *at), 1, "2025-05", "not finished")
    for text in ("2025-13", "May", "2025-5", "2025-05-28"):
        assert_refused(forecaster("compact", "--month", text, *at), 2, "--month", "2026-11")
    nowhere = ("--store", str(tmp_path / "none"))
    assert_refused(forecaster("compact", *nowhere), 1, "expected a record", "found none")
