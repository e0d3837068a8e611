"""What `forecaster backtest` leaves: scores, summaries and the model card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.backtest.leaderboard import Leaderboard
from pipeline.backtest.scenarios.board import ScenarioBoard
from pipeline.columns import Columns, where
from pipeline.encoding import to_json
from pipeline.forecasting.bundle import load_bundle
from pipeline.ports import ObjectStore

# What each file that is written has for a table, and what people call it.
CONTRACTS = {"scores": "backtest_scores", "scenario_scores": "backtest_scenario_scores"}
LABELS = {"scores": "Parquet", "scenario_scores": "Scenarios"}
LABELS |= dict.fromkeys(("summary", "scenario_summary"), "Summary")
# What no scores tell, by title and by the file that lies beside the card.
BY_HAND = {"Other tickers": "other-tickers.md", "What was tried and lost": "what-lost.md"}
Boards = Mapping[str, Leaderboard | ScenarioBoard | None]


def _select_whole(scores: Columns) -> Columns:
    """Return the scores of the models that forecast from the very first origin on."""
    models = set(scores["model"][scores["origin_date"] == scores["origin_date"].min()])
    return where(scores, np.isin(scores["model"].astype(str), list(models)))


def write_card(
    scores: Columns, board: Leaderboard, joint: ScenarioBoard | None, bundle: Path, folder: Path
) -> None:
    """Write the model card and its pictures to `folder`, with what lies in BY_HAND there."""
    from pipeline.training.report.model_card import write_model_card  # noqa: PLC0415

    by_hand = {
        title: (folder / name).read_text(encoding="utf-8")
        for title, name in BY_HAND.items()
        if (folder / name).exists()
    }
    manifest = load_bundle(bundle).manifest
    write_model_card(_select_whole(scores), board, manifest, by_hand, folder, joint)


def write_files(
    folder: ObjectStore, source: str, tables: Mapping[str, Columns | None], boards: Boards
) -> dict[str, str]:
    """Write what there is, tables as Parquet files that name their source; return where it is."""
    from pipeline.adapters.parquet.parquet_tables import ParquetTables  # noqa: PLC0415

    files = {
        f"{name}.parquet": ParquetTables().encode(CONTRACTS[name], columns, {"source": source})
        for name, columns in tables.items()
        if columns is not None
    }
    files |= {f"{name}.json": to_json(board) for name, board in boards.items() if board is not None}
    for name, data in files.items():
        folder.replace(name, data)
    return {name.partition(".")[0]: folder.url(name) for name in files}
