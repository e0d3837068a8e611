"""Issued: a part's forecasts and baselines, read back from the store and checked.

A digest shows that bytes are those named; whoever can write both could name any bytes. So what is
read must be what can have been issued, before anything is computed from it.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import Flags
from pipeline.columns import Columns
from pipeline.errors import StoreError
from pipeline.forecasting.forecast import MAX_LOG_RETURN
from pipeline.forecasting.levels import INTERVALS
from pipeline.ports import ObjectStore, Tables
from pipeline.record.manifest import OK, RunManifest
from pipeline.record.objects import read_verified
from pipeline.record.tables import to_instant

ROUNDED = 1.01  # of a limit, for prices are rounded after it is checked
FARTHEST = 366  # days from an origin to a target; 64 sessions are some 95
_ASCENDING = (
    *(f"lower_{coverage}" for coverage in sorted(INTERVALS, reverse=True)),
    "prediction",
    *(f"upper_{coverage}" for coverage in sorted(INTERVALS)),
)
Table = dict[str, NDArray[Any]]


def read_forecasts(store: ObjectStore, tables: Tables, run: RunManifest) -> Table:
    """Return the forecasts of a part; StoreError if they are not what the manifest says."""
    forecasts = _read(store, tables, run, "forecasts")
    names = forecasts["ticker"].tolist()
    expected = {(ticker, h) for ticker in run.tickers for h in range(1, run.horizons + 1)}
    whole = set(zip(names, forecasts["horizon"].tolist(), strict=True)) == expected
    statuses = set(zip(names, forecasts["status"].tolist(), strict=True))
    if not whole or statuses != set(run.tickers.items()):
        url = store.url(run.table("forecasts"))
        raise StoreError(f"{url}: expected the tickers, horizons and statuses of its manifest")
    return forecasts


def read_issued(
    store: ObjectStore, tables: Tables, run: RunManifest, lost: Container[str] = ()
) -> list[Table]:
    """Return forecasts and baselines of a part, baselines that are lost left out.

    Raises
    ------
    StoreError
        When no part can have issued them.
    """
    issued = [read_forecasts(store, tables, run)]
    if run.table("baselines") not in lost:
        issued.append(_read(store, tables, run, "baselines"))
    targets = {
        pair
        for table in issued
        for pair in zip(table["horizon"].tolist(), table["target_date"].tolist(), strict=True)
    }
    if len(targets) != run.horizons:
        raise StoreError(f"{store.url(run.key)}: expected one target for each horizon")
    return issued


def _read(store: ObjectStore, tables: Tables, run: RunManifest, name: str) -> Table:
    table = tables.decode(name, read_verified(store, run, run.table(name)))[0]
    names = [column for column in ("model", "ticker", "horizon") if column in table]
    rows = list(zip(*(table[column].tolist() for column in names), strict=True))
    if len(set(rows)) != len(rows) or not _are_possible(table, run).all():
        raise StoreError(
            f"{store.url(run.table(name))}: expected every row once, issued when the part was, "
            f"with prices in order and a target after {run.session}"
        )
    return table


def _are_possible(table: Columns, run: RunManifest) -> Flags:
    """Return which rows can have been issued by a part, bool (n,)."""
    ahead = (table["target_date"] - table["origin_date"]).astype(np.int64)
    dated = table["origin_date"] == np.datetime64(run.session, "D")
    dated &= (ahead > 0) & (ahead <= FARTHEST) & (table["issued_at"] == to_instant(run.issued_at))
    quantiles = np.array([table[name] for name in _ASCENDING])
    with np.errstate(all="ignore"):
        ascending = (np.diff(quantiles, axis=0) >= 0).all(axis=0)
        near = np.abs(np.log(quantiles / table["last_close"])) <= ROUNDED * MAX_LOG_RETURN
    numbers = np.isfinite(table["sigma"]) & np.isfinite(table["es_975"])
    priced = ascending & near.all(axis=0) & (table["last_close"] > 0) & numbers
    possible: Flags = dated & (table["mode"] == run.mode) & (priced | (table["status"] != OK))
    return possible
