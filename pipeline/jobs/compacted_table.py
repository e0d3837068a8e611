"""Compacted table: the rows of a month's originals as one Parquet file that names them."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from pipeline.columns import Columns, concatenate, where
from pipeline.ports import Tables

# What readers want, and by which columns a row stands in for an older one.
COMPACTED: Mapping[str, tuple[str, ...] | None] = {
    "forecasts": None,
    "baselines": None,
    "scores": ("ticker", "origin_date", "horizon", "model"),
    "scenario_scores": ("origin_date", "part", "horizon", "portfolio", "model"),
}
SOURCES = "sources"  # in the file's metadata, key -> sha256 of the originals


def encode(
    tables: Tables, table: str, contents: Mapping[str, tuple[str, bytes]]
) -> tuple[bytes, int]:
    """Return the file of a table and its number of rows.

    Parameters
    ----------
    contents : key of an original -> its sha256 and bytes
    """
    rows = join_rows(tables, table, contents)
    named = {key: sha256 for key, (sha256, _) in contents.items()}
    data = tables.encode(table, rows, {SOURCES: json.dumps(named)})
    return data, len(rows["model_version"])


def join_rows(tables: Tables, table: str, contents: Mapping[str, tuple[str, bytes]]) -> Columns:
    """Return the rows that count, in the order of the runs that wrote them."""
    ordered = sorted(contents, key=file_name)
    rows = concatenate([tables.decode(table, contents[key][1])[0] for key in ordered])
    names = COMPACTED[table]
    if names is None:
        return rows
    keys = zip(*(rows[name].tolist() for name in names), strict=True)
    newest = {key: row for row, key in enumerate(keys)}
    counts = np.zeros(len(rows["model_version"]), bool)
    counts[list(newest.values())] = True
    return where(rows, counts)


def file_name(key: str) -> str:
    """Return the last part of a key, by which objects sort in the order of their runs."""
    return key.rpartition("/")[2]
