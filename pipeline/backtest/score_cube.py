"""ScoreCube: scores of several models on the same forecasts, as dense arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import Flags, Floats, Sessions
from pipeline.baselines.names import EWMA, GARCH_T, PERSISTENCE
from pipeline.columns import Columns, where
from pipeline.errors import DataError, Reason
from pipeline.evaluation.score_table import FORECASTER
from pipeline.forecasting.levels import INTERVALS

# The forecaster with the online calibrator on top, as the daily record runs it.
CALIBRATED = "forecaster_calibrated"
# Baselines in the order in which they are shown; whatever else is scored is ours.
BASELINES = (GARCH_T, "gjr_skew_t", EWMA, "auto_ets", PERSISTENCE)
COVERED = tuple(f"covered_{coverage}" for coverage in INTERVALS)
LOSSES = ("crps", "interval_score_80", "interval_score_95")
VALUES = ("realised_close", "realised_return", "error", "pit", *LOSSES, *COVERED)


@dataclass(frozen=True, slots=True, eq=False)
class ScoreCube:
    """What every model scored where every model has a score, NaN elsewhere.

    Attributes
    ----------
    models : the forecaster first, then other models of ours, then baselines
    tickers : in the order of the table
    origins : datetime64[D] (n_origins,), increasing
    horizons : sessions ahead, increasing
    targets : datetime64[D] (n_origins, n_horizons), NaT where nothing is scored
    values : name -> float64 (n_models, n_tickers, n_origins, n_horizons)
    left_out : forecasts that some model lacks, so that none is compared there
    """

    models: tuple[str, ...]
    tickers: tuple[str, ...]
    origins: Sessions
    horizons: tuple[int, ...]
    targets: Sessions
    values: dict[str, Floats]
    left_out: int

    @classmethod
    def from_scores(cls, scores: Columns) -> Self:
        """Return the cube of a scores table.

        Raises
        ------
        DataError
            When the table is empty, has a row twice, or no forecast of every model.
        """
        scores = _select_finite(scores)
        models, tickers = _order_models(scores["model"]), _list_unique(scores["ticker"])
        origins, at_origin = np.unique(scores["origin_date"], return_inverse=True)
        horizons, at_horizon = np.unique(scores["horizon"], return_inverse=True)
        at = _encode(scores["model"], models), _encode(scores["ticker"], tickers)
        positions = (*at, at_origin, at_horizon)
        shape = len(models), len(tickers), len(origins), len(horizons)
        common, left_out = _find_common(positions, shape)
        targets = np.full(shape[2:], "NaT", "datetime64[D]")
        targets[positions[2:]] = scores["target_date"]
        values = {name: _fill(scores[name], positions, common, shape) for name in VALUES}
        return cls(
            models=models,
            tickers=tickers,
            origins=origins,
            horizons=tuple(horizons.tolist()),
            targets=targets,
            values=values,
            left_out=left_out,
        )

    def select_scores(self, name: str, model: str, horizon: int) -> Floats:
        """Return a model's scores of one name and horizon, float64 (n_tickers, n_origins)."""
        at = self.models.index(model), self.horizons.index(horizon)
        values: Floats = self.values[name][at[0], :, :, at[1]]
        return values

    def is_scored(self, horizon: int) -> Flags:
        """Return where there are scores, bool (n_tickers, n_origins)."""
        flags: Flags = np.isfinite(self.select_scores("crps", self.models[0], horizon))
        return flags


def daily_mean(values: Floats, scored: Flags) -> Floats:
    """Return the mean over tickers of each origin at which any is scored, float64 (n,)."""
    count = scored.sum(axis=0)
    total = np.where(scored, values, 0.0).sum(axis=0)
    mean: Floats = total[count > 0] / count[count > 0]
    return mean


Positions = tuple[NDArray[np.intp], ...]
Shape = tuple[int, ...]


def _select_finite(scores: Columns) -> Columns:
    finite = np.isfinite(scores["crps"])
    if not finite.any():
        raise DataError("expected scored forecasts, got none", Reason.NOT_ENOUGH_HISTORY)
    return where(scores, finite)


def _order_models(names: NDArray[Any]) -> tuple[str, ...]:
    rank = {FORECASTER: -1} | {name: i for i, name in enumerate(BASELINES, start=1)}
    return tuple(sorted(_list_unique(names), key=lambda name: rank.get(name, 0)))


def _list_unique(names: NDArray[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names.tolist()))


def _encode(names: NDArray[Any], order: tuple[str, ...]) -> NDArray[np.intp]:
    code = {name: i for i, name in enumerate(order)}
    return np.array([code[name] for name in names.tolist()], np.intp)


def _find_common(positions: Positions, shape: Shape) -> tuple[Flags, int]:
    """Return where every model has a row, bool (n_tickers, n_origins, n_horizons), and the rest."""
    rows = np.zeros(shape, np.int64)
    np.add.at(rows, positions, 1)
    if (rows > 1).any():
        raise DataError(
            "expected one score per model, ticker, origin and horizon, got some twice",
            Reason.UNREADABLE,
        )
    scored = rows > 0
    common: Flags = np.logical_and.reduce(scored)
    if not common.any():
        raise DataError(
            "expected a forecast that every model made, got none", Reason.NOT_ENOUGH_HISTORY
        )
    return common, int((scored.any(axis=0) & ~common).sum())


def _fill(column: NDArray[Any], positions: Positions, common: Flags, shape: Shape) -> Floats:
    values = np.full(shape, np.nan)
    values[positions] = column
    values[:, ~common] = np.nan
    return values
