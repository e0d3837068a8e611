"""Small files that would grow without end are refused before they do."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.adapters.parquet import parquet_tables
from pipeline.adapters.parquet.parquet_tables import SCHEMAS, ParquetTables
from pipeline.errors import StoreError

ROOT = Path(__file__).parents[2]
TABLES = ParquetTables()


def bars(rows: int, ticker: str = "SPY") -> pa.Table:
    """A vintage whose rows are all alike, which takes no room in a file."""
    index = pa.array(np.zeros(rows, np.int32))
    columns = {"ticker": pa.DictionaryArray.from_arrays(index, [ticker])}
    columns["session"] = pa.array(np.zeros(rows, "datetime64[D]"))
    for name in SCHEMAS["bars"].names[2:]:
        columns[name] = pa.array(np.ones(rows))
    fields = [
        pa.field(name, column.type, nullable=name not in ("ticker", "session"))
        for name, column in columns.items()
    ]
    return pa.table(list(columns.values()), pa.schema(fields))


def file(table: pa.Table, **options: Any) -> bytes:
    sink = BytesIO()
    pq.write_table(table, sink, **{"store_schema": False, **options})
    return sink.getvalue()


def test_more_rows_than_any_table_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_tables, "MOST_ROWS", 1000)
    data = file(bars(1001), row_group_size=300)
    with pytest.raises(StoreError, match="at most 1000 rows, .* got 1001 rows"):
        TABLES.decode("bars", data)
    assert len(TABLES.decode("bars", file(bars(1000)))[0]["ticker"]) == 1000


def test_more_bytes_than_any_table_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_tables, "MOST_BYTES", 10_000)
    with pytest.raises(StoreError, match="10000 bytes .* got 10000 rows, [0-9]{5,} bytes"):
        TABLES.decode("bars", file(bars(10_000), use_dictionary=["ticker"]))


@pytest.mark.parametrize("codec", ["gzip", "zstd", "brotli", "lz4"])
def test_only_our_own_compression_is_undone(codec: str) -> None:
    with pytest.raises(StoreError, match=f"no compression but Snappy, .*{codec.upper()}"):
        TABLES.decode("bars", file(bars(10), compression=codec))


@pytest.mark.parametrize("codec", ["snappy", "none"])
def test_other_writers_files_of_our_columns_are_read(codec: str) -> None:
    columns, _ = TABLES.decode("bars", file(bars(10), compression=codec, row_group_size=3))
    assert columns["ticker"].tolist() == ["SPY"] * 10
    assert columns["ticker"].dtype == object


def test_nested_types_without_end_are_refused() -> None:
    nested: Any = pa.int32()
    for _ in range(1500):
        nested = pa.struct([("a", nested)])
    with pytest.raises(StoreError, match="expected a whole Parquet file"):
        TABLES.decode("bars", file(pa.table({"x": pa.nulls(1, nested)})))


def test_another_schema_is_refused_in_few_words() -> None:
    table = pa.table({f"{'x' * 100}{n}": [1] for n in range(500)})
    with pytest.raises(StoreError, match="bars: expected") as raised:
        TABLES.decode("bars", file(table))
    assert len(str(raised.value)) < 2000


LONG_TEXT = """
import resource, sys
from pipeline.adapters.parquet.parquet_tables import ParquetTables
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
columns, _ = ParquetTables().decode("bars", sys.stdin.buffer.read())
assert len(columns["ticker"]) == 1_000_000 and columns["ticker"][7] is columns["ticker"][8]
"""


def test_a_text_that_is_in_every_row_is_in_memory_once() -> None:
    """A million rows of a megabyte each are a terabyte; the file has a few kilobytes."""
    data = file(bars(1_000_000, "S" * 2**20), compression="snappy")
    assert len(data) < 2**20
    done = subprocess.run(
        [sys.executable, "-c", LONG_TEXT], input=data, cwd=ROOT, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_damage_anywhere_is_an_error_of_ours_or_no_matter() -> None:
    data = file(bars(40), compression="snappy")
    random, names = np.random.default_rng(3), list(TABLES.decode("bars", data)[0])
    refused = 0
    for at in random.integers(0, len(data), 400):
        damaged = bytearray(data)
        damaged[at] = random.integers(256)
        try:
            assert list(TABLES.decode("bars", bytes(damaged))[0]) == names
        except StoreError:
            refused += 1
    assert 0 < refused < 400
