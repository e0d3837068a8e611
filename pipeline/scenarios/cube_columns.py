"""Cube columns: a table of scenarios read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.columns import Columns
from pipeline.errors import StoreError
from pipeline.scenarios.scenario_cube import ScenarioCube

TABLE = "scenarios"


def read_cube(columns: Columns, last_close: Mapping[str, float]) -> ScenarioCube | None:
    """Return the scenarios of a table, rows in any order; None for no row.

    Raises
    ------
    StoreError
        When a scenario, ticker or horizon is missing or twice, or there is more than one session.
    """
    names, tickers = _number_texts(columns["ticker"])
    targets, horizons = np.unique(columns["target_date"], return_inverse=True)
    numbers, scenarios = np.unique(columns["scenario"], return_inverse=True)
    origins = np.unique(columns["origin_date"])
    if not len(names):
        return None
    shape = len(numbers), len(names), len(targets)
    places = np.ravel_multi_index((scenarios, tickers, horizons), shape)
    size = int(np.prod(shape))
    whole = len(places) == size and bool((np.bincount(places, minlength=size) == 1).all())
    if not whole or len(origins) != 1 or (columns["horizon"] != horizons + 1).any():
        raise StoreError(
            f"{TABLE}: expected every scenario of each ticker and horizon once, of one session"
        )
    if strangers := set(names.tolist()) - last_close.keys():
        raise StoreError(f"{TABLE}: expected tickers that are forecast, got {sorted(strangers)}")
    returns = np.empty(len(places), np.float32)
    returns[places] = columns["log_return"]
    closes = np.array([last_close[name] for name in names.tolist()])
    return ScenarioCube(
        tuple(names.tolist()), origins[0].item(), tuple(targets.tolist()), closes,
        returns.reshape(shape),
    )  # fmt: skip


def _number_texts(texts: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the texts in order, each once, and of each row its number among them.

    Rows of one text lie together, so that few are compared with all others.
    """
    first = np.flatnonzero(np.append(len(texts) > 0, texts[1:] != texts[:-1]))
    names, numbers = np.unique(texts[first].astype(str), return_inverse=True)
    return names, np.repeat(numbers, np.diff(np.append(first, len(texts))))
