"""Across tickers: means of each one's ratio, and the worst of them by name."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.backtest.across_tickers import MANY, build_across_tickers
from pipeline.backtest.leaderboard import summarise
from pipeline.cli.leaderboard_text import print_leaderboard
from pipeline.columns import concatenate
from tests.support.builders import scores_table

MANY_TICKERS = tuple(f"T{i:02}" for i in range(MANY + 1))
GOOD = {"forecaster": 1.0, "garch_t": 1.5}
BAD = {"forecaster": 0.2, "garch_t": 1.0}  # far too narrow
SCORES = concatenate(
    [scores_table(GOOD, MANY_TICKERS[1:], n=60), scores_table(BAD, MANY_TICKERS[:1], n=60)]
)


def pick(model: str, ticker: str, name: str, horizon: int = 1) -> np.ndarray:
    rows = (SCORES["model"] == model) & (SCORES["ticker"] == ticker)
    return SCORES[name][rows & (SCORES["horizon"] == horizon)].astype(float)


def test_every_ticker_counts_alike_and_the_worst_is_named() -> None:
    (table,) = build_across_tickers(summarise(SCORES))
    assert table.title == "Across 11 tickers"
    assert [row[:2] for row in table.rows] == [("forecaster", "1"), ("forecaster", "5")]
    for row, horizon in zip(table.rows, (1, 5), strict=True):
        for at, name in ((2, "crps"), (3, "interval_score_95")):
            ratios = [
                np.mean(pick("forecaster", t, name, horizon))
                / np.mean(pick("garch_t", t, name, horizon))
                for t in MANY_TICKERS
            ]
            assert float(row[at]) == pytest.approx(np.mean(ratios), abs=6e-4)
            if name == "crps":
                better = 100 * np.mean(np.array(ratios) < 1)
                assert 0 < better < 100
                assert float(row[4]) == pytest.approx(better, abs=0.06)
        covered = {
            t: 100 * pick("forecaster", t, "covered_95", horizon).mean() for t in MANY_TICKERS
        }
        assert float(row[5]) == pytest.approx(np.mean(list(covered.values())), abs=0.06)
        assert float(row[6]) == pytest.approx(covered["T00"], abs=0.06)
        assert row[7] == "T00"


def test_of_few_tickers_or_without_a_reference_there_is_none() -> None:
    few = scores_table(GOOD, MANY_TICKERS[:MANY], n=60)
    assert list(build_across_tickers(summarise(few))) == []
    alone = scores_table({"forecaster": 1.0, "ewma": 1.1}, MANY_TICKERS, n=60)
    assert list(build_across_tickers(summarise(alone))) == []


def test_it_is_printed_first(capsys: pytest.CaptureFixture[str]) -> None:
    print_leaderboard(summarise(SCORES))
    out = capsys.readouterr().out
    assert -1 < out.index("Across 11 tickers") < out.index("Horizon 1, pooled")
