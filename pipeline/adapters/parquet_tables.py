"""Tables as Parquet bytes, by pyarrow: one explicit schema a table, which Athena reads as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.columns import Columns
from pipeline.errors import StoreError

DAY = pa.date32()
INSTANT = pa.timestamp("ms", tz="UTC")  # Athena misreads nanoseconds

# What each type is in numpy. NaN and None are null in the file.
DTYPES = {
    DAY: np.dtype("datetime64[D]"),
    INSTANT: np.dtype("datetime64[ms]"),
    pa.float64(): np.dtype(np.float64),
    pa.int32(): np.dtype(np.int32),
    pa.string(): np.dtype(object),
    pa.bool_(): np.dtype(np.bool_),
}


def _declare_required(name: str, kind: Any) -> Any:
    return pa.field(name, kind, nullable=False)


def _declare_numbers(names: str) -> list[Any]:
    return [pa.field(name, pa.float64()) for name in names.split()]


_FORECASTS = [
    _declare_required("ticker", pa.string()),
    _declare_required("origin_date", DAY),
    _declare_required("target_date", DAY),
    _declare_required("horizon", pa.int32()),
    *_declare_numbers(
        "last_close prediction lower_50 upper_50 lower_80 upper_80 lower_90 upper_90"
    ),
    *_declare_numbers("lower_95 upper_95 lower_98 upper_98 sigma"),
    _declare_required("status", pa.string()),
    _declare_required("model_version", pa.string()),
    _declare_required("vintage_sha256", pa.string()),
    _declare_required("issued_at", INSTANT),
]

SCHEMAS = {
    "bars": pa.schema(
        [
            _declare_required("ticker", pa.string()),
            _declare_required("session", DAY),
            *_declare_numbers("open high low close volume dividend split"),
        ]
    ),
    "forecasts": pa.schema(_FORECASTS),
    "baselines": pa.schema([*_FORECASTS, _declare_required("model", pa.string())]),
    "scores": pa.schema(
        [
            _declare_required("ticker", pa.string()),
            _declare_required("origin_date", DAY),
            _declare_required("target_date", DAY),
            _declare_required("horizon", pa.int32()),
            _declare_required("model", pa.string()),
            *_declare_numbers("realised_close realised_return error pit crps"),
            *_declare_numbers("interval_score_80 interval_score_95"),
            *(
                _declare_required(f"covered_{coverage}", pa.bool_())
                for coverage in (50, 80, 90, 95, 98)
            ),
            _declare_required("model_version", pa.string()),
        ]
    ),
}

# Keys that other writers add to a file's metadata for themselves.
FOREIGN_METADATA = {b"ARROW:schema", b"pandas"}


class ParquetTables:
    """Tables as Parquet bytes; equal columns and metadata give equal bytes."""

    def encode(self, table: str, columns: Columns, metadata: Mapping[str, str]) -> bytes:
        """Return the Parquet file of `columns`, rows in the order given.

        Raises
        ------
        StoreError
            When a column is missing, unexpected, of another length or dtype than the schema's,
            or null where the schema allows none.
        """
        schema = _find_schema(table)
        _check_columns(table, schema, columns)
        sink = pa.BufferOutputStream()
        with _translate_errors(f"{table}: expected columns of the schema"):
            arrays = [_build_array(table, field, columns[field.name]) for field in schema]
            _write(pa.table(arrays, schema), dict(sorted(metadata.items())), sink)
        return bytes(sink.getvalue().to_pybytes())

    def decode(self, table: str, data: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
        """Return the columns, in the schema's order, and the metadata that `encode` was given.

        Raises
        ------
        StoreError
            When `data` is no whole Parquet file, or one of another schema.
        """
        schema = _find_schema(table)
        with (
            _translate_errors(f"{table}: expected a whole Parquet file"),
            pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file,
        ):
            _check_schema(table, schema, file.schema_arrow)
            read = file.read(use_threads=False)
            columns = {name: read.column(name).to_numpy() for name in schema.names}
            metadata = file.metadata.metadata or {}
            own = {k.decode(): metadata[k].decode() for k in metadata.keys() - FOREIGN_METADATA}
        return columns, dict(sorted(own.items()))


@contextmanager
def _translate_errors(expected: str) -> Iterator[None]:
    """Raise what pyarrow refuses as StoreError: the one place that does."""
    try:
        yield
    # Damaged bytes show as OSError, text that is no UTF-8 as UnicodeError.
    except (pa.ArrowException, OSError, UnicodeError) as exc:
        raise StoreError(f"{expected}, got {type(exc).__name__}: {exc}") from exc


def _find_schema(table: str) -> Any:
    if table not in SCHEMAS:
        raise StoreError(f"expected a table of {', '.join(SCHEMAS)}, got {table!r}")
    return SCHEMAS[table]


def _check_columns(table: str, schema: Any, columns: Columns) -> None:
    if missing := [name for name in schema.names if name not in columns]:
        raise StoreError(f"{table}: expected columns {missing}, got {list(columns)}")
    if unexpected := [name for name in columns if name not in schema.names]:
        raise StoreError(f"{table}: expected columns {schema.names}, got {unexpected} besides")
    shape = (columns[schema.names[0]].size,)
    for field in schema:
        received, expected = columns[field.name], DTYPES[field.type]
        if received.shape != shape or received.dtype != expected:
            raise StoreError(
                f"{table}: expected {field.name} as {expected} of shape {shape}, "
                f"got {received.dtype} of shape {received.shape}"
            )


def _check_schema(table: str, schema: Any, received: Any) -> None:
    if received.equals(schema):
        return
    expected, got = (str(s.remove_metadata()).splitlines() for s in (schema, received))
    missing = [line for line in expected if line not in got]
    unexpected = [line for line in got if line not in expected]
    raise StoreError(
        f"{table}: expected {missing or expected} in the file, got {unexpected or got}"
    )


def _build_array(table: str, field: Any, column: NDArray[Any]) -> Any:
    # Only in numbers is NaN a null; NaN among strings is a mistake.
    array = pa.array(column, field.type, from_pandas=pa.types.is_floating(field.type))
    if array.null_count and not field.nullable:
        row = array.is_null().index(True).as_py()
        raise StoreError(f"{table}: expected no null in {field.name}, got one in row {row}")
    return array


def _write(table: Any, metadata: dict[str, str], sink: Any) -> None:
    repeating = [field.name for field in table.schema if field.type != pa.float64()]
    with pq.ParquetWriter(
        sink,
        table.schema,
        version="2.6",
        data_page_version="1.0",
        compression="snappy",  # every reader has it, and prices hardly compress
        use_dictionary=repeating,
        write_statistics=True,
        write_page_checksum=True,
        # The Parquet types say it all; without Arrow's own copy every reader sees the same file.
        store_schema=False,
    ) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(metadata)
