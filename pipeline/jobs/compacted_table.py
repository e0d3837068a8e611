"""Compacted table: the rows of a month's originals as one Parquet file that names them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.columns import Columns, concatenate, where
from pipeline.ports import Tables

# What readers want, and by which columns a row stands in for an older one.
COMPACTED: Mapping[str, tuple[str, ...] | None] = {
    "forecasts": None,
    "baselines": None,
    "scores": ("ticker", "origin_date", "horizon", "model"),
    "scenario_scores": ("origin_date", "part", "horizon", "portfolio", "model"),
}
# What lies in the month of the run that scored, and is compacted into the month of its targets:
# else a row and its correction by a later run would count in two months.
BY_TARGET = ("scenario_scores",)
SOURCES = "sources"  # in the file's metadata, key -> sha256 of the originals


def encode(
    tables: Tables, table: str, month: str, contents: Mapping[str, tuple[str, bytes]]
) -> tuple[bytes, Columns]:
    """Return the file of a month of a table, and its rows.

    Parameters
    ----------
    contents : key of an original -> its sha256 and bytes
    """
    rows = join_rows(tables, table, month, contents)
    named = {key: sha256 for key, (sha256, _) in contents.items()}
    return tables.encode(table, rows, {SOURCES: json.dumps(named)}), rows


def join_rows(
    tables: Tables, table: str, month: str, contents: Mapping[str, tuple[str, bytes]]
) -> Columns:
    """Return the rows of the month that count, in the order of the runs that wrote them."""
    ordered = sorted(contents, key=file_name)
    rows = concatenate([read_rows(tables, table, month, contents[key][1]) for key in ordered])
    names = COMPACTED[table]
    return rows if names is None else where(rows, is_newest(rows, names))


def is_newest(rows: Columns, names: tuple[str, ...]) -> NDArray[np.bool_]:
    """Return which rows no later row stands in for, equal in the columns named; bool (n,)."""
    n = len(rows[names[0]])
    groups = np.zeros(n, np.int64)
    for name in names:
        codes = _number_values(rows[name])
        groups = np.unique(groups * (codes.max(initial=0) + 1) + codes, return_inverse=True)[1]
    newest = np.zeros(n, bool)
    newest[n - 1 - np.unique(groups[::-1], return_index=True)[1]] = True
    return newest


def read_rows(tables: Tables, table: str, month: str, data: bytes) -> Columns:
    """Return the rows of an original that belong to the month."""
    rows = tables.decode(table, data)[0]
    if table not in BY_TARGET:
        return rows
    return where(rows, rows["target_date"].astype("datetime64[M]") == np.datetime64(month, "M"))


def has_rows(tables: Tables, table: str, month: str, data: bytes) -> bool:
    """Whether an original that may have rows of the month has some."""
    return table not in BY_TARGET or len(read_rows(tables, table, month, data)["horizon"]) > 0


def may_hold(table: str, month: str, key: str) -> bool:
    """Whether an object may have rows of the month of a table: targets are scored afterwards."""
    folder, _, name = key.partition("/month=")
    within = name[:7] >= month if table in BY_TARGET else name[:7] == month
    return folder == table and within


def file_name(key: str) -> str:
    """Return the last part of a key, by which objects sort in the order of their runs."""
    return key.rpartition("/")[2]


def _number_values(column: NDArray[Any]) -> NDArray[np.int64]:
    """Return a number for each value, equal ones for equal values, int64 (n,)."""
    if column.dtype != object:
        return np.unique(column, return_inverse=True)[1]
    values = column.tolist()
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
    return np.fromiter(map(numbers.__getitem__, values), np.int64, len(values))
