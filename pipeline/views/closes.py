"""Closes: those of the newest vintages, so that a chart has a past before forecasts have one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.bars import RawBars
from pipeline.errors import DamagedObject
from pipeline.ports import ObjectStore, Tables
from pipeline.record.manifest import RunManifest
from pipeline.record.vintage import read_vintage

MOST_TICKERS = 12  # of whose bars a page shows more than forecasts; of 5,000 they are 60 MB


def are_few(runs: Sequence[RunManifest]) -> bool:
    """Whether a session has so few tickers that a view may read the bars of all."""
    return len({ticker for run in runs for ticker in run.tickers}) <= MOST_TICKERS


def read_bars(
    store: ObjectStore, tables: Tables, runs: Sequence[RunManifest]
) -> Mapping[str, RawBars]:
    """Return the bars that a session's few tickers were published from, rows in order.

    Of many tickers nothing is read, and what is damaged is left out: a page can do without.
    """
    if not are_few(runs):
        return {}
    bars: dict[str, RawBars] = {}
    for run in runs:
        try:
            vintage = read_vintage(store, tables, run)
        except DamagedObject:
            continue
        bars |= {ticker: _clean(vintage.bars[ticker]) for ticker in sorted(run.published)}
    return bars


def _clean(bars: RawBars) -> RawBars:
    """Return the rows that have a close."""
    return bars.rows(np.isfinite(bars.close))
