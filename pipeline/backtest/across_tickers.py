"""Across tickers: how a model does on each of many names, not on their mean day.

A mean over names, the share of them on which it beats GARCH(1,1)-t and the name that is covered
worst say more of a name that nobody has seen than figures pooled over all forecasts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.backtest.findings import name_model
from pipeline.backtest.leaderboard import REFERENCE, Leaderboard, Row
from pipeline.backtest.text_tables import TextTable

MANY = 10  # tickers; of fewer a row each says more
SHOWN = (1, 5)
COLUMNS = (
    "Model",
    "Horizon",
    "CRPS",
    "95 % score",
    "Better on, %",
    "Cov. 95",
    "Worst",
    "Worst ticker",
)
NOTE = (
    "Means over tickers of each one's ratio to its own {reference}, lower is better; the share of "
    "tickers on which CRPS is below it; closes inside the 95 % interval, in percent, of all and of "
    "the ticker that has the fewest."
)


def build_across_tickers(board: Leaderboard) -> Iterator[TextTable]:
    """Yield the table of a leaderboard of many tickers, none without GARCH(1,1)-t."""
    if len(board.tickers) <= MANY or REFERENCE not in board.models:
        return
    rows = [
        _describe(model, horizon, board.select("ticker", horizon, model))
        for horizon in board.horizons
        if horizon in SHOWN
        for model in board.models
        if model != REFERENCE
    ]
    note = NOTE.format(reference=name_model(REFERENCE))
    yield TextTable(f"Across {len(board.tickers)} tickers", COLUMNS, tuple(rows), note)


def _describe(model: str, horizon: int, by_ticker: Sequence[Row]) -> tuple[str, ...]:
    crps = np.array([row.ratios["crps"] for row in by_ticker])
    scores = np.array([row.ratios["interval_score_95"] for row in by_ticker])
    covered = np.array([row.coverage[95] for row in by_ticker])
    worst = int(covered.argmin())
    shares = (100 * (crps < 1).mean(), 100 * covered.mean(), 100 * covered[worst])
    return (
        name_model(model),
        str(horizon),
        f"{crps.mean():.3f}",
        f"{scores.mean():.3f}",
        *(f"{share:.1f}" for share in shares),
        by_ticker[worst].value,
    )
