"""Explain: why a ticker's newest interval is wider or narrower than the one issued before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from pipeline.bars import VIX, Floats
from pipeline.errors import RequestError
from pipeline.forecasting.attribution import CAUSES, attribute_width
from pipeline.forecasting.features import compute_features
from pipeline.forecasting.panel import Panel
from pipeline.forecasting.windows import MIN_SESSIONS, Windows, latest_windows
from pipeline.grid import round_decimals
from pipeline.jobs.remake import read_model
from pipeline.ports import Calendar, ObjectStore, Tables
from pipeline.record.chain import find_head, walk_back
from pipeline.record.forecast_bars import select_forecast_bars
from pipeline.record.manifest import RunManifest
from pipeline.record.state import read_state
from pipeline.record.vintage import HISTORY_SESSIONS, read_vintage


@dataclass(frozen=True, slots=True)
class WidthChange:
    """How the 95 % interval of the next session changed from one published forecast to the next.

    Attributes
    ----------
    before, session : origins of the two forecasts
    change : logarithm of the new width over the old one, of the log return; .1 is 10 % wider
    causes : what each cause added to it; they add up to `change`
    """

    ticker: str
    before: date
    session: date
    change: float
    causes: Mapping[str, float]


def explain(store: ObjectStore, tables: Tables, calendar: Calendar, ticker: str) -> WidthChange:
    """Return why the newest published forecast of a ticker is wider than the one before it.

    Raises
    ------
    RequestError
        When the ticker has no two published forecasts, or another model made the one before.
    StoreError
        When what they were made from is missing or changed.
    """
    now, before = _find_two(store, ticker)
    if now.model_version != before.model_version:
        raise RequestError(
            f"{ticker}: expected forecasts of one model, got {before.model_version} on "
            f"{before.session} and {now.model_version} on {now.session}: their widths differ by "
            "more than their bars"
        )
    old, new = (_read_window(store, tables, calendar, run, ticker) for run in (before, now))
    old_gains, new_gains = (_read_gains(store, run, ticker) for run in (before, now))
    exact = attribute_width(old, new, read_model(store, now), old_gains, new_gains)
    shares = round_decimals(exact[0])
    causes = dict(zip(CAUSES, shares.tolist(), strict=True))
    return WidthChange(ticker, before.session, now.session, float(shares.sum()), causes)


def _find_two(store: ObjectStore, ticker: str) -> tuple[RunManifest, RunManifest]:
    """Return the parts of the two newest sessions that published a ticker, the newest first."""
    published = _walk_published(store, ticker)
    now = next(published, None)
    before = next((run for run in published if now and run.session < now.session), None)
    if now is None or before is None:
        have = "none" if now is None else f"that of {now.session} alone: a later run makes another"
        raise RequestError(f"{ticker}: expected two published forecasts, found {have}")
    return now, before


def _walk_published(store: ObjectStore, ticker: str) -> Iterator[RunManifest]:
    runs = (link.manifest for link in walk_back(store, find_head(store)))
    return (run for run in runs if ticker in run.published)


def _read_window(
    store: ObjectStore, tables: Tables, calendar: Calendar, run: RunManifest, ticker: str
) -> Windows:
    """Return the window float32 (1, 60, 12) that a published forecast was made from."""
    vintage = read_vintage(store, tables, run)
    expected = calendar.ending(run.session, HISTORY_SESSIONS)
    bars = select_forecast_bars(vintage.bars[ticker], expected)
    return latest_windows(compute_features(Panel.of([bars], MIN_SESSIONS, vintage.bars.get(VIX))))


def _read_gains(store: ObjectStore, run: RunManifest, ticker: str) -> Floats:
    gains: Floats = np.asarray(read_state(store, run).calibration.gains_of([ticker], run.horizons))
    return gains
