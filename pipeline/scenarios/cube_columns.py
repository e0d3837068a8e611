"""Cube columns: a table of scenarios read back."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import Sessions
from pipeline.columns import Columns
from pipeline.errors import StoreError
from pipeline.forecasting.forecast import MAX_LOG_RETURN
from pipeline.scenarios.scenario_cube import ScenarioCube

TABLE = "scenarios"
# Log return of a scenario; the tails of a forecast, which ends at 1 % either side, end well within.
FARTHEST = 10 * MAX_LOG_RETURN
EXPECTED = f"{TABLE}: expected every scenario of each ticker and horizon once, of one session"


def read_cube(columns: Columns, last_close: Mapping[str, float]) -> ScenarioCube | None:
    """Return the scenarios of a table, rows in any order; None for no row.

    Raises
    ------
    StoreError
        When a scenario, ticker or horizon is missing or twice, there is more than one session, or
        a return is out of all reason.
    """
    names, tickers = _number_texts(columns["ticker"])
    if not len(names):
        return None
    origin = columns["origin_date"][0]
    scenarios, horizons = columns["scenario"], columns["horizon"] - 1
    targets = _find_targets(columns["target_date"], horizons)
    shape = int(scenarios.max()) + 1, len(names), len(targets)
    within = len(tickers) == prod(shape) and min(scenarios.min(), horizons.min()) >= 0
    if not (within and (targets[horizons] == columns["target_date"]).all()):
        raise StoreError(EXPECTED)
    places = np.ravel_multi_index((scenarios, tickers, horizons), shape)
    once = (np.bincount(places, minlength=len(places)) == 1).all()
    ordered = (np.diff(targets).astype(np.int64) > 0).all()
    if not (once and ordered and (columns["origin_date"] == origin).all()):
        raise StoreError(EXPECTED)
    if strangers := set(names.tolist()) - last_close.keys():
        raise StoreError(f"{TABLE}: expected tickers that are forecast, got {sorted(strangers)}")
    if not (np.abs(columns["log_return"]) <= FARTHEST).all():
        raise StoreError(f"{TABLE}: expected log returns up to {FARTHEST:g}, got others")
    returns = np.empty(len(places), np.float32)
    returns[places] = columns["log_return"]
    closes = np.array([last_close[name] for name in names.tolist()])
    return ScenarioCube(
        tuple(names.tolist()), origin.item(), tuple(targets.tolist()), closes,
        returns.reshape(shape),
    )  # fmt: skip


def _find_targets(target: Sessions, horizons: NDArray[np.int32]) -> Sessions:
    """Return a target of each horizon, from 0, of rows in any order."""
    n_horizons = min(max(int(horizons.max()) + 1, 0), len(target))
    targets = np.full(n_horizons, np.datetime64("NaT", "D"))
    inside = (horizons >= 0) & (horizons < n_horizons)
    targets[horizons[inside]] = target[inside]
    return targets


def _number_texts(texts: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the texts in order, each once, and of each row its number among them.

    Rows of one text lie together, so that few are compared with all others.
    """
    first = np.flatnonzero(np.append(len(texts) > 0, texts[1:] != texts[:-1]))
    names, numbers = np.unique(texts[first].astype(str), return_inverse=True)
    return names, np.repeat(numbers, np.diff(np.append(first, len(texts))))
