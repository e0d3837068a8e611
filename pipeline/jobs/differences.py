"""Differences: what an object says otherwise than it should, in a few words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pipeline.bars import Flags
from pipeline.columns import Columns
from pipeline.encoding import from_json
from pipeline.errors import StoreError
from pipeline.ports import Tables

SHOWN = 60  # characters of a value


def describe_difference(tables: Tables, key: str, expected: bytes, got: bytes | None) -> str:
    """Return the first difference of the object under `key` from what was expected there."""
    if got is None:
        return "expected an object, found none"
    try:
        if key.endswith(".parquet"):
            differences = _compare_tables(tables, key.partition("/")[0], expected, got)
        elif key.endswith(".json"):
            pair = (from_json(data, object, key, "JSON") for data in (expected, got))
            differences = _compare_documents("", *pair)
        else:
            return "expected other bytes"
        return next(differences, "equal values in other bytes")
    except StoreError as exc:
        return f"expected a readable object: {exc}"


def _compare_tables(tables: Tables, name: str, expected: bytes, got: bytes) -> Iterator[str]:
    (columns, metadata), (stored, stored_metadata) = (
        tables.decode(name, data) for data in (expected, got)
    )
    yield from _compare_documents("metadata", metadata, stored_metadata)
    n, n_stored = (len(next(iter(table.values()))) for table in (columns, stored))
    if n != n_stored:
        yield f"expected {n} rows, got {n_stored}"
        return
    for column in columns:
        differs = _differing_rows(columns[column], stored[column])
        if differs.any():
            yield _describe_rows(column, differs, columns, stored)


def _differing_rows(expected: np.ndarray, got: np.ndarray) -> Flags:
    differs: Flags = np.asarray(expected != got, bool)
    if expected.dtype.kind == "f":
        differs &= ~(np.isnan(expected) & np.isnan(got))
    return differs


def _describe_rows(column: str, differs: Flags, expected: Columns, got: Columns) -> str:
    row = int(np.argmax(differs))
    names = [name for name in ("ticker", "horizon", "model") if name in expected]
    named = " ".join(str(expected[name][row]) for name in names)
    values = f"expected {_shorten(expected[column][row])}, got {_shorten(got[column][row])}"
    return f"{column} of {named}: {values}; so in {int(differs.sum())} of {len(differs)} rows"


def _compare_documents(path: str, expected: Any, got: Any) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(got, dict):
        for name in sorted({*expected, *got}):
            below = f"{path}.{name}" if path else name
            if name not in got or name not in expected:
                if name in expected:
                    yield f"{below}: expected an entry, got none"
                else:
                    yield f"{below}: expected no entry, got {_shorten(got[name])}"
            else:
                yield from _compare_documents(below, expected[name], got[name])
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for i, pair in enumerate(zip(expected, got, strict=True)):
            yield from _compare_documents(f"{path}[{i}]", *pair)
    elif expected != got:
        yield f"{path}: expected {_shorten(expected)}, got {_shorten(got)}"


def _shorten(value: object) -> str:
    text = str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
