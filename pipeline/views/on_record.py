"""On record: which sessions, tickers and modes there are at all, for whoever asked in vain."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

from pipeline.ports import ObjectStore
from pipeline.record.grammar import list_keys
from pipeline.record.keys import RUNS
from pipeline.record.manifest import Mode, read_manifest
from pipeline.views.rows import READERS


@dataclass(frozen=True, slots=True)
class OnRecord:
    """The sessions of each mode, in order, and the tickers that any part names."""

    sessions: Mapping[Mode, tuple[date, ...]]
    tickers: tuple[str, ...]


def survey(store: ObjectStore) -> OnRecord:
    """Return what is on the record, by its manifests; StoreError where one is not readable."""
    keys = list_keys(store, RUNS)
    with ThreadPoolExecutor(READERS) as pool:
        runs = [run for run, _ in pool.map(lambda key: read_manifest(store, key), keys)]
    sessions = {mode: {run.session for run in runs if run.mode is mode} for mode in Mode}
    return OnRecord(
        {mode: tuple(sorted(days)) for mode, days in sessions.items() if days},
        tuple(sorted({ticker for run in runs for ticker in run.tickers})),
    )
