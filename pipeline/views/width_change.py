"""Width change: why each ticker's interval is wider or narrower than the one published before.

It follows from the record alone: the vintages, states and bundle of the two parts. What of them is
damaged or lost leaves it unsaid, and ends no run: a view can do without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from typing import TypeVar

import numpy as np

from pipeline.bars import VIX, Bars, Floats
from pipeline.errors import DamagedObject, DataError, ModelError, NonFiniteOutput
from pipeline.forecasting.attribution import CAUSES, attribute_width
from pipeline.forecasting.features import compute_features
from pipeline.forecasting.model import Model
from pipeline.forecasting.panel import Panel
from pipeline.forecasting.windows import MIN_SESSIONS, Windows, latest_windows
from pipeline.grid import round_decimals, to_decimals
from pipeline.ports import ObjectStore, Tables
from pipeline.record.chain import Link, walk_back
from pipeline.record.manifest import RunManifest
from pipeline.record.overlay import beneath
from pipeline.record.state import State, read_state
from pipeline.record.stored_model import read_model
from pipeline.record.vintage import Vintage, read_vintage
from pipeline.views.closes import are_few
from pipeline.views.documents import WidthChange

LOOKED_BACK = 5  # sessions, for the forecast before; for a new ticker nobody walks ten years

T = TypeVar("T")


class PartReader:
    """Reads what parts were made from, each once."""

    def __init__(self, store: ObjectStore, tables: Tables) -> None:
        self._store, self._tables = store, tables
        self._vintages: dict[str, Vintage] = {}
        self._states: dict[str, State] = {}
        self._models: dict[str, Model] = {}

    def read_window(self, run: RunManifest, ticker: str) -> Windows:
        """Return the window float32 (1, 60, 12) that a published forecast was made from.

        Raises
        ------
        StoreError
            When the vintage is missing or changed.
        InvalidBars
            When no forecast can have been made from its bars.
        """
        vintage = _once(self._vintages, run, lambda: read_vintage(self._store, self._tables, run))
        bars = Bars.validate(vintage.bars[ticker].tail(MIN_SESSIONS))
        panel = Panel.of([bars], MIN_SESSIONS, vintage.bars.get(VIX))
        return latest_windows(compute_features(panel))

    def read_gains(self, run: RunManifest, ticker: str) -> Floats:
        """Return the gains float64 (1, n_horizons, n_levels) that a forecast was made with."""
        state = _once(self._states, run, lambda: read_state(self._store, run))
        return state.calibration.gains_of([ticker], run.horizons)

    def read_model(self, run: RunManifest, ticker: str) -> Model:
        """Return the model that forecast a ticker in a part."""
        version = run.version_of(ticker)
        if version not in self._models:
            self._models[version] = read_model(self._store, run, version)
        return self._models[version]


def attribute_change(
    parts: PartReader, now: RunManifest, before: RunManifest, ticker: str
) -> WidthChange:
    """Return why the interval in one part is wider than that in another, made by the same model.

    Raises
    ------
    StoreError
        When what they were made from is missing or changed.
    InvalidBars, BundleMismatch
        When bars or bundle are none that a forecast can be made with.
    NonFiniteOutput
        When the model answers a mix of both windows with no number, or with no width.
    """
    exact = attribute_width(
        parts.read_window(before, ticker),
        parts.read_window(now, ticker),
        parts.read_model(now, ticker),
        parts.read_gains(before, ticker),
        parts.read_gains(now, ticker),
    )
    shares = round_decimals(exact[0])
    if not np.isfinite(shares).all():
        raise NonFiniteOutput(
            f"{ticker}: expected an interval of every mix of the windows of {before.session} and "
            f"{now.session}, got NaN, infinity or no width"
        )
    causes = dict(zip(CAUSES, shares.tolist(), strict=True))
    return WidthChange(before.session, to_decimals(float(shares.sum())), causes)


def read_width_changes(
    store: ObjectStore, tables: Tables, head: Link, runs: Sequence[RunManifest]
) -> dict[str, WidthChange]:
    """Return the change of each ticker that the newest session's parts published, by ticker.

    Of many tickers nothing is read. A ticker has none where it is the first forecast in five
    sessions, where another model made the one before, and where a vintage, state or bundle is
    damaged or lost. What a run has remade in memory alone does not count: no other process has it.
    """
    if not are_few(runs):
        return {}
    store = beneath(store)
    parts, changes = PartReader(store, tables), dict[str, WidthChange]()
    befores = _find_befores(store, head, {t for run in runs for t in run.published})
    for now in runs:
        for ticker in sorted(now.published & befores.keys()):
            if now.version_of(ticker) == befores[ticker].version_of(ticker):
                with suppress(DamagedObject, DataError, ModelError):
                    changes[ticker] = attribute_change(parts, now, befores[ticker], ticker)
    return changes


def _find_befores(store: ObjectStore, head: Link, tickers: set[str]) -> dict[str, RunManifest]:
    """Return the parts of earlier sessions that published tickers last, as far as can be read."""
    befores: dict[str, RunManifest] = {}
    sessions = set[date]()
    with suppress(DamagedObject):
        for run in (link.manifest for link in walk_back(store, head)):
            if run.session < head.manifest.session:
                sessions.add(run.session)
                if len(sessions) > LOOKED_BACK:
                    break
                new = tickers & run.published - befores.keys()
                befores |= dict.fromkeys(new, run)
            if tickers <= befores.keys():
                break
    return befores


def _once(kept: dict[str, T], run: RunManifest, read: Callable[[], T]) -> T:
    """Return what is kept of a part, read where nothing is."""
    if run.key not in kept:
        kept[run.key] = read()
    return kept[run.key]
