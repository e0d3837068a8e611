"""Scores of draws: by hand, and as the rows of their table."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.adapters.parquet.parquet_tables import ParquetTables
from pipeline.backtest.scenarios.samplers import draw_published
from pipeline.backtest.scenarios.score import MODELS, score_origins
from pipeline.evaluation.multivariate import energy_score, sample_crps, variogram_score
from pipeline.scenarios.portfolios import list_scored
from pipeline.scenarios.score_draw import NUMBERS, OURS, score_draw
from tests.support.joint import joint_history, still_filter

HISTORY = joint_history(400)
TICKERS = HISTORY.tickers
ROW = 200


def score(draw: np.ndarray, realised: np.ndarray) -> dict[tuple[str, int], dict[str, float]]:
    numbers = score_draw(draw, realised, TICKERS)
    rows = (dict(zip(NUMBERS, row, strict=True)) for row in numbers.tolist())
    return dict(zip(list_scored(TICKERS), rows, strict=True))


def test_each_book_and_the_joint_are_scored_by_the_rules() -> None:
    draw, realised = draw_published(HISTORY, ROW), HISTORY.realised[ROW]
    scores = score(draw, realised)
    joint = scores["joint", 5]
    vectors = draw[:, :, 4], realised[:, 4]
    assert joint["energy_score"] == energy_score(*vectors)
    assert joint["variogram_score"] == variogram_score(*vectors)
    assert np.isnan([joint["realised"], joint["crps"], joint["var_950"]]).all()
    gains = np.expm1(draw[:, 3, 0]) - np.expm1(draw[:, 1, 0])
    spread = scores["SPY - IWM", 1]
    gained = np.expm1(realised[3, 0]) - np.expm1(realised[1, 0])
    assert spread["realised"] == pytest.approx(gained)
    crps = sample_crps(gains[:, None], np.array([gained]))[0]
    assert spread["crps"] == pytest.approx(crps)
    assert spread["var_975"] == pytest.approx(-np.quantile(gains, 0.025))
    assert spread["es_975"] == pytest.approx(-np.sort(gains)[:25].mean())
    assert np.isnan(spread["energy_score"])
    assert scores["lowest SPY", 5]["var_950"] > scores["60 % SPY", 5]["var_950"]


def test_rows_say_what_they_are_of() -> None:
    rows = np.array([200, 201])
    columns = score_origins(HISTORY, rows, still_filter(HISTORY))
    scored = list_scored(TICKERS)
    assert len(columns["model"]) == 2 * len(MODELS) * len(scored)
    assert list(zip(columns["portfolio"], columns["horizon"], strict=True))[: len(scored)] == scored
    assert list(dict.fromkeys(columns["model"].tolist())) == list(MODELS)
    second = (columns["origin_date"] == HISTORY.origin_date[201]) & (columns["model"] == OURS)
    spread = second & (columns["portfolio"] == "SPY - IWM") & (columns["horizon"] == 5)
    assert columns["target_date"][spread] == HISTORY.session[HISTORY.at[201] + 5]
    expected = score(draw_published(HISTORY, 201), HISTORY.realised[201])["SPY - IWM", 5]
    assert columns["crps"][spread] == expected["crps"]
    tables = ParquetTables()
    decoded, _ = tables.decode(
        "backtest_scenario_scores", tables.encode("backtest_scenario_scores", columns, {})
    )
    assert all(np.array_equal(decoded[n], columns[n], equal_nan=n in NUMBERS) for n in columns)
