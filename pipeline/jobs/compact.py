"""Compact: a finished month of a table as one Parquet file beside the originals, for readers.

It is of the objects that manifests name, and says of which by their sha256. The chain does not
know it: it can be taken away, and made again to equal bytes. Of a score that was corrected it has
the row that counts, in the month of its target alone, whichever run corrected it.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import numpy as np

from pipeline.columns import Columns
from pipeline.errors import DamagedObject, RequestError, StoreError
from pipeline.jobs.compacted_table import (
    BY_TARGET,
    COMPACTED,
    encode,
    file_name,
    has_rows,
    may_hold,
)
from pipeline.ports import ObjectStore, Tables
from pipeline.record.grammar import list_keys
from pipeline.record.keys import RUNS, compact_key, session_of
from pipeline.record.manifest import RunManifest, read_manifest
from pipeline.record.objects import read_verified
from pipeline.record.repairs import read_loss

READERS = 16


class Outcome(StrEnum):
    """What came of a table: `missing` and `behind` only where nothing is to be written."""

    WRITTEN = "written"
    EQUAL = "equal"
    MISSING = "missing"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True)
class Compacted:
    """The file of a table: rows of so many originals, and originals that were given up."""

    key: str
    outcome: Outcome
    rows: int
    originals: int
    lost: tuple[str, ...] = ()


def list_finished(store: ObjectStore) -> list[str]:
    """Return the months from the record's first up to the newest, which goes on: 2026-11.

    In one without a run there may be targets, which a later month's run has scored.

    Raises
    ------
    StoreError
        When nothing is on the record.
    """
    months = sorted({str(session_of(key))[:7] for key in list_keys(store, RUNS)})
    if not months:
        raise StoreError(f"expected a record at {store.url('runs')}, found none")
    return [str(month) for month in np.arange(months[0], months[-1], dtype="datetime64[M]")]


def compact(
    store: ObjectStore,
    tables: Tables,
    month: str,
    *,
    check: bool = False,
) -> list[Compacted]:
    """Write what a finished month lacks, or with `check` only say what is missing or behind.

    What is to be written is compared with the originals, row by row, and read back.

    Raises
    ------
    RequestError
        When the month is not on the record, or not finished.
    StoreError
        When an original is missing or changed, or what is written is not what is read back.
    """
    finished = list_finished(store)
    if month not in finished:
        said = f"of {finished[0]} to {finished[-1]}" if finished else "that the record has left"
        raise RequestError(f"expected a month {said}, got {month}; the newest is not finished")
    runs = _read_runs(store, month)
    done: list[Compacted] = []
    for table in COMPACTED:
        done += _compact_table(store, tables, month, table, runs, check=check)
    return done


def _compact_table(
    store: ObjectStore,
    tables: Tables,
    month: str,
    table: str,
    runs: list[RunManifest],
    *,
    check: bool,
) -> Iterator[Compacted]:
    contents, lost = _read_originals(store, tables, table, month, runs)
    if not contents:
        return
    key = compact_key(table, month)
    data, rows = encode(tables, table, month, contents)
    stored = store.read(key)
    n_rows = len(rows["model_version"])
    of = partial(Compacted, key, rows=n_rows, originals=len(contents), lost=lost)
    if stored == data:
        yield of(Outcome.EQUAL)
    elif check:
        yield of(Outcome.MISSING if stored is None else Outcome.BEHIND)
    else:
        _require_same(store.url(key), tables.decode(table, data)[0], rows)
        _write(store, key, data)
        yield of(Outcome.WRITTEN)


def _require_same(url: str, encoded: Columns, rows: Columns) -> None:
    """Raise StoreError where a file says something else than its originals."""
    for name, column in rows.items():
        if not np.array_equal(encoded[name], column, equal_nan=column.dtype.kind == "f"):
            raise StoreError(f"{url}: expected {name} as in the originals, got another")


def _write(store: ObjectStore, key: str, data: bytes) -> None:
    store.replace(key, data)
    if store.read(key) != data:
        raise StoreError(f"{store.url(key)}: expected to read what was written, got another")


def _read_runs(store: ObjectStore, month: str) -> list[RunManifest]:
    """Return the manifests of the month, and of later sessions that may have rows of it."""
    sessions = {
        file_name(key)[:10] for table in COMPACTED for key in _list_originals(store, table, month)
    }
    keys = [
        key
        for key in list_keys(store, RUNS, after=f"{RUNS}{month}")
        if (day := str(session_of(key))).startswith(month) or day in sessions
    ]
    with ThreadPoolExecutor(READERS) as pool:
        return [run for run, _ in pool.map(partial(read_manifest, store), keys)]


def _list_originals(store: ObjectStore, table: str, month: str) -> list[str]:
    if table in BY_TARGET:
        return list_keys(store, f"{table}/", after=f"{table}/month={month}/")
    return list_keys(store, f"{table}/month={month}/")


def _read_originals(
    store: ObjectStore, tables: Tables, table: str, month: str, runs: list[RunManifest]
) -> tuple[dict[str, tuple[str, bytes]], tuple[str, ...]]:
    """Return the originals that have rows of the month, and the keys of those given up in it."""
    named = [(run, key) for run in runs for key in run.objects if may_hold(table, month, key)]
    with ThreadPoolExecutor(READERS) as pool:
        contents = list(pool.map(lambda pair: _read(store, *pair), named))
    read = {
        key: (run.objects[key], data)
        for (run, key), data in zip(named, contents, strict=True)
        if data is not None and has_rows(tables, table, month, data)
    }
    gone = (key for (_, key), data in zip(named, contents, strict=True) if data is None)
    return read, tuple(key for key in gone if key.startswith(f"{table}/month={month}/"))


def _read(store: ObjectStore, run: RunManifest, key: str) -> bytes | None:
    """Return an original as it was named, None where it was given up."""
    try:
        return read_verified(store, run, key)
    except DamagedObject:
        if read_loss(store, run.objects[key]) is None:
            raise
        return None
