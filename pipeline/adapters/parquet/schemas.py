"""The schemas of the tables in Arrow's types, and which of their columns repeat."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.columns import TABLES

DAY = pa.date32()
INSTANT = pa.timestamp("ms", tz="UTC")  # Athena misreads nanoseconds
# NaN and None are null in the file, where a column may have them: all that are not required.
DTYPES = {
    DAY: np.dtype("datetime64[D]"),
    INSTANT: np.dtype("datetime64[ms]"),
    pa.float64(): np.dtype(np.float64),
    pa.float32(): np.dtype(np.float32),
    pa.int32(): np.dtype(np.int32),
    pa.string(): np.dtype(object),
    pa.bool_(): np.dtype(np.bool_),
}

_REQUIRED = {
    **dict.fromkeys(
        ["ticker", "model", "status", "mode", "model_version", "vintage_sha256", "portfolio"],
        pa.string(),
    ),
    **dict.fromkeys(["session", "origin_date", "target_date"], DAY),
    **dict.fromkeys((f"covered_{coverage}" for coverage in (50, 80, 90, 95, 98)), pa.bool_()),
    **dict.fromkeys(["horizon", "scenario", "part", "n_tickers"], pa.int32()),
    **dict.fromkeys(["log_return", "price"], pa.float32()),
    "in_sample": pa.bool_(),
    "issued_at": INSTANT,
}


def _declare(names: str) -> Any:
    kinds = {name: _REQUIRED.get(name, pa.float64()) for name in names.split()}
    return pa.schema([pa.field(n, kind, n not in _REQUIRED) for n, kind in kinds.items()])


SCHEMAS = {table: _declare(names) for table, names in TABLES.items()}
# Numbers that repeat, for they are on a coarse grid; all others lie in the file as they are.
REPEATING = {"scenarios": {"log_return"}, "templates": {"pit"}}
