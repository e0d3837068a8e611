"""Gains: what the online calibrator learns from the scores of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import Floats
from pipeline.forecasting.bundle import Manifest
from pipeline.forecasting.calibration import update_log_gains
from pipeline.grid import round_decimals
from pipeline.record.scoring import ScoredForecasts, recover_quantiles
from pipeline.record.state import Gains, as_tuples


def update_gains(
    log_gains: Mapping[str, Gains], scored: ScoredForecasts, served: Mapping[str, Manifest]
) -> dict[str, Gains]:
    """Return the log gains after the forecaster's new scores, origins in time order.

    Parameters
    ----------
    served : ticker -> the bundle that serves it
    """
    if not len(scored.scores["ticker"]):
        return dict(log_gains)
    scores, quantiles = scored.scores, recover_quantiles(scored.issued)
    tickers, ticker = np.unique(scores["ticker"], return_inverse=True)
    steps = _list_steps([served[name] for name in tickers])
    neutral = as_tuples(np.zeros(steps.shape[1:]))
    gains = np.array([log_gains.get(name, neutral) for name in tickers])
    horizon = scores["horizon"] - 1
    for rows in _take_turns(ticker * steps.shape[1] + horizon, scores["origin_date"]):
        row_of = ticker[rows], horizon[rows]
        moved = update_log_gains(
            gains[row_of], quantiles[rows], scores["realised_return"][rows], steps[row_of]
        )
        gains[row_of] = round_decimals(moved)
    return {**log_gains, **dict(zip(tickers.tolist(), map(as_tuples, gains), strict=True))}


def _list_steps(served: Sequence[Manifest]) -> Floats:
    """Return the steps of the tickers that bundles serve, (n_tickers, n_horizons, n_levels)."""
    steps = {
        calibrator: [calibrator.step_at(horizon) for horizon in served[0].horizons]
        for calibrator in {bundle.calibrator for bundle in served}
    }
    return np.array([steps[bundle.calibrator] for bundle in served])


def _take_turns(
    places: NDArray[np.int64], origin: NDArray[np.datetime64]
) -> Iterator[NDArray[np.int64]]:
    """Yield rows of which no two have a place in common, for each place in time order."""
    rows = np.lexsort((origin, places))
    ordered = places[rows]
    turn = np.arange(len(rows)) - np.searchsorted(ordered, ordered)
    for at in range(turn.max(initial=-1) + 1):
        yield rows[turn == at]
