"""A folder of bars that holds anything but bars: one reason a ticker, within bounds, no waiting."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.adapters.bar_folder import bar_files
from pipeline.adapters.bar_folder.folder_bars import FolderBars
from pipeline.errors import Reason

FIRST, LAST = date(1990, 1, 1), date(2030, 1, 1)
NAMES = ("Open", "High", "Low", "Close")


def frame(rows: int, **columns: Any) -> pa.Table:
    days = pa.array(np.arange(rows).astype("datetime64[D]"))
    prices = {name: np.ones(rows) for name in NAMES}
    return pa.table({"Date": days, **prices, **columns})


def reason(folder: Path) -> tuple[Reason, str]:
    failures = FolderBars(folder).read(["SPY"], FIRST, LAST).failures
    return failures["SPY"].reason, str(failures["SPY"])


def write_csv(folder: Path) -> None:
    (folder / "SPY.csv").write_text("Date,Open,High,Low,Close\n" + "2024-12-27,1,1,1,1\n" * 1000)


def write_parquet(folder: Path) -> None:
    pq.write_table(frame(10_000), folder / "SPY.parquet", use_dictionary=True)


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_more_than_any_history_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
) -> None:
    write(tmp_path)
    stored = next(tmp_path.iterdir()).stat().st_size
    limit = stored if write is write_parquet else stored - 1
    monkeypatch.setattr(bar_files, "LARGEST", limit)
    code, message = reason(tmp_path)
    assert code is Reason.UNREADABLE
    assert f"expected at most {limit} bytes" in message


def test_columns_that_no_bar_has_are_not_even_decoded(tmp_path: Path) -> None:
    path = tmp_path / "SPY.parquet"
    pq.write_table(frame(50, Note=np.arange(50)), path)
    chunk = pq.ParquetFile(path).metadata.row_group(0).column(5)
    assert chunk.path_in_schema == "Note"
    data = bytearray(path.read_bytes())
    at = chunk.dictionary_page_offset
    data[at : at + 20] = b"\xff" * 20
    path.write_bytes(data)
    with pytest.raises(OSError, match="thrift"):
        pq.read_table(path)
    assert len(FolderBars(tmp_path).read(["SPY"], date(1970, 1, 1), LAST).bars["SPY"]) == 50


@pytest.mark.parametrize("error", [pa.ArrowNotImplementedError, pa.ArrowKeyError, OSError])
def test_what_pyarrow_cannot_read_is_one_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error("no")

    write_parquet(tmp_path)
    monkeypatch.setattr(pq.ParquetFile, "read", refuse)
    assert reason(tmp_path)[0] is Reason.UNREADABLE


@pytest.mark.parametrize("name", NAMES)
def test_nested_columns_are_one_reason(tmp_path: Path, name: str) -> None:
    nested = pa.array([[1.0]] * 3)
    table = frame(3)
    at = table.schema.get_field_index(name)
    pq.write_table(table.set_column(at, name, nested), tmp_path / "SPY.parquet")
    assert reason(tmp_path)[0] is Reason.UNREADABLE


def test_any_damage_is_one_reason_or_no_matter(tmp_path: Path) -> None:
    pq.write_table(frame(50), tmp_path / "SPY.parquet")
    data = (tmp_path / "SPY.parquet").read_bytes()
    random = np.random.default_rng(2)
    for at in random.integers(0, len(data), 200):
        damaged = bytearray(data)
        damaged[at] = random.integers(256)
        (tmp_path / "SPY.parquet").write_bytes(damaged)
        reading = FolderBars(tmp_path).read(["SPY"], FIRST, LAST)
        assert {*reading.bars, *reading.failures} == {"SPY"}


@pytest.mark.parametrize("kind", ["pipe", "loop", "device", "folder"])
def test_what_is_no_file_is_no_ticker(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "SPY.csv"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    assert reason(tmp_path)[0] is Reason.UNKNOWN_TICKER


def test_packed_files_are_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "SPY.csv.gz").write_bytes(b"\x1f\x8b")
    assert reason(tmp_path)[0] is Reason.UNKNOWN_TICKER
