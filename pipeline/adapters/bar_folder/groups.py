"""Groups: which rows of a table are whose, by a column that names tickers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def group_rows(column: Any) -> Mapping[str, Rows]:
    """Return by text the rows that have it, in their order; rows without any are in none.

    Parameters
    ----------
    column : pyarrow, of text or dictionary-encoded text (n,)
    """
    coded = _encode(column)
    names = pc.utf8_trim_whitespace(coded.dictionary.cast(pa.string())).to_pylist()
    codes = np.asarray(coded.indices.fill_null(len(names)), np.int64)
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(len(names) + 1))
    rows: dict[str, Rows] = {}
    for at, name in enumerate(names):
        if name:
            own = order[ends[at] : ends[at + 1]]
            rows[name] = np.sort(np.concatenate([rows[name], own])) if name in rows else own
    return rows


def _encode(column: Any) -> Any:
    """Return a column as one dictionary and its indices."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    if isinstance(column, pa.ChunkedArray):
        column = column.unify_dictionaries().combine_chunks()
    return column
