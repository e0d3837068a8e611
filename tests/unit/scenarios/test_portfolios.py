"""Fixed portfolios: which of them tickers make, and what they gain."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.scenarios.portfolios import list_scored, measure_gains

TICKERS = ("IWM", "QQQ", "SPY")


def test_books_are_those_whose_tickers_are_there() -> None:
    assert list_scored(TICKERS) == [
        *(("joint", 1), ("joint", 5), ("equal weights", 1), ("equal weights", 5)),
        *(("SPY - IWM", 1), ("SPY - IWM", 5), ("QQQ - SPY", 1), ("QQQ - SPY", 5)),
        *(("60 % SPY", 1), ("60 % SPY", 5), ("lowest SPY", 5)),
    ]
    assert list_scored(("DIA", "IWM")) == [
        *(("joint", 1), ("joint", 5), ("equal weights", 1), ("equal weights", 5)),
    ]


def test_gains_by_hand() -> None:
    growth = np.ones((1, 3, 5))
    growth[0, :, 0] = 1.02, 1.01, 0.98
    growth[0, 2, 2] = 0.95
    growth[0, :, 4] = 0.90, 1.10, 1.05
    gains = measure_gains(np.log(growth), TICKERS)[0]
    assert gains == pytest.approx(
        [0.01 / 3, 0.05 / 3, -0.04, 0.15, 0.03, 0.05, -0.012, 0.03, -0.05]
    )
    assert len(gains) == len(list_scored(TICKERS)) - 2


def test_the_order_of_tickers_changes_no_gain() -> None:
    moves = np.random.default_rng(2).normal(0, 0.01, (7, 3, 5))
    turned = measure_gains(moves[:, ::-1], TICKERS[::-1])
    assert turned == pytest.approx(measure_gains(moves, TICKERS))
