"""Parquet: one ticker's bars, by the types that pandas and others give their columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.adapters.bar_folder.columns import (
    DATE,
    NUMBERS,
    NameRow,
    Sheet,
    check_days,
    parse_days,
    parse_numbers,
)
from pipeline.adapters.bar_folder.dialects import find_dialect
from pipeline.adapters.bar_folder.finish import finish
from pipeline.bars import PRICES, Floats, RawBars, Sessions

# What pyarrow raises at a file that is damaged, or that nobody meant for it.
PYARROW_ERRORS = (pa.ArrowException, OSError, ValueError, LookupError, TypeError, ArithmeticError)


def read_parquet(data: bytes, most_bytes: int) -> Sheet:
    """Return a Parquet file's bars, of no more than `most_bytes` when they are read.

    Raises
    ------
    ValueError
        With the column, what was expected and received.
    """
    try:
        with pq.ParquetFile(pa.BufferReader(data)) as file:
            _check_extent(file.metadata, most_bytes)
            names = file.schema_arrow.names
            dialect = find_dialect(names)
            ours = {ours: names[at] for ours, at in dialect.match(names).items()}
            table = file.read([*ours.values()], use_threads=False)
        numbers = {
            name: _convert_numbers(name, table.column(ours[name]))
            for name in NUMBERS
            if name in ours
        }
        days = _convert_days(table.column(ours[DATE]))
        return finish(Sheet(days, numbers, dialect.name), dialect)
    except PYARROW_ERRORS as exc:
        if type(exc) is ValueError:
            raise
        raise ValueError(f"expected a Parquet file, got {type(exc).__name__}: {exc}") from exc


def encode_parquet(bars: RawBars) -> bytes:
    """Return bars as a Parquet file, which reads back to the same."""
    columns = {name.capitalize(): getattr(bars, name) for name in (*PRICES, "volume")}
    events = {"Dividends": bars.dividend, "Stock Splits": bars.split}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({DATE: pa.array(bars.session), **columns, **events}), sink)
    return bytes(sink.getvalue())


def _check_extent(metadata: Any, most_bytes: int) -> None:
    groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
    rows = max(metadata.num_rows, sum(group.num_rows for group in groups))
    if (size := sum(group.total_byte_size for group in groups) + 8 * rows) > most_bytes:
        raise ValueError(f"expected at most {most_bytes} bytes, got {size}")


def _convert_days(column: Any) -> Sessions:
    kind = column.type
    if _is_text(kind):
        return parse_days(*_to_cells(column))
    if not (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
        raise ValueError(f"column {DATE}: expected dates or text like 2024-12-27, got {kind}")
    stamps = column.to_numpy()
    if getattr(kind, "tz", None):  # the exchange's own: the date there is the session
        local = pd.DatetimeIndex(stamps).tz_localize("UTC").tz_convert(kind.tz)
        stamps = local.tz_localize(None).to_numpy()
    return check_days(stamps.astype("datetime64[D]"))


def _convert_numbers(name: str, column: Any) -> Floats:
    kind = column.type
    if _is_text(kind):
        return parse_numbers(name, *_to_cells(column))
    number = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)
    if not any(is_kind(kind) for is_kind in number):
        raise ValueError(f"column {name}: expected numbers, got {kind}")
    # Null becomes NaN; of a volume beyond 2**53 the last digit does not matter.
    values: Floats = column.cast(pa.float64(), safe=False).to_numpy()
    return np.array(values, np.float64)


def _is_text(kind: Any) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(is_kind(kind) for is_kind in kinds)


def _to_cells(column: Any) -> tuple[list[str | None], NameRow]:
    return column.to_pylist(), "row {}".format
