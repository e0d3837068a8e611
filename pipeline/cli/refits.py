"""Models trained anew for every year of a backtest, with bars that show how far it is."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pipeline.backtest.evaluate import Span
from pipeline.backtest.history import MarketHistory
from pipeline.cli.progress import progress_bar
from pipeline.columns import Columns
from pipeline.errors import ConfigError, DataError


def score_anew(
    market: MarketHistory,
    span: Span,
    drawn_from: date | None,
    folder: Path,
    workers: int,
    notes: list[str],
) -> tuple[Columns, Columns | None]:
    """Return the scores of yearly refits, and of their scenarios; adds to `notes`.

    Raises ConfigError without the training libraries.
    """
    try:
        from pipeline.training.walk_forward.refits import score_refits  # noqa: PLC0415
        from pipeline.training.walk_forward.scenarios import score_refit_scenarios  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        raise ConfigError(
            f"expected the libraries that train a model, got: {exc}; pip install '.[training]', "
            "or score a trained one: --no-refit"
        ) from exc
    with progress_bar("Training and forecasting") as report:
        scores = score_refits(market, span, drawn_from, folder, workers, report)
    try:
        with progress_bar("Drawing scenarios") as report:
            return scores, score_refit_scenarios(market, span, folder, workers, report)
    except DataError as exc:
        notes.append(f"without scenarios: {exc}")
        return scores, None
