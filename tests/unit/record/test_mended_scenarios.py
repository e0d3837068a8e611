"""Scores of scenarios stand as the newest run that scored the vector left them, as a whole."""

from __future__ import annotations

from datetime import date

import numpy as np

from pipeline.columns import Columns
from pipeline.record.mended_scenarios import select_standing

ORIGIN = date(2025, 6, 30)


def build(origin: date, horizon: int, rows: list[tuple[str, str]]) -> Columns:
    n = len(rows)
    return {
        "portfolio": np.array([portfolio for portfolio, _ in rows], object),
        "model": np.array([model for _, model in rows], object),
        "origin_date": np.full(n, origin, "datetime64[D]"),
        "part": np.zeros(n, np.int32),
        "horizon": np.full(n, horizon, np.int32),
    }


def list_rows(table: Columns) -> list[tuple[str, str]]:
    return list(zip(table["portfolio"].tolist(), table["model"].tolist(), strict=True))


def test_a_row_that_a_correction_left_out_stands_no_more() -> None:
    first = [("joint", "scenarios"), ("joint", "gaussian_copula"), ("lowest SPY", "scenarios")]
    corrected = [("joint", "scenarios")]
    runs = [build(ORIGIN, 1, corrected), build(ORIGIN, 1, first)]
    assert list_rows(select_standing(runs, (ORIGIN, 0, 1))) == corrected


def test_what_a_newer_run_says_of_another_vector_changes_nothing() -> None:
    rows = [("joint", "scenarios"), ("joint", "independence")]
    runs = [
        build(date(2025, 7, 1), 1, rows[:1]),
        build(ORIGIN, 5, rows[:1]),
        build(ORIGIN, 1, rows),
    ]
    assert list_rows(select_standing(runs, (ORIGIN, 0, 1))) == rows
