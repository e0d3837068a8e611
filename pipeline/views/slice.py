"""Slice: how the forecasts of some tickers, over some sessions and at one horizon, have fared."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import Flags
from pipeline.baselines.names import ISSUED
from pipeline.columns import Columns, where
from pipeline.evaluation.score_table import FORECASTER
from pipeline.forecasting.levels import INTERVALS
from pipeline.record.manifest import Mode
from pipeline.views.slice_figures import Rows, SliceFigures, SliceScores, pair_losses

IN_SAMPLE = "in_sample"


@dataclass(frozen=True, slots=True)
class Slice:
    """The figures of a slice: of all its tickers together, and of each.

    Attributes
    ----------
    horizon : sessions ahead
    modes : how the forecasts counted were issued; of several they are mixed, as was asked for
    in_sample : how many of those counted the model had learnt
    left_out : mode, or `in_sample` -> how many forecasts in the slice were not counted for it
    """

    horizon: int
    modes: tuple[Mode, ...]
    in_sample: int
    left_out: Mapping[str, int]
    pooled: SliceFigures | None
    tickers: Mapping[str, SliceFigures]


def summarise_slice(
    scores: Columns,
    horizon: int,
    coverages: Sequence[int] = tuple(INTERVALS),
    modes: Collection[Mode] | None = None,
    *,
    in_sample: bool = False,
) -> Slice:
    """Return the figures of some scores, ours and the baselines', of one horizon.

    Parameters
    ----------
    scores : columns of the scores table in all modes, in sample or not, each forecast once
    coverages : of the intervals, in percent
    modes : which to count; None for `live` where there are any, else the newest other one
    in_sample : whether forecasts of what the model had learnt count too
    """
    scores = where(scores, scores["horizon"] == horizon)
    ours = where(scores, scores["model"] == FORECASTER)
    honest = ~ours["in_sample"] | in_sample
    counted = _choose_modes(where(ours, honest)) if modes is None else tuple(modes)
    chosen = np.isin(ours["mode"], [mode.value for mode in counted])
    rows = where(ours, chosen & honest)
    n = len(rows["ticker"])
    theirs = [pair_losses(rows, where(scores, scores["model"] == name)) for name in ISSUED]
    figures = SliceScores(rows, horizon, coverages, dict(zip(ISSUED, theirs, strict=True)))
    return Slice(
        horizon=horizon,
        modes=tuple(mode for mode in counted if (rows["mode"] == mode.value).any()),
        in_sample=int(rows["in_sample"].sum()),
        left_out=dict(_count_left_out(ours, chosen, honest)),
        pooled=figures.summarise(np.arange(n)) if n else None,
        tickers={ticker: figures.summarise(at) for ticker, at in _group(rows["ticker"])},
    )


def _choose_modes(ours: Columns) -> tuple[Mode, ...]:
    """Return `live` where there is any, else the mode of the newest target."""
    if not len(ours["mode"]) or (ours["mode"] == Mode.LIVE.value).any():
        return (Mode.LIVE,)
    return (Mode(ours["mode"][ours["target_date"].argmax()]),)


def _count_left_out(ours: Columns, chosen: Flags, honest: Flags) -> Iterator[tuple[str, int]]:
    if learnt := int((chosen & ~honest).sum()):
        yield IN_SAMPLE, learnt
    names, counts = np.unique(ours["mode"][~chosen].astype(str), return_counts=True)
    yield from zip(names.tolist(), counts.tolist(), strict=True)


def _group(tickers: NDArray[np.object_]) -> Iterator[tuple[str, Rows]]:
    """Yield each ticker with its rows, by name."""
    names, number = np.unique(tickers.astype(str), return_inverse=True)
    order = np.argsort(number, kind="stable")
    ends = np.cumsum(np.bincount(number, minlength=len(names)))
    parts: Any = np.split(order, ends)
    yield from zip(names.tolist(), parts[: len(names)], strict=True)
