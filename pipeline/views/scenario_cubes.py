"""Scenario cubes: the scenarios of a session as its parts have them, read back and put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date

import numpy as np

from pipeline.bars import VIX, RawBars
from pipeline.errors import DamagedObject, StoreError
from pipeline.forecasting.windows import MIN_SESSIONS
from pipeline.ports import ObjectStore, Tables
from pipeline.record.manifest import RunManifest
from pipeline.record.notes import NoteCode, find_noted
from pipeline.record.objects import read_verified
from pipeline.record.vintage import read_vintage
from pipeline.scenarios.cube_columns import TABLE, read_cube
from pipeline.scenarios.scenario_cube import ScenarioCube
from pipeline.views.documents import Latest
from pipeline.views.history import MOST_TICKERS
from pipeline.views.scenario_view import ScenarioView

NONE = np.zeros((0, 0, 0), np.float32)


def build_scenario_view(
    store: ObjectStore, tables: Tables, latest: Latest, runs: Sequence[RunManifest]
) -> ScenarioView:
    """Return what questions about a session are answered from: the first 500 tickers of it.

    A part without scenarios, or whose scenarios or vintage are damaged, adds none: a view can do
    without.
    """
    last_close = {
        ticker: each.last_close
        for ticker, each in latest.tickers.items()
        if each.last_close is not None
    }
    cubes = [cube for run in runs if (cube := _read_part(store, tables, run, last_close))]
    cube = merge_cubes(cubes) if cubes else _build_empty(latest)
    absent = {
        ticker: each.status for ticker, each in latest.tickers.items() if ticker not in cube.tickers
    }
    bars = _read_windows(store, tables, runs)
    noted = find_noted(latest.notes, NoteCode.INDEPENDENT)
    independent = tuple(ticker for ticker in cube.tickers if ticker in noted)
    return ScenarioView(cube, latest.source, runs[-1].model_version, bars, absent, independent)


def merge_cubes(cubes: Sequence[ScenarioCube]) -> ScenarioCube:
    """Return the scenarios of a session's parts as one: number k of each part belong together.

    Raises
    ------
    StoreError
        When parts differ in their session, targets or number of scenarios.
    """
    first = cubes[0]
    kinds = {(c.origin_date, c.target_dates, len(c.log_return)) for c in cubes}
    if len(kinds) != 1:
        raise StoreError(f"{TABLE}: expected parts of one session alike, got {sorted(kinds)}")
    tickers = [ticker for cube in cubes for ticker in cube.tickers]
    order = np.argsort(np.array(tickers), kind="stable")[:MOST_TICKERS]
    return ScenarioCube(
        tuple(tickers[at] for at in order),
        first.origin_date,
        first.target_dates,
        np.concatenate([cube.last_close for cube in cubes])[order],
        np.concatenate([cube.log_return for cube in cubes], axis=1)[:, order],
    )


def _read_part(
    store: ObjectStore, tables: Tables, run: RunManifest, last_close: Mapping[str, float]
) -> ScenarioCube | None:
    key = run.table(TABLE)
    if key not in run.objects:
        return None
    with suppress(DamagedObject):
        return read_cube(tables.decode(TABLE, read_verified(store, run, key))[0], last_close)
    return None


def _build_empty(latest: Latest) -> ScenarioCube:
    targets: tuple[date, ...] = latest.next_sessions
    return ScenarioCube((), latest.session, targets, np.zeros(0), NONE)


def _read_windows(
    store: ObjectStore, tables: Tables, runs: Sequence[RunManifest]
) -> dict[str, RawBars]:
    """Return the bars of each published ticker that its window was made of, and the VIX.

    Of more than 500 tickers there are none.
    """
    bars: dict[str, RawBars] = {}
    few = len({ticker for run in runs for ticker in run.tickers}) <= MOST_TICKERS
    for run in runs if few else ():
        with suppress(DamagedObject):
            vintage = read_vintage(store, tables, run)
            wanted = run.published | ({VIX} & vintage.bars.keys())
            bars |= {symbol: _cut(vintage.bars[symbol]) for symbol in wanted}
    return bars


def _cut(bars: RawBars) -> RawBars:
    return bars.rows(np.isfinite(bars.close)).tail(MIN_SESSIONS)
