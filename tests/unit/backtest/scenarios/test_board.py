"""The board of scenarios: who scored better, how sure that is, and its tables of text."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from pipeline.backtest.scenarios.board import ScenarioBoard, summarise_scenarios
from pipeline.backtest.scenarios.score import FILTERED, MODELS, OURS, score_origins
from pipeline.backtest.scenarios.text import build_scenario_tables, describe_scenarios
from pipeline.columns import where
from pipeline.encoding import to_json
from pipeline.scenarios.portfolios import list_scored
from tests.support.joint import joint_history, still_filter

HISTORY = joint_history(480, correlation=0.9)
ROWS = np.arange(100, 240)


@pytest.fixture(scope="module")
def scores() -> dict[str, Any]:
    return score_origins(HISTORY, ROWS, still_filter(HISTORY))


@pytest.fixture(scope="module")
def board(scores: dict[str, Any]) -> ScenarioBoard:
    return summarise_scenarios(scores, HISTORY.tickers)


def test_scores_are_beside_the_reference(board: ScenarioBoard, scores: dict[str, Any]) -> None:
    rows = {(row.portfolio, row.horizon, row.score, row.model): row for row in board.scores}
    ours = rows["SPY - IWM", 5, "crps", OURS]
    wanted = (scores["portfolio"] == "SPY - IWM") & (scores["horizon"] == 5)
    means = {m: where(scores, wanted & (scores["model"] == m))["crps"].mean() for m in MODELS}
    assert ours.mean == means[OURS]
    assert ours.ratio == means[OURS] / means[FILTERED]
    assert rows["SPY - IWM", 5, "crps", FILTERED].ratio == 1
    assert rows["SPY - IWM", 5, "crps", FILTERED].against is None
    assert len(rows) == len(MODELS) * (len(list_scored(HISTORY.tickers)) + 2)


def test_independent_tickers_are_told_from_those_that_go_together(board: ScenarioBoard) -> None:
    for row in board.scores:
        if row.model == "independence" and row.score == "variogram_score":
            assert row.ratio is not None and row.ratio > 1.5
            assert row.against is not None and row.against.t > 3
        if row.model == OURS and row.score == "energy_score":
            assert row.ratio == pytest.approx(1, abs=0.02)


def test_tails_are_of_all_days_and_of_equal_weights_by_year(board: ScenarioBoard) -> None:
    tails = {(t.portfolio, t.horizon, t.level, t.year): t for t in board.tails if t.model == OURS}
    whole = tails["equal weights", 1, 95.0, None].tail
    years = [t.tail for key, t in tails.items() if key[3] is not None]
    assert sum(tail.days for tail in years) == whole.days == len(ROWS)
    beyond = sum(tail.days * tail.exceeded for tail in years)
    assert beyond == pytest.approx(whole.days * whole.exceeded)
    wide = tails["equal weights", 1, 99.0, None].tail
    assert wide.exceeded <= tails["equal weights", 1, 97.5, None].tail.exceeded <= whole.exceeded


def test_the_board_is_a_document(board: ScenarioBoard) -> None:
    read = msgspec.json.decode(to_json(board), type=ScenarioBoard)
    assert read == board
    assert read.reference == FILTERED


def test_tables_have_a_row_for_all_that_is_scored(board: ScenarioBoard) -> None:
    scores, tails, years = build_scenario_tables(board)
    for table in (scores, tails, years):
        assert {len(row) for row in table.rows} == {len(table.columns)}
    assert [row[:2] for row in scores.rows[:3]] == [
        ("joint, energy score", "1"),
        ("joint, variogram score", "1"),
        ("joint, energy score", "5"),
    ]
    assert len(tails.rows) == 3 * (len(list_scored(HISTORY.tickers)) - 2)
    assert [row[0] for row in years.rows] == ["2023", "2024"]
    assert "140 origins" in describe_scenarios(board)


def test_a_reference_without_error_gives_no_ratio() -> None:
    history = joint_history(400, ("SPY",))
    columns = score_origins(history, ROWS[:30], still_filter(history))
    alone = summarise_scenarios(columns, history.tickers)
    ratios = {row.score: row.ratio for row in alone.scores if row.model == OURS}
    assert ratios["variogram_score"] is None  # one ticker differs from no other
    assert ratios["energy_score"] is not None
    assert build_scenario_tables(alone)[0].rows[1][2] == ""
