"""Rows: the rows of a table that lie in a span of sessions, read back from the record."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import partial

import numpy as np

from pipeline.bars import Flags
from pipeline.columns import Columns, concatenate, where
from pipeline.ports import ObjectStore, Tables
from pipeline.record.grammar import list_keys
from pipeline.record.keys import RUNS, session_of
from pipeline.record.manifest import Mode, RunManifest, read_manifest
from pipeline.record.objects import read_verified

READERS = 16
SCORES = "scores"
NAMES = ("forecasts", "baselines", SCORES)
FORECAST_KEY = ("ticker", "origin_date", "horizon", "model")  # of a score; of two the newer counts


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows are wanted; by default all that were issued live.

    Attributes
    ----------
    first, last : sessions, both included: of scores the targets, else the origins; None for no end
    tickers, horizons : None for all
    modes : how they were issued
    in_sample : whether scores of targets that the model had learnt are wanted too
    """

    first: date | None = None
    last: date | None = None
    tickers: Collection[str] | None = None
    horizons: Collection[int] | None = None
    modes: Collection[Mode] = (Mode.LIVE,)
    in_sample: bool = False


def read_rows(store: ObjectStore, tables: Tables, name: str, wanted: Selection) -> Columns:
    """Return the rows of the table `name`, oldest first; of none the columns are there, empty.

    Of a score that was corrected since, the newest row.

    Parameters
    ----------
    name : forecasts, baselines or scores

    Raises
    ------
    StoreError
        When an object is missing, or not what its manifest names.
    """
    with ThreadPoolExecutor(READERS) as pool:
        runs = list(pool.map(partial(_read_run, store), _list_manifests(store, name, wanted)))
        named = [(run, key) for run in runs for key in _list_objects(run, name, wanted)]
        contents = list(pool.map(lambda pair: read_verified(store, *pair), named))
    parts = (tables.decode(name, data)[0] for data in contents)
    chosen = [where(part, _select(part, name, wanted)) for part in parts]
    rows = concatenate([tables.empty(name), *chosen])
    return _keep_newest(rows) if name == SCORES else rows


def _read_run(store: ObjectStore, key: str) -> RunManifest:
    return read_manifest(store, key)[0]


def _list_manifests(store: ObjectStore, name: str, wanted: Selection) -> list[str]:
    """Return the keys of the manifests that may name rows; scores may come late."""
    after = f"{RUNS}{wanted.first}" if wanted.first else ""
    keys = list_keys(store, RUNS, after)
    if wanted.last is None or name == SCORES:
        return keys
    return [key for key in keys if session_of(key) <= wanted.last]


def _list_objects(run: RunManifest, name: str, wanted: Selection) -> Iterator[str]:
    """Yield the keys of a part's table whose month may have rows that are wanted."""
    first, last = str(wanted.first or "")[:7], str(wanted.last or "9999-12")[:7]
    for key in run.objects:
        table, _, rest = key.partition("/month=")
        if table == name and first <= rest[:7] <= last:
            yield key


def _select(rows: Columns, name: str, wanted: Selection) -> Flags:
    """Return which rows are wanted, bool (n,)."""
    days = rows["target_date" if name == SCORES else "origin_date"]
    chosen = np.isin(rows["mode"], [mode.value for mode in wanted.modes])
    if wanted.first is not None:
        chosen &= days >= np.datetime64(wanted.first, "D")
    if wanted.last is not None:
        chosen &= days <= np.datetime64(wanted.last, "D")
    if wanted.tickers is not None:
        chosen &= np.isin(rows["ticker"], list(wanted.tickers))
    if wanted.horizons is not None:
        chosen &= np.isin(rows["horizon"], list(wanted.horizons))
    if name == SCORES and not wanted.in_sample:
        chosen &= ~rows["in_sample"]
    return chosen


def _keep_newest(rows: Columns) -> Columns:
    """Return of each forecast the last of its rows, which are in the order that runs wrote them."""
    keys = zip(*(rows[column].tolist() for column in FORECAST_KEY), strict=True)
    newest = {key: row for row, key in enumerate(keys)}
    kept = np.zeros(len(rows["ticker"]), bool)
    kept[list(newest.values())] = True
    return where(rows, kept)
