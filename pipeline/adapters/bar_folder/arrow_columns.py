"""Arrow columns: what Arrow's types mean as sessions and numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.adapters.bar_folder.columns import (
    DATE,
    NameRow,
    check_days,
    parse_days,
    parse_numbers,
)
from pipeline.bars import Floats, Sessions


def cast_numbers(table: Any) -> Any:
    """Return a table of many tickers with its numbers as they are read of each."""
    for at, field in enumerate(table.schema):
        if _is_number(field.type):
            column = table.column(at).cast(pa.float64(), safe=False)
            table = table.set_column(at, pa.field(field.name, pa.float64()), column)
    return table


def convert_days(column: Any, name_row: NameRow) -> Sessions:
    """Return a column of dates, times or text as sessions; raises ValueError for others."""
    kind = column.type
    if _is_text(kind):
        return parse_days(column.to_pylist(), name_row)
    if not (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
        raise ValueError(f"column {DATE}: expected dates or text like 2024-12-27, got {kind}")
    stamps = column.to_numpy()
    if getattr(kind, "tz", None):  # the exchange's own: the date there is the session
        local = pd.DatetimeIndex(stamps).tz_localize("UTC").tz_convert(kind.tz)
        stamps = local.tz_localize(None).to_numpy()
    return check_days(stamps.astype("datetime64[D]"))


def convert_numbers(name: str, column: Any, name_row: NameRow) -> Floats:
    """Return a column of numbers or text as numbers; raises ValueError for others."""
    kind = column.type
    if _is_text(kind):
        return parse_numbers(name, column.to_pylist(), name_row)
    if not _is_number(kind):
        raise ValueError(f"column {name}: expected numbers, got {kind}")
    # Null becomes NaN; of a volume beyond 2**53 the last digit does not matter.
    values: Floats = column.cast(pa.float64(), safe=False).to_numpy()
    return np.array(values, np.float64)


def _is_number(kind: Any) -> bool:
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)
    return any(is_kind(kind) for is_kind in kinds)


def _is_text(kind: Any) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(is_kind(kind) for is_kind in kinds)
