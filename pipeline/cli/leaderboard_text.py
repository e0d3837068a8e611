"""Leaderboards for people at a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.backtest.across_tickers import build_across_tickers
from pipeline.backtest.comparison import compare_proofs
from pipeline.backtest.findings import describe_findings, describe_proof, describe_scores
from pipeline.backtest.leaderboard import Leaderboard
from pipeline.backtest.scenarios.board import ScenarioBoard
from pipeline.backtest.scenarios.text import build_scenario_tables, describe_scenarios
from pipeline.backtest.text_tables import TextTable, build_tables
from pipeline.cli.console import new_table, print_line, print_lines, print_whole

KEPT = 2  # columns that a narrow terminal shows too: what a row is of, and its first number


def print_leaderboard(board: Leaderboard, scenarios: ScenarioBoard | None = None) -> None:
    """Print what was scored, every table of it, and how long a live record must be."""
    for line in (*describe_scores(board), *describe_findings(board)):
        print_line(line)
    for table in (*build_across_tickers(board), *build_tables(board)):
        _print_table(table)
    for line in describe_proof(board):
        print_line(line)
    if scenarios is not None:
        print_lines("", describe_scenarios(scenarios))
        for table in build_scenario_tables(scenarios):
            _print_table(table)


def print_side_by_side(current: Mapping[str, float], new: Mapping[str, float]) -> None:
    """Print the scores of two bundles' proofs, each number of the new one beside the current's."""
    _print_table(compare_proofs(current, new))


def _print_table(table: TextTable) -> None:
    print_lines("", table.title, style="bold")
    spare = tuple(dict.fromkeys(reversed(table.columns[KEPT:])))
    shown = new_table(table.columns[0], numbers=table.columns[1:], spare=spare)
    for row in table.rows:
        shown.add_row(*row)
    print_whole(shown)
    if table.note:
        print_line(table.note)
