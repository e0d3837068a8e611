"""Backtests as the command line runs them: from bars to scores, by a bundle or by refits."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np

from pipeline.backtest import GARCH, backtest, fixed_baselines, score_baseline
from pipeline.bars import Bars, Flags, RawBars
from pipeline.bundle import load_bundle
from pipeline.errors import ConfigError, DataError
from pipeline.leaderboard.board import Leaderboard
from pipeline.leaderboard.cube import CALIBRATED
from pipeline.model import Model
from pipeline.ports import Columns
from pipeline.progress_bar import progress_bar
from pipeline.tables import concatenated

WHAT_LOST = "what-lost.md"

Span = tuple[date, date]
Market = tuple[list[Bars], RawBars | None]


def score_bundle(model: Model, market: Market, span: Span, notes: list[str]) -> Columns:
    """Return the scores of a bundle and of baselines that need no fitting; adds to `notes`."""
    bars, vix = market
    trained = model.manifest.training.last_session
    if trained >= span[0]:
        notes.append(f"trained on data up to {trained}: forecasts from before then prove nothing")
    parts = [backtest(bars, model, *span, vix)]
    baselines = fixed_baselines(model.manifest, [one.ticker for one in bars])
    if GARCH in baselines:
        notes.append(f"{GARCH} is not refitted either: its parameters are stored in the bundle")
    else:
        notes.append(f"without {GARCH}: the bundle has no parameters of it for these tickers")
    for name, baseline in baselines.items():
        try:
            parts.append(score_baseline(bars, baseline, *span, name))
        except DataError as exc:
            notes.append(f"without {name}: {exc}")
    return concatenated(parts)


def score_refits(
    market: Market, span: Span, drawn_from: date | None, folder: Path, workers: int
) -> Columns:
    """Return the scores of models trained anew each year, of every baseline and of the calibrator.

    Parameters
    ----------
    drawn_from : score origins from here on, for pictures, where bars enough lie before; what the
        online calibrator makes of the forecasts is scored over `span` alone
    folder : keeps what is computed, to go on from after an interruption

    Raises
    ------
    ConfigError
        Without the libraries that train a model.
    ForecasterError
        Whatever walk_forward raises.
    """
    try:
        from pipeline.training import parts, trainers, walk_forward  # noqa: PLC0415
        from pipeline.training.baseline_set import BASELINES  # noqa: PLC0415
        from pipeline.training.calibrated import calibrated  # noqa: PLC0415
        from pipeline.training.train import learnable_before  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        raise ConfigError(
            f"expected the libraries that train a model, got: {exc}; pip install '.[training]', "
            "or score a trained one: --no-refit"
        ) from exc
    bars, vix = market
    first, last = span
    if drawn_from and learnable_before(bars, drawn_from):
        first = min(first, drawn_from)
    of = parts.Market(tuple(bars), vix)
    plan = walk_forward.WalkForward(of, trainers.ensemble, BASELINES, first, last)
    with progress_bar("Training and forecasting") as report:
        scores = walk_forward.walk_forward(plan, folder, workers, report)
    return concatenated([scores, score_baseline(bars, calibrated(folder, vix), *span, CALIBRATED)])


def since(scores: Columns, first: date) -> Columns:
    """Return the scores of origins from `first` on."""
    return _rows(scores, scores["origin_date"] >= np.datetime64(first))


def whole(scores: Columns) -> Columns:
    """Return the scores of the models that forecast from the very first origin on."""
    there = set(scores["model"][scores["origin_date"] == scores["origin_date"].min()])
    return _rows(scores, np.isin(scores["model"].astype(str), list(there)))


def write_card(scores: Columns, board: Leaderboard, bundle: Path, folder: Path) -> None:
    """Write the model card and its pictures to `folder`, with what lies in what-lost.md there."""
    from pipeline.training.model_card import write_model_card  # noqa: PLC0415

    lost = folder / WHAT_LOST
    told = lost.read_text() if lost.exists() else ""
    write_model_card(whole(scores), board, load_bundle(bundle).manifest, told, folder)


def as_parquet(scores: Columns, source: str) -> bytes:
    """Return the scores as a Parquet file that names their source."""
    from pipeline.adapters.parquet import ParquetTables  # noqa: PLC0415

    return ParquetTables().encode("scores", scores, {"source": source})


def _rows(scores: Columns, chosen: Flags) -> Columns:
    return {name: column[chosen] for name, column in scores.items()}
