"""Tables as Parquet bytes, by pyarrow: one explicit schema a table, which Athena reads as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.adapters.parquet.schemas import DTYPES, REPEATING, SCHEMAS
from pipeline.columns import Columns, check_columns
from pipeline.errors import StoreError

# So that a small file cannot grow without end: a vintage of 5,000 tickers has 1.6 million rows.
MOST_ROWS, MOST_BYTES, MOST_ELEMENTS = 2**22, 2**30, 1000
GROUP_ROWS = 2**20  # of a row group, all of which is in memory while it is written
# Keys that other writers add to a file's metadata for themselves.
FOREIGN_METADATA = {b"ARROW:schema", b"pandas"}


class ParquetTables:
    """Tables as Parquet bytes; equal columns and metadata give equal bytes."""

    def empty(self, table: str) -> dict[str, NDArray[Any]]:
        """Return the columns of a table without rows; raises StoreError for no table's name."""
        return {field.name: np.empty(0, DTYPES[field.type]) for field in _find_schema(table)}

    def encode(self, table: str, columns: Columns, metadata: Mapping[str, str]) -> bytes:
        """Return the Parquet file of `columns`, rows in the order given.

        Raises StoreError where they do not fit the schema, or are null where it allows none.
        """
        schema = _find_schema(table)
        check_columns(table, {field.name: DTYPES[field.type] for field in schema}, columns)
        sink = pa.BufferOutputStream()
        texts = {field.name for field in schema if not pa.types.is_floating(field.type)}
        repeating = texts | REPEATING.get(table, set())
        with _translate_errors(f"{table}: expected columns of the schema"):
            groups = _build_groups(table, schema, columns)
            _write(schema, groups, repeating, dict(sorted(metadata.items())), sink)
        return bytes(sink.getvalue().to_pybytes())

    def decode(self, table: str, data: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
        """Return the columns, in the schema's order, and the metadata that `encode` was given.

        Raises StoreError where `data` is no whole Parquet file, one of another schema or a bomb.
        """
        schema = _find_schema(table)
        texts = [field.name for field in schema if field.type == pa.string()]
        with (
            _translate_errors(f"{table}: expected a whole Parquet file"),
            _open(data, texts) as file,
        ):
            _check_schema(table, schema, file.schema.to_arrow_schema())
            _check_extent(table, file.metadata)
            read = file.read(use_threads=False)
            columns = {name: _to_numpy(read.column(name)) for name in schema.names}
            metadata = file.metadata.metadata or {}
            own = {k.decode(): metadata[k].decode() for k in metadata.keys() - FOREIGN_METADATA}
        return columns, dict(sorted(own.items()))


@contextmanager
def _translate_errors(expected: str) -> Iterator[None]:
    """Raise what pyarrow refuses as StoreError: the one place that does."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeError) as exc:  # damage, or text not in UTF-8
        raise StoreError(f"{expected}, got {type(exc).__name__}: {exc}") from exc


def _find_schema(table: str) -> Any:
    if table not in SCHEMAS:
        raise StoreError(f"expected a table of {', '.join(SCHEMAS)}, got {table!r}")
    return SCHEMAS[table]


def _open(data: bytes, texts: list[str]) -> Any:
    """Return a file, which has read no more than its footer; texts stay dictionaries in it."""
    options = {"page_checksum_verification": True, "thrift_container_size_limit": MOST_ELEMENTS}
    try:
        return pq.ParquetFile(pa.BufferReader(data), read_dictionary=texts, **options)
    except KeyError:  # it lacks one of them, as its schema will show
        return pq.ParquetFile(pa.BufferReader(data), **options)


def _check_schema(table: str, schema: Any, received: Any) -> None:
    if received.equals(schema):
        return
    expected, got = (str(s.remove_metadata()).splitlines() for s in (schema, received))
    missing = [line for line in expected if line not in got]
    unexpected = [line for line in got if line not in expected]
    raise StoreError(
        f"{table}: expected {missing or expected} in the file, got {str(unexpected or got):.500}"
    )


def _check_extent(table: str, metadata: Any) -> None:
    """Raise StoreError for a file that would grow beyond any table of ours when it is read.

    Its compression is ours too: Snappy grows a byte to 22 at most, whatever the metadata says.
    """
    groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
    chunks = [group.column(at) for group in groups for at in range(group.num_columns)]
    rows = max(metadata.num_rows, sum(group.num_rows for group in groups))
    size = sum(chunk.total_uncompressed_size for chunk in chunks)
    codecs = {chunk.compression for chunk in chunks} - {"SNAPPY", "UNCOMPRESSED"}
    if rows > MOST_ROWS or size > MOST_BYTES or codecs:
        raise StoreError(
            f"{table}: expected at most {MOST_ROWS} rows, {MOST_BYTES} bytes and no compression "
            f"but Snappy, got {rows} rows, {size} bytes and {sorted(codecs)}"
        )


def _to_numpy(column: Any) -> NDArray[Any]:
    """Return a column, each text of a dictionary once in memory however often it is named."""
    if not pa.types.is_dictionary(column.type):
        return np.asarray(column.to_numpy())
    parts = [
        np.array(chunk.dictionary.to_pylist(), object)[chunk.indices.to_numpy()]
        for chunk in column.chunks
    ]
    return np.concatenate([np.empty(0, object), *parts])


def _build_groups(table: str, schema: Any, columns: Columns) -> Iterator[Any]:
    """Yield the table by row groups: of one at a time there is a copy in memory."""
    n_rows = len(columns[schema.names[0]])
    for first in range(0, max(n_rows, 1), GROUP_ROWS):
        rows = slice(first, first + GROUP_ROWS)
        arrays = [_build_array(table, field, columns[field.name][rows], first) for field in schema]
        yield pa.table(arrays, schema)


def _build_array(table: str, field: Any, column: NDArray[Any], first: int) -> Any:
    # Only in numbers is NaN a null; NaN among strings is a mistake.
    if pa.types.is_string(field.type):
        array = _build_texts(column)
    else:
        array = pa.array(column, field.type, from_pandas=pa.types.is_floating(field.type))
    if array.null_count and not field.nullable:
        row = first + array.is_null().index(True).as_py()
        raise StoreError(f"{table}: expected no null in {field.name}, got one in row {row}")
    return array


def _build_texts(column: NDArray[Any]) -> Any:
    """Return a column of texts, each run of equal ones converted once: rows come by ticker."""
    starts = np.flatnonzero(np.concatenate([[True], column[1:] != column[:-1]])[: len(column)])
    runs = pa.array(column[starts], pa.string(), from_pandas=False)
    lengths = np.diff(starts, append=len(column))
    return runs.take(pa.array(np.repeat(np.arange(len(starts)), lengths)))


def _write(
    schema: Any, groups: Iterator[Any], repeating: set[str], metadata: dict[str, str], sink: Any
) -> None:
    with pq.ParquetWriter(
        sink,
        schema,
        version="2.6",
        data_page_version="1.0",
        compression="snappy",  # every reader has it, and prices hardly compress
        use_dictionary=sorted(repeating),
        write_statistics=True,
        write_page_checksum=True,
        # The Parquet types say it all; without Arrow's own copy every reader sees the same file.
        store_schema=False,
    ) as writer:
        for group in groups:
            writer.write_table(group, row_group_size=GROUP_ROWS)
        writer.add_key_value_metadata(metadata)
