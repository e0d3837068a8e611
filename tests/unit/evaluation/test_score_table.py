"""The columns of a score, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation.score_table import compute_scores


def test_a_score_is_what_a_pocket_calculator_says() -> None:
    """Quantiles of -5 to 5 %, and returns of 2.5 %, -4 % and 6 %.

    The CRPS is 2 x the mean over 11 levels; the pinball losses are 4.6625 % below and 0.0875 %
    above 2.5 %, 0.01 % below and 9.49 % above -4 %, and 19.5 % below 6 %.
    """
    quantiles = np.tile(np.arange(-5.0, 6.0), (3, 1)) / 100
    columns = compute_scores(quantiles, np.array([0.025, -0.04, 0.06]))
    expected = {
        "error": [0.025, -0.04, 0.06],
        "pit": [0.925, 0.025, 0.995],
        "crps": [2 * 0.0475 / 11, 2 * 0.095 / 11, 2 * 0.195 / 11],
        "interval_score_80": [0.04 + 10 * 0.005, 0.04 + 10 * 0.02, 0.04 + 10 * 0.04],
        "interval_score_95": [0.08, 0.08, 0.08 + 40 * 0.02],
        "covered_50": [False, False, False],
        "covered_80": [False, False, False],
        "covered_90": [True, False, False],
        "covered_95": [True, True, False],
        "covered_98": [True, True, False],
    }
    assert list(columns) == list(expected)
    for name, values in expected.items():
        assert columns[name].tolist() == pytest.approx(values), name
