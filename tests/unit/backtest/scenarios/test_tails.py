"""Tails: exceedances, their tests, and losses beyond VaR beside ES."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.backtest.scenarios.tails import measure_tail
from pipeline.evaluation.significance import christoffersen, kupiec

N = 2000


def columns(realised: np.ndarray, var: float, es: float) -> dict[str, np.ndarray]:
    size = len(realised)
    return {"realised": realised, "var_950": np.full(size, var), "es_950": np.full(size, es)}


def test_by_hand() -> None:
    realised = np.zeros(N)
    realised[::40] = -0.06  # 50 of 2,000
    realised[1::40] = -0.02  # on VaR is not beyond it
    tail = measure_tail(columns(realised, 0.02, 0.05), 0.95, 1)
    assert (tail.days, tail.exceeded) == (N, 0.025)
    assert tail.es_ratio == pytest.approx(1.2)
    assert tail.z2 == pytest.approx(1 - 50 * 1.2 / 100)
    held = realised >= -0.02
    assert tail.kupiec_p == kupiec(held, 0.95).p
    assert tail.christoffersen_p == christoffersen(held, 0.95).p


def test_a_true_forecast_has_no_fault() -> None:
    realised = np.random.default_rng(1).normal(0, 0.01, 20_000)
    tail = measure_tail(columns(realised, 0.0164485, 0.0206271), 0.95, 1)
    assert tail.exceeded == pytest.approx(0.05, abs=0.004)
    assert tail.es_ratio == pytest.approx(1, abs=0.02)
    assert tail.z2 == pytest.approx(0, abs=0.08)
    assert tail.kupiec_p is not None and tail.kupiec_p > 0.01


def test_where_no_loss_is_beyond_there_is_no_ratio() -> None:
    tail = measure_tail(columns(np.zeros(20), 0.02, 0.03), 0.95, 1)
    assert (tail.exceeded, tail.es_ratio, tail.z2) == (0, None, 1)
    assert (tail.kupiec_p, tail.christoffersen_p) == (None, None)


def test_targets_that_overlap_are_tested_apart() -> None:
    realised = np.zeros(N)
    realised[:20] = -0.1  # one cluster, which overlapping targets make anyway
    apart = measure_tail(columns(realised, 0.02, 0.05), 0.95, 5)
    held = realised[::5] >= -0.02
    for test, p in ((christoffersen, apart.christoffersen_p), (kupiec, apart.kupiec_p)):
        assert p == pytest.approx(5 * test(held, 0.95).p, rel=1e-9, abs=0)
