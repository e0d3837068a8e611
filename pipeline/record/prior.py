"""Prior record: what the record says before a part, which the part is a function of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import RawBars
from pipeline.columns import Columns, concatenate, where
from pipeline.errors import StoreError
from pipeline.evaluation.score_table import FORECASTER
from pipeline.ports import ObjectStore, Tables
from pipeline.record.chain import Link, read_link, walk_back
from pipeline.record.issued import read_issued
from pipeline.record.keys import manifest_key
from pipeline.record.manifest import RunManifest, read_verified
from pipeline.record.state import Outstanding, State, list_outstanding, read_state
from pipeline.record.vintage import Vintage

# Sessions looked through for the bars of a ticker that the source did not give.
LOOKED_BACK = 5


@dataclass(frozen=True, slots=True, eq=False)
class PriorRecord:
    """What the record says before a part; nothing where the record begins.

    Attributes
    ----------
    link : the part before
    state : the calibrator after it
    unscored : forecasts columns, `model` and `mode` of what is still to be scored; None for nothing
    bars : symbol -> bars of the newest vintage of an earlier session
    """

    link: Link | None = None
    state: State | None = None
    unscored: Columns | None = None
    bars: Mapping[str, RawBars] = field(default_factory=dict)

    @property
    def manifest(self) -> RunManifest | None:
        return self.link.manifest if self.link else None

    @property
    def state_digest(self) -> str | None:
        run = self.manifest
        return run.objects[run.calibration] if run else None


def read_prior_record(
    store: ObjectStore, tables: Tables, link: Link | None, session: date
) -> PriorRecord:
    """Return what the record up to `link` says before a part of `session`.

    Raises
    ------
    StoreError
        When an object that is needed is missing or not what its manifest names.
    """
    if link is None:
        return PriorRecord()
    state = read_state(store, link.manifest)
    unscored = [
        read_unscored_rows(store, tables, outstanding)
        for outstanding in list_outstanding(state, link.manifest)
    ]
    return PriorRecord(
        link=link,
        state=state,
        unscored=concatenate(unscored) if unscored else None,
        bars=_read_prior_bars(store, tables, link, session),
    )


def read_unscored_rows(
    store: ObjectStore, tables: Tables, outstanding: Outstanding
) -> dict[str, NDArray[Any]]:
    """Return the rows of forecasts and baselines that are outstanding, read from the store."""
    run = read_link(store, manifest_key(outstanding.session, outstanding.part)).manifest
    forecasts, baselines = read_issued(store, tables, run)
    if not run.published.issuperset(outstanding.tickers):
        raise StoreError(f"{store.url(run.key)}: expected it to publish what is still to be scored")
    return select_unscored_rows(outstanding, forecasts, baselines)


def select_unscored_rows(
    outstanding: Outstanding, forecasts: Columns, baselines: Columns
) -> dict[str, NDArray[Any]]:
    """Return the rows of a part's tables that are outstanding, with `model` and `mode`."""
    model = np.full(len(forecasts["ticker"]), FORECASTER, object)
    table = concatenate([{**forecasts, "model": model}, baselines])
    unscored = {(ticker, h) for ticker, horizons in outstanding.tickers.items() for h in horizons}
    pairs = zip(table["ticker"].tolist(), table["horizon"].tolist(), strict=True)
    rows = where(table, np.array([pair in unscored for pair in pairs], bool))
    return rows | {"mode": np.full(len(rows["ticker"]), outstanding.mode, object)}


def _read_prior_bars(
    store: ObjectStore, tables: Tables, link: Link, session: date
) -> dict[str, RawBars]:
    """Return the newest bars of each symbol in the vintages of sessions before `session`.

    Those of the session before, and of earlier ones for tickers that it could not read.
    """
    runs = (linked.manifest for linked in walk_back(store, link))
    bars: dict[str, RawBars] = {}
    sessions, tickers = set[date](), set[str]()
    for run in (run for run in runs if run.session < session):
        complete = bool(sessions) and tickers <= bars.keys()
        if run.session not in sessions and (complete or len(sessions) == LOOKED_BACK):
            break
        sessions.add(run.session)
        tickers |= run.tickers.keys()
        vintage = Vintage.decode(tables, read_verified(store, run, run.table("bars")))
        bars = {**vintage.bars, **bars}
    return bars
