"""Slice figures: coverage, scores beside baselines and the worst miss of any rows of scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import Floats
from pipeline.columns import Columns, take, where
from pipeline.evaluation.significance import coverage_bounds
from pipeline.grid import to_decimals
from pipeline.views.figures import CoverageShare

LOSSES = ("crps", "interval_score_95")
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RelativeScores:
    """Our mean scores over a baseline's, on the `forecasts` that both have: below 1 is better."""

    forecasts: int
    crps: float
    interval_score_95: float


@dataclass(frozen=True, slots=True)
class WorstMiss:
    """Of the closes outside an interval, the one furthest from what was predicted.

    `error` is its log return less the predicted one.
    """

    ticker: str
    origin_date: date
    target_date: date
    realised_close: float
    error: float
    lower_95: float
    upper_95: float


@dataclass(frozen=True, slots=True)
class SliceFigures:
    """Figures of some forecasts; scores and errors are in units of log return.

    Attributes
    ----------
    forecasts : how many were scored
    coverage : promised coverage in percent -> the share inside, with the bounds of chance
    mean_error : realised less predicted
    against : baseline -> our scores over its
    worst_miss : outside the 95 % interval, or the widest asked for; None where all closes lie in it
    """

    forecasts: int
    first_target: date
    last_target: date
    coverage: Mapping[str, CoverageShare]
    crps: float
    interval_score_95: float
    mean_error: float
    against: Mapping[str, RelativeScores]
    worst_miss: WorstMiss | None


def pair_losses(ours: Columns, theirs: Columns) -> Floats:
    """Return for each of our rows the losses of the same forecast, NaN where there is none."""
    keys = [
        list(zip(side["ticker"].tolist(), side["origin_date"].tolist(), strict=True))
        for side in (ours, theirs)
    ]
    place = {key: row for row, key in enumerate(keys[1])}
    found = np.array([place.get(key, -1) for key in keys[0]], np.int64)
    losses = np.array([theirs[name] for name in LOSSES]).reshape(len(LOSSES), -1)
    padded = np.concatenate([losses, np.full((len(LOSSES), 1), np.nan)], axis=1)
    paired: Floats = padded[:, found]
    return paired


@dataclass(frozen=True, slots=True)
class SliceScores:
    """Scores of one horizon; `theirs` are baselines' losses beside our rows, (n_losses, n)."""

    ours: Columns
    horizon: int
    coverages: Sequence[int]
    theirs: Mapping[str, Floats]

    def summarise(self, at: Rows) -> SliceFigures:
        """Return the figures of at least one row."""
        rows = take(self.ours, at)
        against = {name: self._compare(rows, losses[:, at]) for name, losses in self.theirs.items()}
        return SliceFigures(
            forecasts=len(at),
            first_target=rows["target_date"].min().item(),
            last_target=rows["target_date"].max().item(),
            coverage={str(c): self._share_inside(rows, c) for c in self.coverages},
            crps=to_decimals(float(rows["crps"].mean())),
            interval_score_95=to_decimals(float(rows["interval_score_95"].mean())),
            mean_error=to_decimals(float(rows["error"].mean())),
            against={name: scores for name, scores in against.items() if scores is not None},
            worst_miss=_find_worst(where(rows, ~rows[f"covered_{self._judged}"])),
        )

    @property
    def _judged(self) -> int:
        return 95 if 95 in self.coverages else max(self.coverages)

    def _share_inside(self, rows: Columns, nominal: int) -> CoverageShare:
        """Return the share inside, and where chance would put it.

        The bounds count sessions and not tickers, which move together; of longer horizons only
        those that do not overlap.
        """
        sessions = len(np.unique(rows["target_date"]))
        bounds = coverage_bounds(max(sessions // self.horizon, 1), nominal / 100)
        inside = float(rows[f"covered_{nominal}"].mean())
        return CoverageShare(sessions, *map(to_decimals, (inside, *bounds)))

    def _compare(self, rows: Columns, theirs: Floats) -> RelativeScores | None:
        both = np.isfinite(theirs).all(axis=0)
        sums = theirs[:, both].sum(axis=1)
        if not both.any() or not sums.all():
            return None
        ratios = (float(rows[name][both].sum() / s) for name, s in zip(LOSSES, sums, strict=True))
        return RelativeScores(int(both.sum()), *map(to_decimals, ratios))


def _find_worst(missed: Columns) -> WorstMiss | None:
    if not len(missed["error"]):
        return None
    row = int(np.abs(missed["error"]).argmax())
    return WorstMiss(**{name: missed[name][[row]].tolist()[0] for name in WorstMiss.__slots__})
