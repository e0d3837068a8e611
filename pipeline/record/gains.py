"""Gains: what the online calibrator learns from the scores of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline.forecasting.bundle import Manifest
from pipeline.forecasting.calibration import step_at, update_log_gains
from pipeline.grid import round_decimals
from pipeline.record.scoring import ScoredForecasts, recover_quantiles
from pipeline.record.state import Gains, as_tuples


def update_gains(
    log_gains: Mapping[str, Gains], scored: ScoredForecasts, bundle: Manifest
) -> dict[str, Gains]:
    """Return the log gains after the forecaster's new scores, origins in time order."""
    scores, quantiles = scored.scores, recover_quantiles(scored.issued)
    tickers, ticker = np.unique(scores["ticker"], return_inverse=True)
    neutral = as_tuples(np.zeros((len(bundle.horizons), len(bundle.levels))))
    gains = np.array([log_gains.get(name, neutral) for name in tickers])
    horizon, steps = scores["horizon"] - 1, np.array([step_at(h) for h in bundle.horizons])
    for rows in _take_turns(ticker * len(steps) + horizon, scores["origin_date"]):
        row_of = ticker[rows], horizon[rows]
        moved = update_log_gains(
            gains[row_of],
            quantiles[rows],
            scores["realised_return"][rows],
            steps[horizon[rows], None],
        )
        gains[row_of] = round_decimals(moved)
    return {**log_gains, **dict(zip(tickers.tolist(), map(as_tuples, gains), strict=True))}


def _take_turns(
    places: NDArray[np.int64], origin: NDArray[np.datetime64]
) -> Iterator[NDArray[np.int64]]:
    """Yield rows of which no two have a place in common, for each place in time order."""
    rows = np.lexsort((origin, places))
    ordered = places[rows]
    turn = np.arange(len(rows)) - np.searchsorted(ordered, ordered)
    for at in range(turn.max(initial=-1) + 1):
        yield rows[turn == at]
