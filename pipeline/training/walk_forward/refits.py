"""Refits: a walk-forward backtest with every baseline and the online calibrator."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

from pipeline.backtest.evaluate import Span, score_baseline
from pipeline.backtest.history import MarketHistory
from pipeline.backtest.pace import Progress
from pipeline.backtest.score_cube import CALIBRATED
from pipeline.columns import Columns, concatenate
from pipeline.training import trainers
from pipeline.training.baselines.registry import BASELINES
from pipeline.training.bundles import is_trainable_before
from pipeline.training.walk_forward.calibrated import calibrate_refits
from pipeline.training.walk_forward.run import WalkForward, walk_forward


def score_refits(
    market: MarketHistory,
    span: Span,
    drawn_from: date | None,
    folder: Path,
    workers: int,
    report: Callable[[Progress], None],
) -> Columns:
    """Return the scores of models trained anew each year, of every baseline and of the calibrator.

    Parameters
    ----------
    drawn_from : score origins from here on, for pictures, where bars enough lie before; what the
        online calibrator makes of the forecasts is scored over `span` alone
    folder : keeps the scores and bundles, to go on from after an interruption
    report : called as tasks are computed

    Raises
    ------
    ForecasterError
        Whatever walk_forward raises.
    """
    first, last = span
    if drawn_from and is_trainable_before(market.bars, drawn_from):
        first = min(first, drawn_from)
    plan = WalkForward(market, trainers.train_ensemble, BASELINES, first, last)
    scores = walk_forward(plan, folder, workers, report)
    published = score_baseline(market.bars, calibrate_refits(folder, market.vix), *span, CALIBRATED)
    return concatenate([scores, published])
